#!/bin/sh
# Each shared library exports what its public headers declare, all of it and nothing else, and needs nothing of ours but what
# the libraries below it export. The headers of each are listed in src/local.mk, src/net/local.mk and src/tls/local.mk; make
# passes the lists on.
set -u

if [ ! -e .libs/libpromise-core.so ]; then
    echo '1..0 # SKIP only the static libraries were built'
    exit 0
fi
include=${srcdir:-.}/include
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/below"
count=0

# none TEXT: ok when there is nothing in $work/names.
none() {
    count=$((count + 1))
    if [ ! -s "$work/names" ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        sed 's/^/# /' "$work/names"
    fi
}

# declared HEADER...: declarations with default visibility, one a line; of these the name: of a function before its first
# parenthesis, of data before the commas and the end. What other headers bring along is left out.
declared() {
    for header in "$@"; do
        echo "#include <${header#include/}>"
    done | ${CC:-cc} -E -I"$include" - | awk -v headers="$*" '
        BEGIN { for (n = split(headers, list, " "); n > 0; n--) wanted[list[n]] }
        /^# [0-9]+ "/ {
            file = $3
            gsub(/"/, "", file)
            sub(/.*\/include\/promise/, "include/promise", file)
            next
        }
        file in wanted' | tr '\n' ' ' | sed 's/[;{}]/\n/g' | grep '__visibility__ *( *"default"' |
        sed -E -e ':attribute' -e 's/__attribute__ *\(\(([^()]|\([^()]*\))*\)\)//' -e 't attribute' \
            -e 's/\[[^]]*\]//g' -e '/\(/ s/\(.*//; s/,/\n/g' |
        sed -E 's/.*[^A-Za-z0-9_]([A-Za-z_][A-Za-z0-9_]*) *$/\1/' | sort -u
}

# library NAME HEADER...: after the libraries that it needs.
library() {
    name=$1
    shift
    declared "$@" >"$work/declared"
    ${NM:-nm} -D --defined-only ".libs/$name.so" | awk '{ print $NF }' | sort -u >"$work/exported"
    comm -23 "$work/declared" "$work/exported" >"$work/names"
    none "$name exports what its headers declare"
    comm -13 "$work/declared" "$work/exported" >"$work/names"
    none "$name exports nothing that its headers do not declare"
    ${NM:-nm} -D --undefined-only ".libs/$name.so" | awk '$NF ~ /^promise_/ { print $NF }' | sort -u |
        comm -23 - "$work/below" >"$work/names"
    none "$name needs nothing of its own, or internal to another"
    sort -u "$work/below" "$work/exported" >"$work/all"
    mv "$work/all" "$work/below"
}

# shellcheck disable=SC2086 # lists of words
{
    library libpromise-core ${core_headers?}
    library libpromise ${net_headers?}
    [ ! -e .libs/libpromise-tls.so ] || library libpromise-tls ${tls_headers?}
}
[ -s "$work/below" ] && : >"$work/names" || echo nothing >"$work/names"
none 'something is declared and exported'
for header in "$include"/promise/*.h; do
    case " $core_headers $net_headers $tls_headers " in
    *" include/${header#"$include"/} "*) ;;
    *) echo "$header" ;;
    esac
done >"$work/names"
none 'each header belongs to a library'
echo "1..$count"
