#!/bin/sh
# examples/runner with real programs: what it prints, how it exits, and that nothing is left running. Run from the build
# folder. EXAMPLES_RUN: what to run it with (valgrind, for example).
set -u

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0

# runner ARGUMENT...: with commands from standard input; its output in out, its status in the variable.
runner() {
    # shellcheck disable=SC2086 # EXAMPLES_RUN is a command with its options
    ${EXAMPLES_RUN-} examples/runner/runner "$@" >"$work/out" 2>"$work/err"
    status=$?
}

# check NAME STATUS: and out must be as standard input.
check() {
    count=$((count + 1))
    cat >"$work/want"
    if [ "$status" -eq "$2" ] && diff -u "$work/want" "$work/out" >"$work/diff"; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        echo "# exit status $status, expected $2"
        sed 's/^/# /' "$work/diff" "$work/err"
    fi
}

# ok NAME: whether the command before was successful.
ok() {
    if [ $? -eq 0 ]; then result=ok; else result='not ok'; fi
    count=$((count + 1))
    echo "$result $count - $1"
}

# gone PID: it has ended, and whoever is to bury it may do so later.
gone() {
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null)
    [ -z "$state" ] || [ "$state" = Z ]
}

runner -j 1 <<'END'
# a comment, and an empty line

echo one
printf 'no newline'
cat
echo out; echo error >&2; exit 3
kill -9 $$
END
check 'the output and the status of each' 1 <<'END'
[1] echo one: exit status 0
one
[2] printf 'no newline': exit status 0
no newline
[3] cat: exit status 0
[4] echo out; echo error >&2; exit 3: exit status 3
out
error
[5] kill -9 $$: killed by SIGKILL
5 commands: 3 ok, 2 failed, 0 timed out
END

echo 'true' >"$work/file"
runner "$work/file"
check 'commands from a file' 0 <<'END'
[1] true: exit status 0
1 commands: 1 ok, 0 failed, 0 timed out
END

# The second can only end when the third runs beside it.
mkfifo "$work/fifo"
runner -j 2 <<END
true
echo through >"$work/fifo"
cat "$work/fifo"
END
{ [ $status -eq 0 ] && grep -qx through "$work/out"; }
ok 'two at a time'

# What it wrote until then is there; and what it has started is gone with it.
runner -j 0 -t 3 <<END
echo before; sleep 1000 & echo \$! >"$work/background"; wait
trap '' TERM; echo deaf; sleep 1000; sleep 1000
END
sort "$work/out" | grep -v '^\[' >"$work/sorted"
mv "$work/sorted" "$work/out"
check 'a timeout' 1 <<'END'
2 commands: 0 ok, 0 failed, 2 timed out
before
deaf
END
gone "$(cat "$work/background")"
ok 'a timeout reaches the children of the commands'

# A command that ends, and leaves somebody behind with its output.
runner -t 3 <<END
sleep 1000 & echo \$! >"$work/left"
END
check 'output that does not end' 1 <<END
[1] sleep 1000 & echo \$! >"$work/left": timed out
1 commands: 0 ok, 0 failed, 1 timed out
END
gone "$(cat "$work/left")"
ok 'who was left behind is stopped'

runner -j 3 <<'END'
head -c 1000000 /dev/zero | tr '\0' x
head -c 1000000 /dev/zero | tr '\0' y
head -c 1000000 /dev/zero | tr '\0' z
END
size=$(wc -c <"$work/out")
tr -s xyz <"$work/out" | sed 's/^[xyz]$/& only/' | sort >"$work/sorted"
mv "$work/sorted" "$work/out"
check 'a megabyte of output of each, as a whole' 0 <<'END'
3 commands: 3 ok, 0 failed, 0 timed out
[1] head -c 1000000 /dev/zero | tr '\0' x: exit status 0
[2] head -c 1000000 /dev/zero | tr '\0' y: exit status 0
[3] head -c 1000000 /dev/zero | tr '\0' z: exit status 0
x only
y only
z only
END
[ "$size" -gt 3000000 ]
ok 'nothing is lost of it'

if command -v python3 >/dev/null; then
    runner -j 8 <<'END'
python3 -c 'import sys; print(sys.stdin.read() == "", flush=True); sys.exit(9)'
python3 -c 'import os; print(sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:3])'
python3 -c 'import signal; print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, signal.pthread_sigmask(signal.SIG_BLOCK, []))'
END
    { [ $status -eq 1 ] && grep -qx True "$work/out" && grep -qx '\[0, 1, 2\]' "$work/out" && grep -qx 'True set()' "$work/out"; }
    ok 'python3'
else
    count=$((count + 1))
    echo "ok $count - python3 # SKIP there is none"
fi

# Ctrl-C, when both have begun: a signal to the runner alone, as its commands are in groups of their own.
mkfifo "$work/begun"
cat >"$work/file" <<END
echo \$\$ >"$work/begun"; sleep 1000
echo \$\$ >"$work/begun"; trap '' TERM; exec sleep 1000
echo never
END
for signal in INT TERM; do
    # Without job control a program in the background would have SIGINT ignored.
    (
        trap - INT
        # shellcheck disable=SC2086
        exec ${EXAMPLES_RUN-} examples/runner/runner -j 2 "$work/file" >"$work/out" 2>"$work/err"
    ) &
    pid=$!
    { read -r first && read -r second; } <"$work/begun"
    kill -$signal $pid
    wait $pid
    status=$?
    if [ $signal = INT ]; then number=130 name=Interrupt; else number=143 name=Terminated; fi
    check "SIG$signal" $number <<END
stopped by $name, 3 commands: 0 ok, 0 failed, 0 timed out
END
    gone "$first" && gone "$second"
    ok "SIG$signal leaves nothing running"
done

runner -x </dev/null
check 'a wrong option' 2 </dev/null
runner "$work/nowhere"
check 'a file that is not there' 2 </dev/null
runner </dev/null
check 'nothing to do' 0 <<'END'
0 commands: 0 ok, 0 failed, 0 timed out
END

echo "1..$count"
