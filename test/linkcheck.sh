#!/bin/sh
# Both versions of linkcheck do the same, on the example site and against servers that misbehave. Prints TAP.
#
# Run from the build folder. LINKCHECK_RUN: what to run them with (valgrind, for example).
set -u

srcdir=${srcdir:-.}
programs='callback promise'
folder=examples/linkcheck
server=test/linkserver
site=$srcdir/examples/linkcheck/site
expected=$srcdir/test/linkcheck.expected

work=$(mktemp -d "${TMPDIR:-/tmp}/linkcheck.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
count=0

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
    sed 's|//\([a-z0-9.]*\):[0-9]*|//\1:PORT|' "$work/$program.text" >"$work/$program.err"
}

# run_on_server PROGRAM ARG...: the same, with a server of its own; @ in an ARG stands for its URL. .log is what it saw.
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
        set -- "$@" "$(echo "$arg" | sed "s|@|http://127.0.0.1:$port|; s|LOCALHOST|http://localhost:$port|")"
    done
    run "$program" "$@"
    exec 3>&-
    wait $pid
    sed 1d "$work/port" >"$work/$program.log"
    rm "$work/stop"
}

# check WHAT STATUS OUT ERR [LOG]: for each program, against what is expected (- for what does not matter), and the two
# against each other.
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
    done
    for kind in out err; do
        diff -u "$work/callback.$kind" "$work/promise.$kind" >>"$work/diff" || bad=1
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
    both_on_server "$@"
    check "could not run: $what" 2 "$work/nothing" "$work/message"
}

# --- The example site ---

both "$site"
check 'the example site' 1 "$expected" -
