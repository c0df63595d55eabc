#!/bin/sh
# Proves that `make memcheck` fails when it should: each case of selftest_memcheck.c passes without valgrind, and under it
# exactly those with something wrong in them fail.
set -u

program=./test/selftest_memcheck
plain=$("$program" 2>&1)
# shellcheck disable=SC2086 # a command with its arguments
checked=$($MEMCHECK "$program" 2>&1)

count=0
expect() { # expect NAME RESULT OUTPUT WHAT: the line of case NAME in OUTPUT begins with RESULT
    count=$((count + 1))
    if printf '%s\n' "$3" | grep -q "^$2 [0-9]* - .*:$1:"; then
        echo "ok $count - $1 $4"
    else
        echo "not ok $count - $1 $4"
        printf '%s\n' "$3" | sed 's/^/# /'
    fi
}

echo 1..8
for name in clean leak leaked_value uninitialized; do
    expect "$name" ok "$plain" 'passes by itself'
done
expect clean ok "$checked" 'passes under valgrind'
for name in leak leaked_value uninitialized; do
    expect "$name" 'not ok' "$checked" 'is found by valgrind'
done
