#!/usr/bin/env bash
# A device behind an address translation, a gateway, and people elsewhere, each in a network
# namespace of its own: namespaces.sh BIN DIR PYTHON
#
# Run it in fresh user, mount and network namespaces. It prints one line for each thing tried.
bin=$1 dir=$2 python=$3
. "$(dirname "$0")/world.sh"

spaces dev nat gw usr
link dev 10.1.0.2/24 nat 10.1.0.1/24
link nat 10.2.0.2/24 gw 10.2.0.1/24
link usr 10.3.0.2/24 gw 10.3.0.1/24
ip -n dev route add default via 10.1.0.1
ip -n nat route add default via 10.2.0.1
ip -n usr route add default via 10.3.0.1
in_ nat sysctl -qw net.ipv4.ip_forward=1
in_ nat nft add table ip nat
in_ nat nft add chain ip nat out '{ type nat hook postrouting priority 100; }'
in_ nat nft add rule ip nat out oifname to-gw masquerade

gateway
enrol dev device plc
enrol usr user alice --role operator
enrol usr user mallory
owner interface add plc/tcp agent:tcp > /dev/null
owner interface add plc/udp udp+agent:udp > /dev/null
owner interface add plc/sock agent:sock > /dev/null
owner interface add plc/line serial+agent:line > /dev/null

# What the device has: four echoes.
in_ dev "$python" - "$dir" <<'P' &
import os, pty, socket, sys, threading, tty

def echo(read, write):
    while data := read(65536):
        write(data)

def serve(peer):
    try:
        echo(peer.recv, peer.sendall)
    except ConnectionError:
        pass
    peer.close()

def streams(listener):
    listener.listen()
    while True:
        peer, _ = listener.accept()
        threading.Thread(target=serve, args=(peer,), daemon=True).start()

tcp = socket.socket(); tcp.bind(("127.0.0.1", 7001))
unix = socket.socket(socket.AF_UNIX); unix.bind(sys.argv[1] + "/echo.sock")
udp = socket.socket(type=socket.SOCK_DGRAM); udp.bind(("127.0.0.1", 7002))
near, far = pty.openpty()
tty.setraw(far)
for listener in (tcp, unix):
    threading.Thread(target=streams, args=(listener,), daemon=True).start()
threading.Thread(target=echo, args=(lambda n: os.read(near, n), lambda b: os.write(near, b)), daemon=True).start()
open(sys.argv[1] + "/line.tmp", "w").write(os.ttyname(far))
os.rename(sys.argv[1] + "/line.tmp", sys.argv[1] + "/line")
while True:
    data, peer = udp.recvfrom(65536)
    udp.sendto(data, peer)
P
until [ -e line ]; do sleep 0.1; done
cat > agent.toml <<C
[interfaces.tcp]
url = "tcp://127.0.0.1:7001"
[interfaces.udp]
url = "udp://127.0.0.1:7002"
[interfaces.sock]
url = "unix:$dir/echo.sock"
[interfaces.line]
url = "serial:$(cat line)"
C

agent=
run_agent() {
    (exec ip netns exec dev "$bin/doorward-agent" run --dir "$dir/plc" --config agent.toml 2>> agent.err) &
    agent=$!
    for _ in $(seq 300); do
        carrier=$("$bin/doorward-agent" status --json --dir "$dir/plc" | "$python" -c '
import json, sys
agent = json.load(sys.stdin)["agent"] or {"state": {}, "offers": {}}
taken = all(one["taken"] for one in agent["offers"].values()) and len(agent["offers"]) == 4
print(agent["state"].get("carrier", "") if taken else "")')
        [ -z "$carrier" ] || break
        sleep 0.1
    done
}
reach() { # who, interface: sends a line and prints the one that comes back, or how it ended
    in_ usr "$python" - "$bin/doorward-agent" connect "plc/$2" --dir "$dir/$1" <<'P'
import select, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
try:
    child.stdin.write(b"through the gateway\n")
    child.stdin.flush()
except BrokenPipeError:
    pass
ready, _, _ = select.select([child.stdout], [], [], 30)
print(child.stdout.readline().decode().strip() or f"refused {child.wait()}" if ready else "nothing")
child.terminate()
P
}
tour() {
    for interface in tcp udp sock line; do
        echo "$1 alice $interface: $(reach alice $interface)"
        echo "$1 mallory $interface: $(reach mallory $interface)"
    done
}

if in_ gw timeout 2 bash -c 'exec 3<> /dev/tcp/10.1.0.2/7001' 2> /dev/null; then
    echo "the gateway has a route to the device"
else
    echo "the gateway has no route to the device"
fi
run_agent
echo "the agent is connected by $carrier"
tour quic
owner session list --json | "$python" -c '
import json, sys
doors = {one["subject"]: one["door"] for one in json.load(sys.stdin)}
print("the gateway sees the device by", doors["device/plc"])'

# UDP does not get through any more, from anywhere.
in_ gw nft add table inet blocked
in_ gw nft add chain inet blocked in '{ type filter hook input priority 0; }'
in_ gw nft add rule inet blocked in udp dport 8443 drop
kill "$agent"; wait "$agent" || true
run_agent
echo "without UDP the agent is connected by $carrier"
tour tls
