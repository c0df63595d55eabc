#!/bin/sh
# The assembler for aarch64, built by a cross compiler and run by an emulator: as it is, with branch target identification and
# signed return addresses, and by the portable way.
set -u

skip() {
    echo "1..0 # SKIP $*"
    exit 0
}

top=${srcdir:-.}
cross=${AARCH64_CC:-aarch64-linux-gnu-gcc}
command -v "$cross" >/dev/null 2>&1 || skip "$cross is not installed"
emulator=
for name in qemu-aarch64 qemu-aarch64-static; do
    command -v $name >/dev/null 2>&1 && emulator=$name
done
[ -n "$emulator" ] || skip 'neither qemu-aarch64 nor qemu-aarch64-static is installed'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo 'int main(void) { return 0; }' >"$work/none.c"
"$cross" -static -o "$work/none" "$work/none.c" 2>/dev/null || skip "$cross has no C library (libc6-dev-arm64-cross)"
"$emulator" "$work/none" 2>/dev/null || skip "$emulator does not run here"

count=0
shown() {
    count=$((count + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
    fi
    sed 's/^/# /' "$work/log"
}

# run NAME FILE FLAG...
run() {
    name=$1
    shift
    "$cross" -std=gnu11 -static -Wall -Wextra -Werror -I"$top/include" -o "$work/test" "$top/test/context_aarch64.c" \
        "$top/test/switching.c" "$@" >"$work/log" 2>&1 && "$emulator" "$work/test" >"$work/log" 2>&1
    shown "$name" $?
}

assembler="$top/src/tasks/context_aarch64.S"
run 'without optimization' -O0 -DPROMISE_CONTEXT_ASM "$assembler"
run 'optimized' -O2 -DPROMISE_CONTEXT_ASM "$assembler"
run 'with landing pads and signed return addresses' -O2 -mbranch-protection=standard -DPROMISE_CONTEXT_ASM "$assembler"
run 'the portable way' -O2 "$top/src/tasks/context_ucontext.c" "$top/src/memory.c"

# What it says of itself: fit for landing pads, with no code on the stack.
"$cross" -c -o "$work/context.o" "$assembler" >"$work/log" 2>&1 &&
    "${cross%gcc}readelf" -n -S "$work/context.o" >"$work/log" 2>&1 &&
    grep -q 'AArch64 feature: BTI' "$work/log" && grep -q 'note.GNU-stack' "$work/log"
status=$?
: >"$work/log"
shown 'its notes' $status
echo "1..$count"
