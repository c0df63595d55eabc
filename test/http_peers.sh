#!/bin/sh
# The HTTP client against servers that nobody here wrote: Python's http.server and nginx. Prints TAP. Run from the build folder.
# EXAMPLES_RUN: what to run the client with (valgrind, for example).
set -u

work=$(mktemp -d "${TMPDIR:-/tmp}/http_peers.XXXXXX") || exit 1
server=
# shellcheck disable=SC2317 # it is called by the trap
clean() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM
count=0

result() {
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        sed 's/^/# /' "$work/diff"
    fi
}

skip() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

# is NAME EXPECTED ARG...: whether httpfetch ARG... says so. URL in an ARG is the server's.
is() {
    name=$1
    printf '%s\n' "$2" >"$work/expected"
    shift 2
    first=yes
    for arg; do
        [ $first = no ] || set --
        first=no
        set -- "$@" "$(printf '%s\n' "$arg" | sed "s|^URL|http://127.0.0.1:$port|")"
    done
    # shellcheck disable=SC2086 # a command with its options
    ${EXAMPLES_RUN-} test/httpfetch "$@" >"$work/got" 2>&1
    diff -u "$work/expected" "$work/got" >"$work/diff"
    result $? "$name"
}

# started FILE: waits until the server has said its port there.
started() {
    tries=0
    until [ -s "$1" ] || [ $tries -eq 200 ] || ! kill -0 "$server" 2>/dev/null; do
        sleep 0.1
        tries=$((tries + 1))
    done
    port=$(sed -n 's/.*port //; s/^\([0-9][0-9]*\).*/\1/p; q' "$1")
    [ -n "$port" ]
}

stop_server() {
    kill "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    server=
}

mkdir -p "$work/site/folder"
echo 'hello' >"$work/site/hello.txt"
echo 'inside' >"$work/site/folder/index.html"
head -c 3000000 /dev/zero | tr '\0' 'x' >"$work/site/large"

# --- Python: HTTP/1.0, a connection for each request; and HTTP/1.1 where it can ---

python=$(command -v python3)
if [ -z "$python" ]; then
    skip 'http.server' 'there is no python3'
else
    for version in HTTP/1.0 HTTP/1.1; do
        rm -f "$work/python"
        "$python" -u -m http.server 0 --bind 127.0.0.1 --directory "$work/site" --protocol $version \
            >"$work/python" 2>"$work/python.log" &
        server=$!
        if ! started "$work/python"; then
            stop_server
            skip "http.server, $version" 'it does not start'
            continue
        fi
        idle=1
        [ $version = HTTP/1.1 ] || idle=0
        line='200 6 3074031992 /hello.txt'
        is "http.server, $version: a file" "$line
$line
$line
idle: $idle, active: 0" -n 3 URL/hello.txt
        is "http.server, $version: HEAD" "200 0 0 /hello.txt
idle: $idle, active: 0" -m HEAD URL/hello.txt
        is "http.server, $version: a redirect to a folder" "200 7 1957244814 /folder/
idle: $idle, active: 0" URL/folder
        is "http.server, $version: streamed" "200 3000000 115777536 /large
idle: $idle, active: 0" -s URL/large
        stop_server
    done
fi

# --- nginx: on a socket that it takes over, so that the kernel chooses the port ---

nginx=$(command -v nginx || command -v /usr/sbin/nginx)
if [ -z "$nginx" ]; then
    skip 'nginx' 'it is not installed'
else
    cat >"$work/nginx.in" <<END
user $(id -un) $(id -gn); daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/nginx.log;
events { worker_connections 64; }
http {
    access_log off; client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
    gzip off; keepalive_requests 3; large_client_header_buffers 4 1k;
    server {
        listen 127.0.0.1:PORT; root $work/site; absolute_redirect off;
        location /moved { return 303 /hello.txt; }
        location /store { client_max_body_size 1k; return 201 "stored"; }
        location /gone { return 404 "gone"; }
        location /drop { return 444; }
        location /chunked { ssi on; ssi_types *; alias $work/site/hello.txt; }
    }
}
END
    # shellcheck disable=SC2016 # PORT is set by httpfetch
    test/httpfetch -l sh -c 'sed "s/PORT/$PORT/" "$1/nginx.in" >"$1/nginx.conf" && exec "$0" -p "$1" -c nginx.conf' \
        "$nginx" "$work" >"$work/nginx" 2>&1 &
    server=$!
    if ! started "$work/nginx"; then
        skip 'nginx' 'it does not start'
    else
        line='200 6 3074031992 /hello.txt'
        is 'nginx: a file, and a connection that it closes now and then' "$line
$line
$line
$line
$line
idle: 1, active: 0" -n 5 URL/hello.txt
        is 'nginx: HEAD' '200 0 0 /hello.txt
idle: 1, active: 0' -m HEAD URL/hello.txt
        is 'nginx: chunked' '200 6 3074031992 /chunked
idle: 1, active: 0' URL/chunked
        is 'nginx: redirects' '200 7 1957244814 /folder/
idle: 1, active: 0' URL/folder
        is 'nginx: a body' '201 6 3402900387 /store
idle: 1, active: 0' -d body URL/store
        is 'nginx: a body that is redirected' '200 6 3074031992 /hello.txt
idle: 1, active: 0' -d body URL/moved
        is 'nginx: a body from an iterator' '201 6 3402900387 /store
201 6 3402900387 /store
idle: 1, active: 0' -c -d body -n 2 URL/store
        is 'nginx: not found' '404 4 3178655 /gone
idle: 1, active: 0' URL/gone
        is 'nginx: streamed' '200 3000000 115777536 /large
idle: 1, active: 0' -s URL/large
        is 'nginx: no answer' "GET http://127.0.0.1:$port/drop: the connection ended without a response
idle: 0, active: 0" URL/drop
    fi
    stop_server
fi
echo "1..$count"
