#!/bin/sh
# Checks a folder of HTML files with callback and promise of linkcheck, in turn: they must report the same. Tells what each takes:
# linkcheck.sh BUILD-FOLDER FOLDER [ROUNDS]
#
# The server of the files is in both programs, and is the same. Each ratio is of two runs one after the other, of which in
# every second round the other one comes first, and what is shown are medians. On a busy machine look at the processor's time.
set -eu

[ $# -ge 2 ] || {
    echo "usage: $0 BUILD-FOLDER FOLDER [ROUNDS]" >&2
    exit 2
}
programs=$1/examples/linkcheck
folder=$2
rounds=${3:-5}
work=$(mktemp -d "${TMPDIR:-/tmp}/linkcheck.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# run VERSION: a line with its time, and that of the processor in user and kernel mode, in seconds.
run() {
    start=$(date +%s.%N)
    (
        status=0
        "$programs/$1" "$folder" >"$work/$1.out" 2>"$work/$1.err" || status=$?
        times >"$work/times"
        [ $status -lt 2 ]
    ) || {
        cat "$work/$1.err" >&2
        exit 1
    }
    end=$(date +%s.%N)
    # What its children took is in the second line.
    awk -v start="$start" -v end="$end" '
        function seconds(text) { sub(/s$/, "", text); split(text, part, "m"); return part[1] * 60 + part[2] }
        NR == 2 { print end - start, seconds($1) + seconds($2) }' "$work/times" >>"$work/$1.times"
}

round=0
while [ "$round" -lt "$rounds" ]; do
    if [ $((round % 2)) -eq 0 ]; then order='callback promise'; else order='promise callback'; fi
    for version in $order; do run "$version"; done
    for kind in out err; do
        diff -u "$work/callback.$kind" "$work/promise.$kind" || {
            echo 'The reports are NOT the same.' >&2
            exit 1
        }
    done
    round=$((round + 1))
done

sed 's/^linkcheck: //' "$work/promise.err"
echo "Both report the same, $rounds times."
echo
paste -d ' ' "$work/callback.times" "$work/promise.times" | awk '
    function median(values, n,    i, j, t) {
        for (i = 2; i <= n; i++)
            for (j = i; j > 1 && values[j - 1] > values[j]; j--) { t = values[j]; values[j] = values[j - 1]; values[j - 1] = t }
        return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
    }
    { wall[NR] = $1; cpu[NR] = $2; wall2[NR] = $3; cpu2[NR] = $4; ratio[NR] = $3 / $1; ratio2[NR] = $4 / $2 }
    END {
        printf "%-22s %8s %10s\n", "seconds (medians)", "elapsed", "processor"
        printf "%-22s %8.2f %10.2f\n", "callback", median(wall, NR), median(cpu, NR)
        printf "%-22s %8.2f %10.2f\n", "promise", median(wall2, NR), median(cpu2, NR)
        printf "%-22s %8.2f %10.2f\n", "ratio", median(ratio, NR), median(ratio2, NR)
    }'
