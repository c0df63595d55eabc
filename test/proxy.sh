#!/bin/sh
# examples/proxy between peers that nobody here wrote: curl and nginx, curl and Python's http.server, nc and nc. Prints TAP. Run
# from the build folder. EXAMPLES_RUN: what to run it with (valgrind, for example).
set -u

work=$(mktemp -d "${TMPDIR:-/tmp}/proxy.XXXXXX") || exit 1
count=0
proxy=
server=

# Ends those of our own that are still there.
# shellcheck disable=SC2317 # it is called by the trap
clean() {
    for pid in $proxy $server; do kill "$pid" 2>/dev/null; done
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

# ok NAME COMMAND...: ok when the command succeeds; what it says is shown when it does not.
ok() {
    name=$1
    shift
    count=$((count + 1))
    if "$@" >"$work/said" 2>&1; then
        echo "ok $count - $name"
    else
        echo "not ok $count - $name"
        sed 's/^/# /' "$work/said" "$work/errors" | head -n 20
    fi
}

skip() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

# wait_for FILE PID: until there is a line in the file, or the process is gone.
wait_for() {
    while [ ! -s "$1" ] && kill -0 "$2" 2>/dev/null; do sleep 0.05; done
    [ -s "$1" ]
}

# proxy_to PORT [IDLE [CONNECTIONS]]: it is $proxy, and listens on $through; what it complains of is in errors.
proxy_to() {
    : >"$work/listens"
    # shellcheck disable=SC2086 # EXAMPLES_RUN is a command with its options
    ${EXAMPLES_RUN-} examples/proxy/proxy 0 127.0.0.1 "$@" >"$work/listens" 2>"$work/errors" &
    proxy=$!
    wait_for "$work/listens" $proxy
    through=$(sed 's/.*://' "$work/listens")
}

# It ends at once, as nobody is connected, and has had nothing to complain of but what is in $1.
stops() {
    kill -INT "$proxy"
    wait "$proxy"
    status=$?
    proxy=
    grep -v '^stopping: ' "$work/errors" >"$work/complaints"
    cat "$work/complaints"
    [ $status -eq 0 ] && if [ -n "${1-}" ]; then grep -q "$1" "$work/complaints"; else [ ! -s "$work/complaints" ]; fi
}

stop_server() {
    kill "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    server=
}

get() { curl -sS --max-time 120 --fail "$@"; }

mkdir "$work/site"
head -c 20000000 /dev/urandom >"$work/site/large"
echo hello >"$work/site/small"

same() { get -o "$work/got" "http://127.0.0.1:$through/$1" && cmp "$work/got" "$work/site/$1"; }
upload() { get -T "$work/site/large" "http://127.0.0.1:$through/put" && cmp "$work/put" "$work/site/large"; }
both_ways() {
    get -o "$work/down" "http://127.0.0.1:$through/large" &
    one=$!
    upload && wait $one && cmp "$work/down" "$work/site/large"
}
many() {
    set --
    for i in 1 2 3 4 5 6 7 8; do set -- "$@" -o "$work/many.$i" "http://127.0.0.1:$through/large"; done
    get --parallel "$@" && for i in 1 2 3 4 5 6 7 8; do cmp "$work/many.$i" "$work/site/large" || return 1; done
}
# Leaves in the middle: then the next one is served as ever.
leaves() {
    curl -sS "http://127.0.0.1:$through/large" 2>/dev/null | head -c 100000 >/dev/null
    same small
}

finishes() {
    rm -f "$work/got"
    get --limit-rate 10M -o "$work/got" "http://127.0.0.1:$through/large" &
    one=$!
    wait_for "$work/got" $one
    stops && wait $one && cmp "$work/got" "$work/site/large"
}

# --- Python's http.server ---

python=$(command -v python3)
if [ -z "$python" ] || ! command -v curl >/dev/null; then
    skip 'curl and http.server' 'python3 or curl is not installed'
else
    : >"$work/python"
    "$python" -u -m http.server 0 --bind 127.0.0.1 --directory "$work/site" >"$work/python" 2>"$work/python.log" &
    server=$!
    if wait_for "$work/python" $server; then
        proxy_to "$(sed 's/.*port \([0-9]*\).*/\1/; q' "$work/python")"
        ok 'curl and http.server: a small body' same small
        ok 'curl and http.server: a large body' same large
        ok 'curl and http.server: eight at a time' many
        ok 'the proxy stops, and had nothing to complain of' stops
        port=$(sed 's/.*port \([0-9]*\).*/\1/; q' "$work/python")
        proxy_to "$port" 60 1
        ok 'one connection at a time: the others wait' many
        ok 'and nobody complains' stops
        proxy_to "$port"
        ok 'a body under way when the proxy is to stop is finished' finishes
        stop_server
        proxy_to "$port"
        refused() { ! get "http://127.0.0.1:$through/small" && kill -0 "$proxy"; }
        ok 'the target refuses' refused
        ok 'and it said so' stops 'connect 127.0.0.1:.*: Connection refused'
    else
        skip 'curl and http.server' 'it does not start'
        server=
    fi
fi

# --- nginx ---

nginx=$(command -v nginx || command -v /usr/sbin/nginx)
if [ -z "$nginx" ] || ! command -v curl >/dev/null; then
    skip 'curl and nginx' 'nginx or curl is not installed'
elif ! "$nginx" -V 2>&1 | grep -q http_dav_module; then
    skip 'curl and nginx' 'nginx takes no uploads'
else
    cat >"$work/nginx.in" <<END
user $(id -un) $(id -gn); daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/nginx.log;
events { worker_connections 64; }
http {
    access_log off; client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi; client_max_body_size 100m;
    server {
        listen 127.0.0.1:PORT; root $work/site;
        location = /put { root $work; dav_methods PUT; dav_access user:rw; }
    }
}
END
    : >"$work/nginx"
    # shellcheck disable=SC2016 # PORT is set by httpfetch
    test/httpfetch -l sh -c 'sed "s/PORT/$PORT/" "$1/nginx.in" >"$1/nginx.conf" && exec "$0" -p "$1" -c nginx.conf' \
        "$nginx" "$work" >"$work/nginx" 2>&1 &
    server=$!
    if wait_for "$work/nginx" $server; then
        proxy_to "$(cat "$work/nginx")"
        ok 'curl and nginx: a large body from it' same large
        ok 'curl and nginx: a large body to it' upload
        ok 'curl and nginx: both at once' both_ways
        ok 'a client that leaves in the middle' leaves
        ok 'and it said so' stops 'Connection reset by peer\|Broken pipe'
    else
        skip 'curl and nginx' 'it does not start'
    fi
    stop_server
fi

# --- nc: half of a connection closed; a silent one ---

# The server is nc -l, which takes one connection, on a port that was free a moment ago.
if ! nc -h 2>&1 | grep -q -- '-N'; then
    skip 'nc' 'there is none that closes one half of the connection (-N)'
else
    free_port() { test/httpfetch -l true; }
    is_listening() { grep -q "$(printf ':%04X 00000000:0000 0A' "$1")" /proc/net/tcp; }
    # listen_nc FILE: nc sends the file at once, and then its end; what it gets is in heard.
    listen_nc() {
        port=$(free_port)
        nc -N -l 127.0.0.1 "$port" <"$1" >"$work/heard" 2>"$work/nc.log" &
        server=$!
        until is_listening "$port" || ! kill -0 $server 2>/dev/null; do sleep 0.05; done
    }
    # The server has ended its half long before the client does: the other half goes on.
    half() {
        nc -N 127.0.0.1 "$through" <"$work/site/large" >"$work/got" && wait $server &&
            cmp "$work/got" "$work/site/small" && cmp "$work/heard" "$work/site/large"
    }
    listen_nc "$work/site/small"
    proxy_to "$port"
    ok 'nc and nc: a half of the connection goes on when the other has ended' half
    ok 'and that is no error' stops

    silent() { nc 127.0.0.1 "$through" </dev/null >"$work/got"; }
    port=$(free_port)
    mkfifo "$work/never"
    nc -l 127.0.0.1 "$port" <>"$work/never" >"$work/heard" 2>&1 &
    server=$!
    until is_listening "$port" || ! kill -0 $server 2>/dev/null; do sleep 0.05; done
    proxy_to "$port" 1
    ok 'a connection on which nothing comes is ended' silent
    ok 'and it said so' stops 'idle for 1000 ms'
    wait $server
    server=
fi

echo "1..$count"
