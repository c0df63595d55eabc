#!/bin/sh
# examples/fileserver and clients that nobody here wrote: curl, nc, openssl s_client, wrk. Prints TAP. Run from the build folder.
# EXAMPLES_RUN: what to run it with (valgrind, for example).
set -u

work=$(mktemp -d)
count=0
pid=
secure=

# Ends the server, if it is there: nobody else's process.
end() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null
    [ -z "$pid" ] || wait "$pid" 2>/dev/null
    rm -rf "$work"
}
trap end EXIT

# ok NAME COMMAND...: ok when the command succeeds; what it says is shown when it does not.
ok() {
    name=$1
    shift
    count=$((count + 1))
    if "$@" >"$work/said" 2>&1; then
        echo "ok $count - $name"
    else
        echo "not ok $count - $name"
        sed 's/^/# /' "$work/said" | head -n 20
    fi
}

skip() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

have() { command -v "$1" >/dev/null 2>&1; }

# The server, with $pid, at $url, on $port; its log is a file. It says where it is as soon as it listens.
start() {
    : >"$work/log"
    # shellcheck disable=SC2086 # EXAMPLES_RUN is a command with its options
    ${EXAMPLES_RUN-} examples/fileserver/fileserver "$@" >"$work/log" 2>"$work/errors" &
    pid=$!
    url=
    while [ -z "$url" ] && kill -0 "$pid" 2>/dev/null; do url=$(sed -n '1s,/$,,p' "$work/log"); done
    port=${url##*:}
}

# Tells it to end, and waits: it must have answered all, and found nothing wrong.
stop() {
    kill -TERM "$pid"
    wait "$pid"
    status=$?
    pid=
    cat "$work/errors"
    [ "$status" -eq 0 ] && [ ! -s "$work/errors" ]
}

# --- What there is to serve ---

www=$work/www
mkdir -p "$www/sub"
echo '<p>index' >"$www/index.html"
echo 'below' >"$www/sub/index.html"
echo 'a secret' >"$work/secret"
ln -s ../secret "$www/link"
awk 'BEGIN { for (i = 0; i < 200000; i++) print "line", i }' >"$www/big.txt"

# --- curl ---

# shellcheck disable=SC2086 # $secure is options
ask() { curl -sS --max-time 60 $secure "$@"; }
get() { ask --fail "$@"; }

same_file() { get -o "$work/got" "$url/$1" && cmp "$work/got" "$www/$1"; }
has_type() { get -I "$url/$1" | tr -d '\r' | grep -qx "Content-Type: $2"; }
gives() { [ "$(ask -o /dev/null -w '%{http_code}' "$@")" = "$status" ]; }
part_of_file() {
    get -r 1000-1999 -o "$work/got" "$url/big.txt" && dd if="$www/big.txt" bs=1000 skip=1 count=1 2>/dev/null | cmp - "$work/got"
}
continues() {
    head -c 5000 "$www/big.txt" >"$work/got"
    get -C - -o "$work/got" "$url/big.txt" && cmp "$work/got" "$www/big.txt"
}
not_changed() {
    get -o "$work/got" --etag-save "$work/etag" "$url/big.txt" &&
        status=304 gives --etag-compare "$work/etag" "$url/big.txt"
}
one_connection() {
    connects=$(get -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects}\n' "$url/" "$url/big.txt" "$url/sub/")
    [ "$(echo "$connects" | tr -d '\n')" = 100 ]
}
redirects() { [ "$(get -L "$url/sub")" = below ]; }
many() {
    set --
    for i in 1 2 3 4 5 6 7 8; do set -- "$@" -o "$work/many.$i" "$url/big.txt"; done
    get --parallel "$@" && for i in 1 2 3 4 5 6 7 8; do cmp "$work/many.$i" "$www/big.txt" || return 1; done
}
leaves() { # in mid-response; then the next one is served as ever
    ask --limit-rate 1000 -r 0-999999 "$url/big.txt" 2>/dev/null | head -c 100 >/dev/null
    same_file big.txt
}

curl_tests() {
    ok "curl: a file ($1)" same_file big.txt
    ok "curl: the folder's index ($1)" same_file index.html
    ok "curl: a type ($1)" has_type big.txt 'text\/plain; charset=utf-8'
    ok "curl: a range ($1)" part_of_file
    ok "curl: going on with a download ($1)" continues
    ok "curl: not modified ($1)" not_changed
    ok "curl: three requests on one connection ($1)" one_connection
    ok "curl: a redirect to the folder ($1)" redirects
    ok "curl: eight at a time ($1)" many
    ok "curl: a client that leaves ($1)" leaves
    status=404 ok "curl: what is not there ($1)" gives "$url/nothing"
    status=404 ok "curl: no way out by a link ($1)" gives "$url/link"
    status=400 ok "curl: no way out by .. ($1)" gives --path-as-is "$url/../secret"
    status=405 ok "curl: no uploads ($1)" gives -T "$www/big.txt" "$url/new"
}

# --- nc: HTTP by hand, and one half of the connection closed ---

say() { printf %b "$1" | nc -N -w 60 127.0.0.1 "$port" >"$work/got"; }
answers() {
    say 'GET /sub/ HTTP/1.0\r\n\r\n' && tail -n 1 "$work/got" | grep -qx below
}
pipeline() {
    say 'GET /sub/ HTTP/1.1\r\nHost: x\r\n\r\nGET /sub/ HTTP/1.1\r\nHost: x\r\n\r\n' && [ "$(grep -c '^below$' "$work/got")" = 2 ]
}
refuses() {
    say 'nonsense\r\n\r\n' && grep -q '^HTTP/1.1 400 ' "$work/got"
}

# --- wrk: as fast as it can ---

under_load() {
    wrk -t 1 -c 20 -d 1s "$url/" >"$work/got" && cat "$work/got" &&
        ! grep -E 'Non-2xx|Socket errors' "$work/got" && grep -q 'requests in' "$work/got"
}

# --- openssl s_client ---

by_s_client() {
    { printf 'GET /sub/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'; } |
        openssl s_client -quiet -verify_return_error -CAfile "$work/certificate.pem" -verify_hostname localhost \
            -ign_eof -connect "127.0.0.1:$port" >"$work/got" 2>"$work/said.too"
    cat "$work/said.too"
    grep -qx below "$work/got"
}
no_tls() { ! printf 'GET / HTTP/1.0\r\n\r\n' | nc -N -w 60 127.0.0.1 "$port" | grep -q '^HTTP'; }

logged() { grep -q '^127.0.0.1 .*Z "GET /big.txt" 200 "curl' "$work/log"; }
stopped() { stop && grep -qx 'stopped, 0 connections aborted' "$work/log"; }

# --- HTTP ---

start "$www" 0
if have curl; then
    curl_tests http
    ok "the log" logged
else
    skip "curl" "curl is not here"
fi
if have nc && nc -h 2>&1 | grep -q -- -N; then
    ok "nc: a request, then the end of one half" answers
    ok "nc: two requests at once" pipeline
    ok "nc: nonsense" refuses
else
    skip "nc" "nc with -N is not here"
fi
if ! have wrk; then
    skip "wrk" "wrk is not here"
elif [ -n "${EXAMPLES_RUN-}" ]; then
    skip "wrk" "too slow under a tool"
else
    ok "wrk" under_load
fi
ok "the graceful end" stopped

# --- HTTPS ---

if ! have openssl; then
    skip "https" "openssl is not here"
elif ! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -days 2 -keyout "$work/key.pem" -out "$work/certificate.pem" 2>"$work/said"; then
    skip "https" "this openssl makes no certificate"
else
    start --tls "$work/certificate.pem" "$work/key.pem" "$www" 0
    if [ -z "$url" ] && grep -q 'built without TLS' "$work/errors"; then
        skip "https" "built without TLS"
        pid=
    else
        ok "s_client" by_s_client
        ok "plain HTTP on the secure port" no_tls
        if have curl; then
            url=https://localhost:$port
            secure="--resolve localhost:$port:127.0.0.1 --cacert $work/certificate.pem"
            curl_tests https
        else
            skip "curl" "curl is not here"
        fi
        ok "the graceful end, with TLS" stopped
    fi
fi
echo "1..$count"
