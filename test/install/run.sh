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

# flags LIBRARY [OPTION]
flags() {
    library=$1
    shift
    "$PKG_CONFIG" "$@" --cflags --libs "$library"
}

# runs COMMAND...: whether it prints what the consumer should, with the shared libraries found in the prefix.
runs() {
    LD_LIBRARY_PATH=$prefix/lib "$@" >"$work/printed" && [ "$(cat "$work/printed")" = 'sum 42' ]
}

# needs_only LIBRARY PROGRAM: whether it is spared what the libraries above need, and never needs all of libevent beside the
# parts.
needs_only() {
    case $1 in
    libpromise-core) unwanted='libevent_extra|libevent_openssl|libssl|libcrypto|libpromise\.so|libpromise-tls' ;;
    libpromise) unwanted='libevent_openssl|libssl|libcrypto|libpromise-tls' ;;
    libpromise-tls) unwanted=none ;;
    esac
    LD_LIBRARY_PATH=$prefix/lib ldd "$2" >"$work/needed" && cat "$work/needed" && grep -q 'libpromise' "$work/needed" &&
        ! grep -E "$unwanted|libevent-2" "$work/needed"
}

# The flags are lists of words.
# shellcheck disable=SC2046,SC2086
{
    c_shared() {
        cd "$work/c" && $CC consumer.c $(flags "$1") -o shared && needs_only "$1" ./shared && runs ./shared
    }
    c_static() {
        cd "$work/c" && $CC -static consumer.c $(flags "$1" --static) -o static && ! ldd ./static && runs ./static
    }
    cxx_shared() {
        cd "$work/c" && $CXX -std=c++17 consumer.cpp $(flags "$1") -o cxx && runs ./cxx
    }
    cxx_static() {
        cd "$work/c" && $CXX -std=c++17 -static consumer.cpp $(flags "$1" --static) -o cxx-static && runs ./cxx-static
    }
}

# Each project has a program for each library.
run_each() {
    for library in $libraries; do
        needs_only "$library" "$1/use-$library" && runs "$1/use-$library" || return
    done
}

autotools() {
    cd "$work/autotools" && autoreconf --install && ./configure CC="$CC" && make && run_each .
}

cmake_project() {
    cd "$work/cmake" && cmake -B build . && cmake --build build && run_each ./build
}

# has_files FOLDER: whether what a program needs is there.
has_files() {
    for file in include/promise.h include/promise/promise.h include/promise/loop.h; do
        [ -e "$1/$file" ] || { echo "missing: $1/$file" && return 1; }
    done
    for library in $libraries; do
        for file in "$library.a" "$library.so" "pkgconfig/$library.pc"; do
            [ -e "$1/lib/$file" ] || { echo "missing: $1/lib/$file" && return 1; }
        done
    done
}

installs() {
    "$srcdir"/build-aux/install-copy "$srcdir" install "$prefix" && has_files "$prefix"
}

stages() {
    (cd "$copy" && make install DESTDIR="$work/stage") && has_files "$work/stage$prefix"
}

no_files_in() {
    find "$1" ! -type d | tee "$work/left" && [ ! -s "$work/left" ]
}

uninstalls() {
    (cd "$copy" && make uninstall) && no_files_in "$prefix"
}

uninstalls_stage() {
    (cd "$copy" && make uninstall DESTDIR="$work/stage") && no_files_in "$work/stage"
}

mkdir "$work/c"
cp "$srcdir"/test/install/consumer.c "$srcdir"/test/install/consumer.cpp "$work/c"
for project in autotools cmake; do
    cp -R "$srcdir/test/install/$project" "$work"
    chmod -R u+w "$work/$project"
    cp "$srcdir/test/install/consumer.c" "$work/$project"
done

libraries='libpromise-core libpromise'
[ ! -e libpromise-tls.la ] || libraries="$libraries libpromise-tls"
static_libevent && static=true || static='a static libevent'

check 'make install' installs
for library in $libraries; do
    check "$library: a consumer in C, shared" c_shared "$library"
    check_with "$static" "$library: a consumer in C, static" c_static "$library"
    check_with "$CXX" "$library: a consumer in C++, shared" cxx_shared "$library"
    [ "$static" = true ] && with=$CXX || with=$static
    check_with "$with" "$library: a consumer in C++, static" cxx_static "$library"
done
check_with autoreconf 'consumers with PKG_CHECK_MODULES' autotools
check_with cmake "consumers with CMake's pkg_check_modules" cmake_project
check 'make install DESTDIR=' stages
check 'make uninstall DESTDIR= leaves nothing' uninstalls_stage
check 'make uninstall leaves nothing' uninstalls
echo "1..$count"
