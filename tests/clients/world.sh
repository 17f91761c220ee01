# What the worlds of network namespaces share: to be sourced with $bin, $dir and $python set.
set -euo pipefail
cd "$dir"
mount -t tmpfs none /run
trap 'kill $(jobs -p) 2> /dev/null || true' EXIT

in_() { ip netns exec "$@"; }
spaces() { # their names
    local name
    for name in "$@"; do
        ip netns add "$name"
        ip -n "$name" link set lo up
    done
}
link() { # two namespaces, each with its address
    ip link add "to-$3" type veth peer name "to-$1"
    ip link set "to-$3" netns "$1"
    ip link set "to-$1" netns "$3"
    ip -n "$1" addr add "$2" dev "to-$3"
    ip -n "$3" addr add "$4" dev "to-$1"
    ip -n "$1" link set "to-$3" up
    ip -n "$3" link set "to-$1" up
}
gateway() { # in the namespace gw, at 10.9.9.9, with an owner
    ip -n gw addr add 10.9.9.9/32 dev lo
    cat > gateway.toml <<C
data = "$dir/data"
listen = "0.0.0.0:8443"
management = "127.0.0.1:8444"
advertise = "10.9.9.9:8443"
C
    in_ gw "$bin/doorward" serve --config gateway.toml --print-code > gateway.out 2> gateway.err &
    until grep -q '^dw1' gateway.out; do sleep 0.1; done
    owner claim "$(grep '^dw1' gateway.out)" > /dev/null
}
owner() { in_ gw "$bin/doorward" --identity "$dir/owner" "$@"; }
enrol() { # namespace, kind, name, options
    local where=$1 kind=$2 name=$3 code
    shift 3
    code=$(owner "$kind" add "$name" "$@" --json | "$python" -c 'import json,sys; print(json.load(sys.stdin)["code"])')
    in_ "$where" "$bin/doorward-agent" enroll "$code" --yes --dir "$dir/$name" > /dev/null
}
