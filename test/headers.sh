#!/bin/sh
# Each public header compiles alone and may come twice, as C and as C++, without a warning.
set -u

include=${srcdir:-.}/include
flags='-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fsyntax-only'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0

# try HEADER COMPILER STANDARD LANGUAGE
try() {
    count=$((count + 1))
    name="<$1> with $2 -std=$3"
    if ! command -v "$2" >/dev/null 2>&1; then
        echo "ok $count - $name # SKIP $2 is not installed"
        return
    fi
    # shellcheck disable=SC2086 # a list of words
    if printf '%s\n' "#include <$1>" "#include <$1>" 'extern int not_empty;' | "$2" -std="$3" -x "$4" $flags -I"$include" - >"$work/log" 2>&1; then
        echo "ok $count - $name"
    else
        echo "not ok $count - $name"
        sed 's/^/# /' "$work/log"
    fi
}

for header in "$include"/promise.h "$include"/promise/*.h; do
    header=${header#"$include"/}
    for standard in c11 c17; do
        try "$header" gcc "$standard" c
        try "$header" clang "$standard" c
    done
    try "$header" g++ c++17 c++
    try "$header" clang++ c++17 c++
done
echo "1..$count"
