#!/bin/sh
# Each of $FUZZ_TARGETS, built with clang's fuzzer, for $FUZZ_SECONDS on a copy of its corpus. Run by `make fuzz`, from the
# build folder. Prints TAP. What is found stays in fuzz-findings/: fuzz/fuzz_NAME fuzz-findings/NAME-crash-... shows it again.
set -u

corpus=${srcdir:-.}/fuzz/corpus
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
findings=fuzz-findings
mkdir -p "$findings"
count=0

# runs NAME FOLDER: whether nothing is found. Inputs that take ten seconds, or very much memory, are findings too.
runs() {
    rm -rf "$work/corpus"
    cp -R "$corpus/$1" "$work/corpus" && chmod -R u+w "$work/corpus" &&
        "fuzz/fuzz_$1" -max_total_time="${FUZZ_SECONDS:-20}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
            -artifact_prefix="$2/$1-" "$work/corpus" >"$work/log" 2>&1
}

# result STATUS NAME: of the last run.
result() {
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
        grep '^stat::number_of_executed_units' "$work/log" | sed 's/^/# /'
    else
        echo "not ok $count - $2"
        tail -n 100 "$work/log" | sed 's/^/# /'
    fi
}

for target in ${FUZZ_TARGETS?}; do
    name=${target#fuzz/fuzz_}
    if [ "$name" = selftest ]; then
        ! runs selftest "$work" && grep -q 'heap-buffer-overflow' "$work/log"
        result $? 'what selftest does wrong is found'
    else
        runs "$name" "$findings"
        result $? "$name"
    fi
done
echo "1..$count"
