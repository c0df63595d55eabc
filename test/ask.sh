#!/bin/sh
# examples/ask: all versions do the same, whatever the server does, and what test/ask.expected says. Run from
# the build folder. EXAMPLES_RUN: what to run them with (valgrind, for example).
set -u

expected=${srcdir:-.}/test/ask.expected
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0

echo 1..12
for fault in none refuse silent hangup; do
    sed -n "/^\\$ ask $fault\$/,/^exit status/p" "$expected" >"$work/want"
    for version in callback promise await; do
        count=$((count + 1))
        {
            echo "\$ ask $fault"
            # shellcheck disable=SC2086 # EXAMPLES_RUN is a command with its options
            ${EXAMPLES_RUN-} "examples/ask/$version" "$fault" 2>&1
            echo "exit status $?"
        } >"$work/got"
        if [ -s "$work/want" ] && diff -u "$work/want" "$work/got" >"$work/diff"; then
            echo "ok $count - $version: $fault"
        else
            echo "not ok $count - $version: $fault"
            sed 's/^/# /' "$work/diff"
        fi
    done
done
