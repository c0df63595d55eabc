#!/bin/sh
# The sketches that the interface was designed by: they run, and print and write what test/sketches.expected says. Run from
# the build folder. EXAMPLES_RUN: what to run them with, which must not catch SIGINT itself, as valgrind does.
#
# Their hosts and ports are made up. So they run in namespaces of their own, where the hosts are in /etc/hosts, a server of
# ours has port 80 on loopback, and redis its own.
set -u

here=${SKETCHES_HERE-$(cd "$(dirname "$0")" && pwd)}
export SKETCHES_HERE="$here"
expected=$here/sketches.expected
if [ -z "${SKETCHES_INSIDE-}" ] && unshare --map-root-user --mount --net true 2>/dev/null; then
    SKETCHES_INSIDE=yes exec unshare --map-root-user --mount --net sh "$here/sketches.sh"
fi
programs=$(pwd)/test/sketches
work=$(mktemp -d)
servers=
# shellcheck disable=SC2064,SC2086 # the folder of now; a list of processes
trap 'rm -rf "$work"; kill $servers 2>/dev/null' EXIT
cd "$work" || exit 1 # they write files
count=0

# start WHAT PATTERN COMMAND...: a server, until it says that it is ready.
start() {
    log=$1.log
    pattern=$2
    shift 2
    "$@" >"$log" 2>&1 &
    servers="$servers $!"
    while ! grep -q "$pattern" "$log" && kill -0 $! 2>/dev/null; do sleep 0.05; done
}

hosts() {
    echo '127.0.0.1 api.example files.example mirror-a.example mirror-b.example archive.example store.example'
}

# urls: for 07_generator to read.
urls() { printf 'http://files.example/%s\n' one.txt two.txt; }

have_redis=no
if [ -n "${SKETCHES_INSIDE-}" ]; then
    hosts >hosts
    mount --bind hosts /etc/hosts
    start http '^ready' "$programs/server"
    if [ -x "$programs/04_hiredis" ] && command -v redis-server >/dev/null && command -v redis-cli >/dev/null; then
        have_redis=yes
        start redis 'Ready to accept' redis-server --save '' --bind 127.0.0.1 --port 6379
        redis-cli set greeting 'hello from redis' >/dev/null
    fi
fi

# why_not NAME: why it cannot run here, if it cannot.
why_not() {
    case $1 in
    08_* | 09_* | 10_* | 12_*) return ;;
    esac
    if [ -z "${SKETCHES_INSIDE-}" ]; then echo 'no namespaces: unshare(1) failed'; return; fi
    if [ "$1 $have_redis" = '04_hiredis no' ]; then echo 'hiredis or redis-server is not installed'; fi
    case $1 in 05_echo_chain | 06_echo_await) ;; *) return ;; esac
    if ! nc -h 2>&1 | grep -q -- -N; then echo 'nc with -N is not installed'; fi
}

# catches_int PID: has it a handler for SIGINT? That is the second bit.
catches_int() { grep -q '^SigCgt:.*[2367abef]$' "/proc/$1/status"; }

# talk PORT: what the server there answers to two lines, as soon as there is one.
talk() {
    until printf 'first line\nsecond line\n' | nc -N -w 60 127.0.0.1 "$1" 2>/dev/null; do
        kill -0 $! 2>/dev/null || return
    done
}

# run NAME ARG...: with ^C as the last argument, interrupted as soon as it handles that; with :PORT, a server for ever, talked to.
run() {
    program=$programs/$1
    shift
    case ${1-} in
    '^C' | :*) ;;
    *)
        ${EXAMPLES_RUN-} "$program" "$@"
        return
        ;;
    esac
    ${EXAMPLES_RUN-} "$program" &
    if [ "$1" != '^C' ]; then
        talk "${1#:}"
        status=$?
        kill $!
        return $status
    fi
    while kill -0 $! && ! catches_int $!; do :; done
    kill -INT $!
    wait $!
}

# What a terminal shows in the end: of the progress, which depends on who answers first, the last line. How often 08 is idle is
# a matter of time.
seen() { tr '\r' '\n' | grep -v '^$' | grep -v '^[12]/3' | grep -v '^idle$'; }

echo "1..$(grep -c '^\$ ' "$expected")"
grep '^\$ ' "$expected" | while read -r _ name args; do
    count=$((count + 1))
    why=$(why_not "$name")
    if [ -n "$why" ]; then
        echo "ok $count - $name # SKIP $why"
        continue
    fi
    mkdir "$name" && cd "$name" || exit 1
    if [ "$name" = 07_generator ]; then urls >urls.txt; fi
    {
        echo "\$ $name${args:+ $args}"
        # shellcheck disable=SC2086 # words on purpose
        { run "$name" $args 2>&1; printf '\nexit status %s\n' $?; } | seen
        for file in *; do
            if [ -f "$file" ]; then echo "$file: $(cat "$file")"; fi
        done
    } >../got
    cd ..
    awk -v name="$name" '/^\$ / { on = $2 == name } on' "$expected" >want
    if [ -s want ] && diff -u want got >diff; then
        echo "ok $count - $name"
    else
        echo "not ok $count - $name"
        sed 's/^/# /' diff
    fi
done
