#!/bin/sh
# All versions of linkcheck do the same, on the example site and against servers that misbehave; https is for those on
# libpromise alone. Prints TAP.
#
# Run from the build folder. LINKCHECK_RUN: what to run them with (valgrind, for example).
set -u

srcdir=${srcdir:-.}
programs='callback promise await'
folder=examples/linkcheck
server=test/linkserver
site=$srcdir/examples/linkcheck/site
expected=$srcdir/test/linkcheck.expected

work=$(mktemp -d "${TMPDIR:-/tmp}/linkcheck.XXXXXX") || exit 1
tls=
trap '[ -z "$tls" ] || kill $tls; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
count=0
timeout=${LINKCHECK_TIMEOUT:-0.5} # seconds; more where every step is slow

# result STATUS WHAT: a line of TAP; what is in $work/diff explains a failure.
result() {
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        sed 's/^/# /' "$work/diff"
    fi
}

# run PROGRAM ARG...: leaves what it wrote in PROGRAM.out and .err, without ports, and its exit status in .status.
run() {
    program=$1
    shift
    # shellcheck disable=SC2086 # LINKCHECK_RUN is a command with its options
    ${LINKCHECK_RUN-} "$folder/$program" "$@" >"$work/$program.out" 2>"$work/$program.text"
    echo $? >"$work/$program.status"
    sed 's|//\([a-z0-9.]*\):[0-9][0-9]*|//\1:PORT|' "$work/$program.text" >"$work/$program.err"
}

# run_on_server PROGRAM ARG...: the same, with a server of its own; SERVER in an ARG stands for its URL. .log is what it saw.
run_on_server() {
    program=$1
    shift
    mkfifo "$work/stop"
    : >"$work/port"
    "$server" <"$work/stop" >"$work/port" &
    pid=$!
    exec 3>"$work/stop"
    tries=0
    until [ -s "$work/port" ] || [ $tries -eq 100 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    read -r port <"$work/port"
    first=yes
    for arg; do
        [ $first = no ] || set --
        first=no
        set -- "$@" "$(echo "$arg" | sed "s|SERVER|http://127.0.0.1:$port|; s|SECURE|https://127.0.0.1:$port|;
            s|LOCALHOST|http://localhost:$port|")"
    done
    run "$program" "$@"
    exec 3>&-
    wait $pid
    sed 1d "$work/port" >"$work/$program.log"
    rm "$work/stop"
}

# check WHAT STATUS OUT ERR [LOG]: for each program, against what is expected (- for what does not matter), and against the
# first.
check() {
    bad=0
    : >"$work/diff"
    for program in $programs; do
        [ "$(cat "$work/$program.status")" -eq "$2" ] || {
            echo "$program: status $(cat "$work/$program.status"), not $2" >>"$work/diff"
            bad=1
        }
        for kind in out err log; do
            case $kind in out) want=$3 ;; err) want=$4 ;; log) want=${5--} ;; esac
            [ "$want" = - ] || diff -u "$want" "$work/$program.$kind" >>"$work/diff" || bad=1
        done
        for kind in out err; do
            diff -u "$work/${programs%% *}.$kind" "$work/$program.$kind" >>"$work/diff" || bad=1
        done
    done
    result $bad "$1"
}

# Both, with the same arguments.
both() {
    for program in $programs; do run "$program" "$@"; done
}
both_on_server() {
    for program in $programs; do run_on_server "$program" "$@"; done
}

: >"$work/nothing"

# fails WHAT MESSAGE ARG...: exit status 2, nothing on standard output, one message.
fails() {
    what=$1
    echo "linkcheck: $2" >"$work/message"
    shift 2
    case "$*" in
    *SERVER* | *SECURE*) both_on_server "$@" ;;
    *) both "$@" ;;
    esac
    check "could not run: $what" 2 "$work/nothing" "$work/message"
}

# --- The example site ---

both "$site"
check 'the example site' 1 "$expected" -
echo 'linkcheck: 32 fetched, 76 links, 17 broken; not checked: 4 to other sites, 10 of other schemes' >"$work/summary"
both "$site/"
check 'its summary' 1 - "$work/summary"

both -j 1 "$site"
check 'one request at a time' 1 "$expected" "$work/summary"
both --jobs=1000 --timeout=30 --max-body=100 -- "$site"
check 'a thousand requests at a time' 1 "$expected" "$work/summary"

# --- Folders ---

mkdir -p "$work/good/sub" "$work/outside"
echo '<a href=sub>x</a> <a href=http://127.0.0.1/>x</a>' >"$work/good/index.html"
echo '<a href=../index.html>x</a>' >"$work/good/sub/index.html"
echo 'linkcheck: 4 fetched, 3 links, 0 broken; not checked: 2 to other sites, 0 of other schemes' >"$work/summary"
both "$work/good"
check 'no broken links' 0 "$work/nothing" "$work/summary"

# What is outside cannot be had: by no spelling of "..", and not by a symbolic link.
mkdir "$work/links"
echo secret >"$work/outside/secret.txt"
echo inside >"$work/links/real.txt"
ln -s real.txt "$work/links/alias.txt"
ln -s ../outside "$work/links/out"
ln -s ../outside/secret.txt "$work/links/out.txt"
ln -s loop "$work/links/loop"
mkfifo "$work/links/fifo"
cat >"$work/links/index.html" <<'END'
<a href="alias.txt">x</a> <a href="out/secret.txt">x</a> <a href="out.txt">x</a> <a href="loop">x</a> <a href="fifo">x</a>
<a href="/..%2foutside/secret.txt">x</a> <a href="/%2e%2e%2foutside/secret.txt">x</a> <a href="a%00b">x</a>
<a href="/x/..%2f..%2foutside%2fsecret.txt">x</a> <a href="real.txt/">x</a> <a href="..%5coutside/secret.txt">x</a>
END
cat >"$work/want" <<'END'
/	/..%2Foutside/secret.txt	400
/	/..%5Coutside/secret.txt	404
/	/a%00b	400
/	/fifo	404
/	/loop	404
/	/out.txt	404
/	/out/secret.txt	404
/	/real.txt/	404
/	/x/..%2F..%2Foutside%2Fsecret.txt	400
END
both "$work/links"
check 'nothing outside the folder is served' 1 "$work/want" -

# References as RFC 3986, section 5.4, has them, and a few that only browsers know; each must be found as a file.
mkdir -p "$work/refs/b/c/d" "$work/refs/b/g" "$work/refs/b/c/g;x=1/y"
for name in b/c/g b/c/g.html b/g/index.html g b/c/g.. b/c/.g 'b/c/g;x' 'b/c/g;x=1/y/index.html' b/c/index.html b/index.html \
    'b/c/a b' 'b/c/a[1]' 'b/c/ü' b/c/d/index.html; do
    echo ok >"$work/refs/$name"
done
cat >"$work/refs/index.html" <<'END'
<base href="b/c/d;p?q"> <base href="ignored/">
<a href="g">x</a> <a href="./g">x</a> <a href="../g/">x</a> <a href="/g">x</a> <a href="?y">x</a> <a href="g?y">x</a>
<a href="#s">x</a> <a href="g#s">x</a> <a href="g;x">x</a> <a href="">x</a> <a href=".">x</a> <a href="./">x</a>
<a href="..">x</a> <a href="../">x</a> <a href="../../g">x</a> <a href="../../../g">x</a> <a href="/./g">x</a>
<a href="/../g">x</a> <a href="g..">x</a> <a href=".g">x</a> <a href="./../g/">x</a> <a href="./g/../d/">x</a>
<a href="g/../g">x</a> <a href="g;x=1/./y/">x</a> <a href="g?y/../x">x</a> <a href="g#s/../x">x</a>
<a href="a b">x</a> <a href="a%20b">x</a> <a href="a[1]?b[]">x</a> <a href="ü">x</a> <a href="%c3%bc">x</a> <a href="%67.html">x</a>
<a href="
 g
">x</a> <img src="g" srcset="h"> <area href="g"> <link rel="x" href="g"> <script src="g"></script>
<video poster="g"><source src="g"><track src="g"></video> <embed src="g"> <object data="g"></object> <input src="g">
<template><a href="never-shown">x</a></template> <a name="no-href">x</a>
END
printf '%s\t%s\t404\n' / '/b/c/d;p?q' / '/b/c/d;p?y' >"$work/want"
echo 'linkcheck: 19 fetched, 43 links, 2 broken; not checked: 0 to other sites, 0 of other schemes' >"$work/summary"
both "$work/refs"
check 'relative references' 1 "$work/want" "$work/summary"

mkdir "$work/deep"
awk 'BEGIN { for (i = 0; i < 5000; i++) printf "<div><b>"; print "<a href=deepest>x</a>" }' >"$work/deep/index.html"
printf '/\t/deepest\t404\n' >"$work/want"
both "$work/deep"
check 'tags 10,000 deep' 1 "$work/want" -

# --- Servers that misbehave ---

# pages TIMES PATH...: lines of the server's log.
pages() {
    times=$1
    shift
    printf "%s $times\n" "$@"
}
{
    pages 2 /500 /500-once /503 /badchunk /close /close-once /drip /half /large-head /never /never-once /nonsense
    pages 1 / /204 /403 /404 /away /chunked /found-after-500 /found-after-close /found-after-never /found-after-redirects \
        /from-chunk /large /large-unknown /loop /noheaders /nowhere /plain /r1 /r2 /r3 /r4 /r5 /r6 /r7 /to-404 \
        /upper-case-type /xhtml
} | LC_ALL=C sort >"$work/log"
while read -r page link what; do printf '%s\t%s\t%s\n' "$page" "$link" "$what"; done >"$work/want" <<'END'
/ /403 403
/ /500 500
/ /503 503
/ /badchunk malformed answer
/ /close connection closed early
/ /drip timed out
/ /half connection closed early
/ /large-head malformed answer
/ /loop too many redirects
/ /never timed out
/ /nonsense malformed answer
/ /nowhere malformed answer
/ /r1 too many redirects
/ /to-404 404
/500-once /found-after-500 404
/chunked /from-chunk 404
/close-once /found-after-close 404
/never-once /found-after-never 404
/plain /upper-case-type 404
/r7 /found-after-redirects 404
END
echo 'linkcheck: 39 fetched, 32 links, 20 broken; not checked: 1 to other sites, 0 of other schemes; too large to read: 2' \
    >"$work/summary"
both_on_server -t "$timeout" -m 4 SERVER/
check 'each kind of failure, tried twice where that may help' 1 "$work/want" "$work/summary" "$work/log"

{
    i=0
    while [ $i -le 60 ]; do
        pages 1 "/site/$i"
        i=$((i + 1))
    done | LC_ALL=C sort
    echo 'at a time: 8'
} >"$work/log"
both_on_server SERVER/site/0
check 'each page once, 8 at a time' 0 "$work/nothing" - "$work/log"
sed 's/time: 8/time: 3/' "$work/log" >"$work/log3"
both_on_server -j 3 SERVER/site/0
check 'each page once, 3 at a time' 0 "$work/nothing" - "$work/log3"

if grep -q '^127.0.0.1.*[[:blank:]]localhost' /etc/hosts 2>/dev/null; then
    both_on_server LOCALHOST/start-once
    check 'a server by its name, that answers the second time' 0 "$work/nothing" -
else
    result 0 'a server by its name # SKIP the hosts file has no localhost'
fi

# --- When there is nothing to check ---

fails 'a start page that never comes' 'http://127.0.0.1:PORT/start-never: timed out' -t "$timeout" SERVER/start-never
fails 'a server that closes' 'http://127.0.0.1:PORT/start-close: connection closed early' SERVER/start-close
fails 'a server that is busy' 'http://127.0.0.1:PORT/start-503: the start page has status 503' SERVER/start-503
fails 'a start page that does not exist' 'http://127.0.0.1:PORT/none: the start page has status 404' SERVER/none
fails 'a start page elsewhere' 'http://127.0.0.1:PORT/start-away: the start page is a redirect to another site' SERVER/start-away
fails 'no server' 'http://127.0.0.1:PORT/: cannot connect' http://127.0.0.1:1/
label=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
fails 'a host that cannot be' \
    "http://$label$label.example/: cannot find the host" "http://$label$label.example/"
fails 'no folder' "$work/none: No such file or directory" "$work/none"
fails 'a file' "$work/good/index.html: Not a directory" "$work/good/index.html"
mkdir "$work/empty"
fails 'a folder without an index' "$work/empty: the start page has status 404" "$work/empty"
fails 'no URL' 'http://: not a URL that can be checked' http://
fails 'a URL with a name to log in' 'http://ann@localhost/: not a URL that can be checked' http://ann@localhost/

# wrong ARG...: a mistake on the command line.
wrong() {
    both "$@"
    check "could not run: linkcheck $(echo "$*" | sed "s:$site:site:")" 2 "$work/nothing" -
}
wrong
wrong a b
wrong -x "$site"
wrong -j
wrong -j 0 "$site"
wrong -j 1001 "$site"
wrong -j many "$site"
wrong -t 0 "$site"
wrong -t 1s "$site"
wrong -t nan "$site"
wrong -m -1 "$site"
wrong --ca

both --help
check 'help' 0 - "$work/nothing"

# --- https: the version with promises, and a server that nobody here wrote ---

# start_tls: openssl's server, for files that are whole answers; $port is where it is.
start_tls() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=Test CA' -keyout "$work/ca.key" -out "$work/ca.pem" &&
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=127.0.0.1' -addext 'subjectAltName=IP:127.0.0.1' \
            -addext 'basicConstraints=CA:FALSE' -CA "$work/ca.pem" -CAkey "$work/ca.key" \
            -keyout "$work/own.key" -out "$work/own.pem" || return 1
    (cd "$work/tls" && exec openssl s_server -HTTP -accept 127.0.0.1:0 -cert "$work/own.pem" -key "$work/own.key") \
        >"$work/tls.log" 2>&1 &
    tls=$!
    tries=0
    until port=$(sed -n 's/^ACCEPT.*://p' "$work/tls.log") && [ -n "$port" ] || [ $tries -eq 100 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    [ -n "$port" ]
}

# page NAME STATUS HEADER TEXT: a file for it.
page() {
    printf 'HTTP/1.0 %s\r\n%s\r\n\r\n%s' "$2" "$3" "$4" >"$work/tls/$1"
}

check_tls() {
    mkdir "$work/tls"
    page start '200 OK' 'Content-Type: text/html' '<a href=next>x</a> <a href=old>x</a> <a href=away>x</a> <a href=loop>x</a>'
    page next '200 OK' 'Content-Type: text/html' '<a href=start>x</a> <a href=none>x</a> <a href=busy>x</a>'
    page none '404 Not Found' 'Content-Type: text/html' ''
    page busy '503 Busy' 'Content-Length: 0' ''
    page old '301 Moved' 'Location: next' ''
    page away '302 Elsewhere' 'Location: http://127.0.0.1/' ''
    page loop '302 Again' 'Location: loop' ''
    start_tls >"$work/diff" 2>&1 || {
        result 1 'an https server'
        return
    }

    printf '/%s\t/%s\t%s\n' next busy 503 next none 404 start loop 'too many redirects' >"$work/want"
    echo 'linkcheck: 7 fetched, 7 links, 3 broken; not checked: 1 to other sites, 0 of other schemes' >"$work/summary"
    both --ca "$work/ca.pem" "https://127.0.0.1:$port/start"
    check 'https' 1 "$work/want" "$work/summary"
    fails 'https, from nobody we know' 'https://127.0.0.1:PORT/start: no secure connection' "https://127.0.0.1:$port/start"
    fails 'https, for another host' 'https://localhost:PORT/start: no secure connection' \
        --ca "$work/ca.pem" "https://localhost:$port/start"
    fails 'https, of a server that does not speak it' 'https://127.0.0.1:PORT/: timed out' -t "$timeout" SECURE/
    both --ca "$work/none" "https://127.0.0.1:$port/start"
    check 'could not run: certificates that are not there' 2 "$work/nothing" -
    kill $tls
    wait $tls 2>"$work/killed"
    tls=
}

programs=callback
fails 'https, without promises' 'https://127.0.0.1:PORT/: https is not supported' https://127.0.0.1:1/
programs='promise await'
both https://127.0.0.1:1/
if grep -q 'not supported' "$work/promise.err"; then
    result 0 'https # SKIP there is no libpromise-tls'
elif ! command -v openssl >"$work/which"; then
    result 0 'https # SKIP there is no openssl command'
else
    check_tls
fi
programs='callback promise await'

if [ -c /dev/full ]; then
    bad=0
    for program in $programs; do
        # shellcheck disable=SC2086
        ${LINKCHECK_RUN-} "$folder/$program" "$site" >/dev/full 2>"$work/diff"
        [ $? -eq 2 ] || bad=1
    done
    result $bad 'standard output that cannot be written'
else
    result 0 'standard output that cannot be written # SKIP no /dev/full'
fi

echo "1..$count"
