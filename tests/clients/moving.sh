#!/usr/bin/env bash
# A device and a person whose addresses change while flows are open: moving.sh BIN DIR PYTHON
#
# Run it in fresh user, mount and network namespaces. It prints one line for each thing tried.
bin=$1 dir=$2 python=$3
here=$(dirname "$0")
. "$here/world.sh"
. "$here/flows.sh"

spaces dev gw usr
link dev 10.1.0.2/24 gw 10.1.0.1/24
link usr 10.3.0.2/24 gw 10.3.0.1/24
ip -n gw addr add 10.2.0.1/24 dev to-dev
ip -n gw addr add 10.4.0.1/24 dev to-usr
ip -n dev route add default via 10.1.0.1
ip -n usr route add default via 10.3.0.1
move() { # a namespace, from one network to another
    ip -n "$1" addr add "$3.2/24" dev to-gw
    ip -n "$1" route replace default via "$3.1"
    ip -n "$1" addr del "$2.2/24" dev to-gw
}

gateway
enrol dev device plc
enrol usr user alice
owner interface add plc/free agent:echo > /dev/null
owner interface add plc/bound agent:echo > /dev/null
owner policy show --out bundle > /dev/null
cat >> bundle/policy.csv <<C
p, user/alice, plc, free, connect, , allow
p, user/alice, plc, bound, connect, from=10.3.0.0/24, allow
C
owner policy apply bundle/policy.csv > /dev/null
cat > agent.toml <<C
[interfaces.echo]
url = "process:/bin/cat"
C
run_agent() {
    (exec ip netns exec dev "$bin/doorward-agent" run --dir "$dir/plc" --config agent.toml 2> agent.err) &
    for _ in $(seq 300); do
        "$bin/doorward-agent" status --json --dir "$dir/plc" > status.json
        ! grep -q '"taken": *true' status.json || break
        sleep 0.1
    done
}
state() { # of the agent: its carrier and its session
    "$bin/doorward-agent" status --json --dir "$dir/plc" | "$python" -c '
import json, sys
state = json.load(sys.stdin)["agent"]["state"]
print(state["carrier"], state["session"])'
}
sessions() { # of somebody: those that stand, and those that the audit log has, by their places
    owner session list --json | "$python" -c '
import json, sys
found = [one for one in json.load(sys.stdin) if one["subject"] == sys.argv[1]]
print(len(found), *sorted({one["source"].rsplit(":")[0] for one in found}), end=", ")' "$1"
    owner audit export | "$python" -c '
import json, sys
records = [json.loads(line) for line in sys.stdin]
print(sum(one["event"] == "session-open" and one["subject"] == sys.argv[1] for one in records), "begun")' "$1"
}
seen() { # by the gateway: the sessions of somebody, once they come from that address
    local found
    for _ in $(seq 100); do
        found=$(sessions "$1")
        case $found in *" $2,"*) break ;; esac
        sleep 0.1
    done
    echo "$1: $found"
}

run_agent
flow free alice free
flow bound alice bound
for name in free bound; do
    say $name before
    echo "$name: $(heard $name)"
done
before=$(state)
seen device/plc 10.1.0.2
move dev 10.1.0 10.2.0
say free "the device has moved"
say bound "and goes on"
echo "free: $(heard free)"
echo "bound: $(heard bound)"
[ "$before" = "$(state)" ] && echo "its agent noticed nothing of it"
seen device/plc 10.2.0.2

seen user/alice 10.3.0.2
move usr 10.3.0 10.4.0
say free "alice has moved"
say bound "out of her network"
echo "free: $(heard free)"
ended bound; echo "bound $how"
seen user/alice 10.4.0.2
owner audit export | "$python" -c '
import json, sys
for line in sys.stdin:
    record = json.loads(line)
    if record["event"] == "flow-end":
        print("the flow to", record["path"], "ended:", record["reason"])'
flow again alice bound
ended again; echo "bound again $how"
say free "still here"
echo "free: $(heard free)"
