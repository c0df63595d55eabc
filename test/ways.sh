#!/bin/sh
# examples/ways: all forms of a job print the same, what sha256sum(1) prints is among it, and the pictures are well-formed.
# Prints TAP. Run from the build folder.
set -u

srcdir=${srcdir:-.}
ways=$srcdir/examples/ways
work=$(mktemp -d "${TMPDIR:-/tmp}/ways.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
count=0

result() {
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        sed 's/^/# /' "$work/log"
    fi
}

echo 1..6

# A folder with what is awkward: nothing in it, nothing at all, a name with a space, more than one piece, depth.
tree=$work/tree
mkdir -p "$tree/empty" "$tree/deep/er/still"
: >"$tree/nothing"
echo word >"$tree/with space"
head -c 200000 /dev/zero >"$tree/deep/large"
for i in 1 2 3 4 5 6 7 8 9; do
    echo "$i" >"$tree/deep/er/still/$i"
done

python3 "$ways/ways.py" --check --tree "$tree" --pages 9 --svg "$work" "$ways" examples/ways >"$work/log" 2>&1
result $? 'all forms print the same'

rows=$(grep -cE '^(serial|callback|promise|await|channel|threads|processes) +[0-9]+ ' "$work/log")
[ "$rows" -eq 14 ]
result $? 'a row for each form of each job'

examples/ways/hash/serial "$tree" >"$work/got"
find "$tree" -type f | LC_ALL=C sort | while IFS= read -r file; do sha256sum "$file"; done >"$work/want"
diff -u "$work/want" "$work/got" >"$work/log"
result $? 'the sums are those of sha256sum'

for name in hash fetch; do
    python3 -c 'import sys, xml.dom.minidom as m; sys.exit(not m.parse(sys.argv[1]).getElementsByTagName("rect"))' \
        "$work/ways-$name.svg" >"$work/log" 2>&1
    result $? "the picture of $name"
done

for form in serial callback promise await channel threads processes; do
    examples/ways/hash/$form "$work/not there" >/dev/null 2>"$work/err-$form" && echo "$form: status 0"
    [ -s "$work/err-$form" ] || echo "$form: no message"
done >"$work/log"
[ ! -s "$work/log" ]
result $? 'a folder that is not there is an error of every form'
