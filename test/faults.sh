#!/bin/sh
# The tables of docs/faults.md are those that the tests run. Prints TAP. Run from the build folder.
#
#     test/faults.sh            checks
#     test/faults.sh --update   writes the tables into the page again
#
# In the page a table stands between <!-- test/NAME --list --> and <!-- end -->.
set -u

page=${srcdir:-$(dirname "$0")/..}/docs/faults.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0

# fill PROGRAM: the page, with its table as the program lists it.
fill() {
    awk -v program="$1" '
    { if (!inside) print }
    $0 == "<!-- " program " --list -->" {
        inside = 1
        while (((program " --list") | getline line) > 0) print line
        print ""
    }
    inside && $0 == "<!-- end -->" { inside = 0; print }' "$page"
}

for program in test/test_faults test/test_faults_tls; do
    count=$((count + 1))
    if [ ! -x "$program" ]; then
        echo "ok $count - the table of $program # SKIP it was not built"
        continue
    fi
    fill "$program" >"$work/page"
    if [ "${1-}" = --update ]; then
        cmp -s "$work/page" "$page" || cp "$work/page" "$page"
    elif diff "$page" "$work/page" >"$work/diff"; then
        echo "ok $count - docs/faults.md has the table of $program"
    else
        echo "not ok $count - docs/faults.md has the table of $program"
        sed 's/^/# /' "$work/diff"
    fi
done
[ "${1-}" = --update ] || echo "1..$count"
