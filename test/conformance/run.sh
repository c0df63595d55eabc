#!/bin/sh
# The conformance suites (T1), on an installed copy of the library: docs/conformance.md. Prints TAP. What npm installs stays
# in the build folder, in conformance-npm, until the lock file changes.
set -u

srcdir=${srcdir:-.}
here=$(cd "$srcdir/test/conformance" && pwd)
work=$(mktemp -d)
modules=$PWD/conformance-npm
trap 'rm -rf "$work" variant-conformance' EXIT
: "${CC:=cc}" "${PKG_CONFIG:=pkg-config}"
PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH

# step NAME COMMAND...: without it there is nothing to test.
step() {
    name=$1
    shift
    ("$@") >"$work/log" 2>&1 && return
    sed 's/^/# /' "$work/log"
    echo "Bail out! $name"
    exit 1
}

node_is_new() {
    node -e 'if (parseInt(process.versions.node) < 16) throw new Error("this is " + process.version)'
}

install_library() {
    "$srcdir"/build-aux/install-copy "$srcdir" conformance "$work/prefix"
}

# The copy of the lock file comes last: without it the installation was interrupted.
install_suites() {
    cmp "$here/package-lock.json" "$modules/installed" && return
    rm -rf "$modules"
    mkdir "$modules"
    cp "$here/package.json" "$here/package-lock.json" "$modules"
    (cd "$modules" && npm ci --ignore-scripts --no-audit --no-fund) && cp "$here/package-lock.json" "$modules/installed"
}

# shellcheck disable=SC2046,SC2086 # lists of words
build_addon() {
    headers=$modules/node_modules/node-api-headers/include
    $CC -std=c11 -O2 -g -fPIC -shared -Wall -Wextra -DNAPI_VERSION=8 -isystem "$headers" -o "$work/addon.node" \
        "$here"/*.c $("$PKG_CONFIG" --cflags --libs libpromise)
}

step 'Node 16 or later is needed' node_is_new
step 'the library could not be installed' install_library
step 'npm could not install the suites' install_suites
step 'the addon could not be built' build_addon
(cd "$modules" && LD_LIBRARY_PATH=$work/prefix/lib node "$here/run.js" "$work/addon.node")
