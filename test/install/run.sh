#!/bin/sh
# Installs into an empty prefix; then, outside the tree and with nothing but pkg-config, builds and runs consumers; and
# uninstalls.
set -u

srcdir=${srcdir:-.}
copy=variant-install
work=$(mktemp -d)
trap 'rm -rf "$work" "$copy"' EXIT
prefix=$work/prefix
PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export PKG_CONFIG_PATH
: "${CC:=cc}" "${CXX:=c++}" "${PKG_CONFIG:=pkg-config}"
unset MAKEFLAGS MFLAGS MAKELEVEL # of the make that runs the tests
count=0

# check NAME COMMAND...: one line of TAP; what COMMAND printed follows when it failed.
check() {
    name=$1
    shift
    count=$((count + 1))
    if ("$@") >"$work/log" 2>&1; then
        echo "ok $count - $name"
    else
        echo "not ok $count - $name"
        sed 's/^/# /' "$work/log"
    fi
}

# check_with WHAT NAME COMMAND...: the same where WHAT, a command, can be run.
check_with() {
    what=$1
    shift
    if command -v "$what" >/dev/null 2>&1; then
        check "$@"
    else
        count=$((count + 1))
        echo "ok $count - $1 # SKIP $what is missing"
    fi
}

static_libevent() {
    # shellcheck disable=SC2046,SC2086 # lists of words
    echo 'int main(void) { return 0; }' |
        $CC -static -x c - $("$PKG_CONFIG" --static --libs libevent_core) -o "$work/probe" 2>/dev/null
}

flags() {
    "$PKG_CONFIG" "$@" --cflags --libs libpromise
}

# runs COMMAND...: whether it prints what the consumer should, with the shared library found in the prefix.
runs() {
    LD_LIBRARY_PATH=$prefix/lib "$@" >"$work/printed" && [ "$(cat "$work/printed")" = 'sum 42' ]
}

# The flags are lists of words.
# shellcheck disable=SC2046,SC2086
{
    c_shared() {
        cd "$work/c" && $CC consumer.c $(flags) -o shared && ldd ./shared && ldd ./shared | grep -q 'libpromise\.so' &&
            runs ./shared
    }
    c_static() {
        cd "$work/c" && $CC -static consumer.c $(flags --static) -o static && ! ldd ./static && runs ./static
    }
    cxx_shared() {
        cd "$work/c" && $CXX -std=c++17 consumer.cpp $(flags) -o cxx && runs ./cxx
    }
}

autotools() {
    cd "$work/autotools" && autoreconf --install && ./configure CC="$CC" && make && runs ./consumer
}

cmake_project() {
    cd "$work/cmake" && cmake -B build . && cmake --build build && runs ./build/consumer
}

# has_files FOLDER: whether what a program needs is there.
has_files() {
    for file in include/promise.h include/promise/promise.h include/promise/loop.h lib/libpromise.a lib/libpromise.so \
        lib/pkgconfig/libpromise.pc; do
        [ -e "$1/$file" ] || { echo "missing: $1/$file" && return 1; }
    done
}

installs() {
    "$srcdir"/build-aux/install-copy "$srcdir" install "$prefix" && has_files "$prefix"
}

stages() {
    make -C "$copy" install DESTDIR="$work/stage" && has_files "$work/stage$prefix"
}

no_files_in() {
    find "$1" ! -type d | tee "$work/left" && [ ! -s "$work/left" ]
}

uninstalls() {
    make -C "$copy" uninstall && no_files_in "$prefix"
}

uninstalls_stage() {
    make -C "$copy" uninstall DESTDIR="$work/stage" && no_files_in "$work/stage"
}

mkdir "$work/c"
cp "$srcdir"/test/install/consumer.c "$srcdir"/test/install/consumer.cpp "$work/c"
for project in autotools cmake; do
    cp -R "$srcdir/test/install/$project" "$work"
    chmod -R u+w "$work/$project"
    cp "$srcdir/test/install/consumer.c" "$work/$project"
done

echo 1..9
check 'make install' installs
check 'a consumer in C, shared' c_shared
static_libevent && static=true || static='a static libevent'
check_with "$static" 'a consumer in C, static' c_static
check_with "$CXX" 'a consumer in C++' cxx_shared
check_with autoreconf 'a consumer with PKG_CHECK_MODULES' autotools
check_with cmake "a consumer with CMake's pkg_check_modules" cmake_project
check 'make install DESTDIR=' stages
check 'make uninstall DESTDIR= leaves nothing' uninstalls_stage
check 'make uninstall leaves nothing' uninstalls
