# Flows that are kept open in the namespace usr while something happens: to be sourced after
# world.sh.
declare -A pid to from

flow() { # its name, who opens it, to which interface
    local opened
    mkfifo "$1.in" "$1.out"
    (exec ip netns exec usr "$bin/doorward-agent" connect "plc/$3" --dir "$dir/$2" \
        < "$1.in" > "$1.out" 2> "$1.err") &
    pid[$1]=$!
    exec {opened}> "$1.in"; to[$1]=$opened
    exec {opened}< "$1.out"; from[$1]=$opened
}
say() { # a flow, and a line
    echo "$2" >&"${to[$1]}"
}
heard() { # a flow: the next line that comes back
    local line=nothing
    read -r -t 60 -u "${from[$1]}" line || true
    echo "$line"
}
ended() { # a flow: sets $how it has ended, if it has within some seconds
    how="goes on"
    for _ in $(seq 100); do
        if ! kill -0 "${pid[$1]}" 2> /dev/null; then
            wait "${pid[$1]}" && how="ended with 0" || how="ended with $?"
            return
        fi
        sleep 0.1
    done
}
