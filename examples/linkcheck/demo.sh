#!/bin/sh
# Shows that all versions of linkcheck do the same, and what each takes: demo.sh SOURCE-FOLDER BUILD-FOLDER
set -eu

source=$1
build=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/linkcheck.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# The example site has broken links, on purpose: 1 is the status to get.
for version in callback promise await; do
    echo "$ linkcheck site    # $version.c"
    status=0
    "$build/$version" "$source/site" >"$work/$version.out" 2>"$work/$version.err" || status=$?
    cat "$work/$version.out" "$work/$version.err"
    echo "exit status $status" | tee -a "$work/$version.err"
    echo
    [ $status -eq 1 ] || exit 1
done

verdict='the same'
for kind in out err; do
    diff -u "$work/callback.$kind" "$work/promise.$kind" || verdict='NOT the same'
    diff -u "$work/callback.$kind" "$work/await.$kind" || verdict='NOT the same'
done
echo "The outputs of all versions are $verdict."
echo
"$source/compare.sh" "$source/callback.c" "$source/evhttp.c" "$source/promise.c" "$source/await.c" "$source/check.c"
echo
echo 'lines: neither blank nor comment only. levels: the longest chain of functions of the file that call one another.'
echo 'error paths: lines that test for, make, pass on or handle an error. evhttp.c is what callback.c needs of evhttp and evdns'
echo 'beside its flow; check.c is that of promise.c and await.c: main(), and the client of libpromise, which also does https.'
echo 'What all versions share is not counted, and neither are the libraries. The rules are in compare.sh.'
[ "$verdict" = 'the same' ]
