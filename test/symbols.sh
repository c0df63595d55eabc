#!/bin/sh
# The shared library exports what the public headers declare, all of it and nothing else.
set -u

library=.libs/libpromise.so
if [ ! -e "$library" ]; then
    echo '1..0 # SKIP only the static library was built'
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Declarations with default visibility, one a line; of these the name: of a function before its first parenthesis, of data
# before the commas and the end.
echo '#include <promise.h>' | ${CC:-cc} -E -P -I"${srcdir:-.}/include" - | tr '\n' ' ' | sed 's/[;{}]/\n/g' |
    grep '__visibility__ *( *"default"' |
    sed -E -e ':attribute' -e 's/__attribute__ *\(\(([^()]|\([^()]*\))*\)\)//' -e 't attribute' \
        -e 's/\[[^]]*\]//g' -e '/\(/ s/\(.*//; s/,/\n/g' |
    sed -E 's/.*[^A-Za-z0-9_]([A-Za-z_][A-Za-z0-9_]*) *$/\1/' | sort -u >"$work/declared"
${NM:-nm} -D --defined-only "$library" | awk '{ print $NF }' | sort -u >"$work/exported"

# none N TEXT: ok when standard input is empty.
none() {
    names=$(cat)
    if [ -z "$names" ]; then
        echo "ok $1 - $2"
    else
        echo "not ok $1 - $2"
        printf '%s\n' "$names" | sed 's/^/# /'
    fi
}

echo 1..4
[ -s "$work/declared" ] && echo 'ok 1 - the headers declare something' || echo 'not ok 1 - the headers declare something'
comm -23 "$work/declared" "$work/exported" | none 2 'what the headers declare is exported'
comm -13 "$work/declared" "$work/exported" | none 3 'what is exported is declared in the headers'
${NM:-nm} -D --undefined-only "$library" | grep ' promise_' | none 4 'nothing of its own is missing'
