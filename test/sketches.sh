#!/bin/sh
# The sketches that the interface was designed by: they run, and print and write what test/sketches.expected says. Run from
# the build folder. EXAMPLES_RUN: what to run them with, which must not catch SIGINT itself, as valgrind does.
set -u

expected=$(cd "${srcdir:-.}" && pwd)/test/sketches.expected
programs=$(pwd)/test/sketches
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1 # they write files
count=0

# catches_int PID: has it a handler for SIGINT? That is the second bit.
catches_int() { grep -q '^SigCgt:.*[2367abef]$' "/proc/$1/status"; }

# run NAME ARG...: with ^C as the last argument, interrupted as soon as it handles that.
run() {
    program=$programs/$1
    shift
    if [ "${1-}" != '^C' ]; then
        ${EXAMPLES_RUN-} "$program" "$@"
        return
    fi
    ${EXAMPLES_RUN-} "$program" &
    while kill -0 $! && ! catches_int $!; do :; done
    kill -INT $!
    wait $!
}

# What a terminal shows in the end: of the progress, which depends on who answers first, the last line.
seen() { tr '\r' '\n' | grep -v '^$' | grep -v '^[12]/3'; }

echo "1..$(grep -c '^\$ ' "$expected")"
grep '^\$ ' "$expected" | while read -r _ name args; do
    count=$((count + 1))
    mkdir "$name" && cd "$name" || exit 1
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
