#!/usr/bin/env bash
# A network that is gone for some seconds, and for longer than a silent connection is kept:
# outage.sh BIN DIR PYTHON
#
# Run it in fresh user, mount and network namespaces. It prints one line for each thing tried.
bin=$1 dir=$2 python=$3
here=$(dirname "$0")
. "$here/world.sh"
. "$here/flows.sh"

spaces dev gw usr
link dev 10.1.0.2/24 gw 10.1.0.1/24
link usr 10.3.0.2/24 gw 10.3.0.1/24
ip -n dev route add default via 10.1.0.1
ip -n usr route add default via 10.3.0.1

gateway
enrol dev device plc
enrol usr user alice --role operator
owner interface add plc/echo agent:echo > /dev/null
cat > agent.toml <<C
[interfaces.echo]
url = "process:/bin/cat"
C
(exec ip netns exec dev "$bin/doorward-agent" run --dir "$dir/plc" --config agent.toml 2> agent.err) &
told() { # what the agent's status says: a state, a session, and whether its offer is taken
    "$bin/doorward-agent" status --json --dir "$dir/plc" | "$python" -c '
import json, sys
agent = json.load(sys.stdin)["agent"] or {"state": {"is": "absent"}, "offers": {}}
state = agent["state"]
taken = [name for name, answer in agent["offers"].items() if answer["taken"]]
print(state["is"], state.get("session", state.get("why", "")), *taken)'
}
until_told() { # a state
    for _ in $(seq 900); do
        now=$(told)
        case $now in $1) return ;; esac
        sleep 0.1
    done
}

until_told "up * echo"
first=$now
flow short alice echo
say short before
echo "short: $(heard short)"

# The gateway loses its end of both lines for some seconds.
ip -n gw link set to-dev down
ip -n gw link set to-usr down
seq 20000 >&"${to[short]}" &
sleep 12
ip -n gw link set to-dev up
ip -n gw link set to-usr up
for number in $(seq 20000); do
    read -r -t 60 -u "${from[short]}" line || line=nothing
    [ "$line" = "$number" ] || break
done
echo "after a short while, what was said meanwhile has come back up to $line"
[ "$(told)" = "$first" ] && echo "the agent has the session that it had"

# The device loses its line, and gives up.
before=$(sha256sum "$dir/plc/"{cert,key}.pem)
ip -n dev link set to-gw down
until_told "waiting *"
echo "the agent is ${now%% *}"
grep -om1 "not connected: .*" agent.err
ended short; echo "the flow $how"
flow absent alice echo
ended absent; echo "meanwhile, another $how: $(grep -o 'could not be reached' absent.err)"
ip -n dev link set to-gw up
ip -n dev route add default via 10.1.0.1
until_told "up * echo"
echo "afterwards the agent is ${now%% *}"
[ "$now" != "$first" ] && echo "by another session"
[ "$before" = "$(sha256sum "$dir/plc/"{cert,key}.pem)" ] && echo "by the same identity"
flow again alice echo
say again "as before"
echo "again: $(heard again)"
