#!/bin/sh
# The programs of examples/tour print what is stored beside them, NAME.expected for NAME.c. Run from the
# build folder. EXAMPLES_RUN: what to run them with (valgrind, for example).
#
# Stored is standard output, then standard error and the status where there are any. file:line of the program itself reads
# NAME.c:LINE.
set -u

tour=${srcdir:-.}/examples/tour
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0

for stored in "$tour"/*.expected; do
    count=$((count + 1))
    name=$(basename "$stored" .expected)
    if [ "$name" = tls ] && [ ! -e examples/tour/tls ]; then
        echo "ok $count - $name # SKIP there is no libpromise-tls"
        continue
    fi
    if [ "$name" = child ] && [ -n "${EXAMPLES_RUN-}" ]; then
        echo "ok $count - $name # SKIP valgrind follows it into the programs that it runs, and reports what those leak"
        continue
    fi
    # shellcheck disable=SC2086 # a command with its options
    ${EXAMPLES_RUN-} "examples/tour/$name" >"$work/out" 2>"$work/err"
    status=$?
    {
        cat "$work/out"
        sed 's/^/standard error: /' "$work/err"
        [ $status -eq 0 ] || echo "exit status $status"
    } | sed -E 's/[^ (]*examples\/tour\/([a-z]+\.c):[0-9]+/\1:LINE/' >"$work/got"
    if diff -u "$stored" "$work/got" >"$work/diff"; then
        echo "ok $count - $name"
    else
        echo "not ok $count - $name"
        sed 's/^/# /' "$work/diff"
    fi
done
echo "1..$count"
