#!/bin/sh
# What a debugger shows of a coroutine: its functions up to its entry, and nothing below that; and the same at each
# instruction of the switch from one stack to another.
set -u

skip() {
    echo "1..0 # SKIP $*"
    exit 0
}

command -v gdb >/dev/null 2>&1 || skip 'gdb is not installed'
program=./test/backtrace
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# debug COMMAND...: what gdb prints.
debug() {
    for line in 'set pagination off' 'set debuginfod enabled off' 'set disable-randomization off' 'set width 0' "$@"; do
        echo "$line"
    done >"$work/commands"
    gdb -nx -batch -x "$work/commands" "$program" >"$work/said" 2>&1 </dev/null
}

debug 'break main' run 'print 6 * 7'
grep -q '= 42' "$work/said" || skip "gdb cannot run a program here: $(tail -n 1 "$work/said")"

count=0
# shown NAME STATUS
shown() {
    count=$((count + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        sed 's/^/# /' "$work/frames"
        tail -n 30 "$work/said" | sed 's/^/# /'
    fi
}

# Function names of the frames, innermost first.
frames() { sed -n 's/^#[0-9]* *\(0x[0-9a-f]* in \)\{0,1\}\([^ ]*\) (.*/\2/p'; }

debug 'break innermost' run bt
frames <"$work/said" | tr '\n' ' ' >"$work/frames"
case $(cat "$work/frames") in
'innermost middle outer body start ') status=0 ;;                        # of assembler
'innermost middle outer body start __start_context ') status=0 ;;        # of libc
'innermost middle outer body promise__context_begin start '*) status=0 ;; # told to a sanitizer
*) status=1 ;;
esac
shown 'a coroutine ends at its entry' $status

! grep -Eq '\?\?|corrupt|Backtrace stopped' "$work/said"
shown 'there is nothing below' $?

# From the first instruction of the switch to the first one after it, into the coroutine and out of it.
if grep -q promise__asm_swap "$program"; then
    # shellcheck disable=SC2016 # gdb's variables
    debug 'break promise__asm_swap' run 'set $i = 0' 'while $i < 60' 'bt -1' 'stepi' 'set $i = $i + 1' end
    frames <"$work/said" | uniq | tr '\n' ' ' >"$work/frames"
    [ "$(cat "$work/frames")" = 'main start ' ]
    shown 'each instruction of the switch' $?
else
    count=$((count + 1))
    echo "ok $count - each instruction of the switch # SKIP it is not of our assembler"
fi

debug 'break innermost' run finish 'up' 'next' 'next' kill
grep -q '^middle () at' "$work/said" && grep -q '^outer (.*) at' "$work/said"
shown 'finishing and stepping inside a coroutine' $?
echo "1..$count"
