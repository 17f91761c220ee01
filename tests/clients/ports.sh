#!/usr/bin/env bash
# A gateway that chooses its port where most ports are in use over UDP: ports.sh BIN DIR PYTHON
#
# Run it in fresh user, mount and network namespaces. It prints one line for each thing tried.
bin=$1 dir=$2 python=$3
. "$(dirname "$0")/world.sh"

ip link set lo up
# The system chooses from these eight.
sysctl -qw net.ipv4.ip_local_port_range="40000 40007"
hold() { # ports, which are then in use over UDP
    rm -f held
    "$python" - "$@" <<'P' &
import signal, socket, sys
held = [socket.socket(type=socket.SOCK_DGRAM) for _ in sys.argv[1:]]
for one, port in zip(held, sys.argv[1:]):
    one.bind(("127.0.0.1", int(port)))
open("held", "w").close()
signal.pause()
P
    until [ -e held ]; do sleep 0.05; done
}
serve=("$bin/doorward" serve --data "$dir/data" --listen 127.0.0.1:0 --management 127.0.0.1:8444)

hold 40000 40001 40002 40003 40004 40006 40007
touch gateway.out
"${serve[@]}" > gateway.out 2> gateway.err &
until grep -q '^interfaces' gateway.out || ! kill -0 $! 2> /dev/null; do sleep 0.05; done
sed -n 's/^interfaces *\([^ ]*\) .*/it listens at \1/p' gateway.out
kill $! 2> /dev/null || true
wait $! || true

hold 40005
{ "${serve[@]}" 2>&1 || true; } | sed 's/^doorward: //'
