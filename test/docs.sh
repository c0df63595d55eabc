#!/bin/sh
# The pages are true: README.md, docs/*.md and man/libpromise.3. Prints TAP.
#
#     test/docs.sh            checks
#     test/docs.sh --update   writes the regions of the examples into the pages again
#
# A block of C in a page is a region of a file under examples/, which is compiled and run. The line before the block names
# both; the file has "/* region: make */" before the region and "/* end: make */" after it.
#
#     <!-- examples/tour/value.c: make -->
#
# The only other blocks of C are those that show what not to do: their first line begins with "/* wrong: " and says why.
#
# Each page docs/NAME.md mentions everything that include/promise/NAME.h declares, the man page all of it, and none of them a
# name that is not there. Links to files of the tree, and to headings in them, lead somewhere.
set -u
LC_ALL=C
export LC_ALL

cd "${srcdir:-$(dirname "$0")/..}" || exit
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0

# ok NAME: ok when there are no complaints.
ok() {
    count=$((count + 1))
    if [ -s "$work/complaints" ]; then
        echo "not ok $count - $1"
        sed 's/^/# /' "$work/complaints"
    else
        echo "ok $count - $1"
    fi
}

# --- Blocks of C ---

# fill PAGE: the page with its regions as they are in the examples; complaints on standard error.
fill() {
    awk '
    function complain(text) { print FILENAME ":" NR ": " text >"/dev/stderr" }

    # Prints a region, with the indentation of its first line taken away.
    function print_region(file, name,    line, on, found, margin) {
        while ((getline line <file) > 0) {
            if (index(line, "/* end: " name " */")) on = 0
            if (on) {
                if (on++ == 1) margin = match(line, /[^ ]/) - 1
                print substr(line, match(line, /[^ ]/) > margin ? margin + 1 : 1)
            }
            if (index(line, "/* region: " name " */")) on = found = 1
        }
        close(file)
        if (!found) complain("there is no region " name " in " file)
        if (on) complain("the region " name " in " file " does not end")
    }

    in_block {
        if ($0 == "```") in_block = 0
        else if (in_block == "first" && $0 !~ /^\/\* wrong: /) complain("a block of C that is no region and not marked as wrong")
        if (in_block) in_block = in_block == "region" ? "region" : "wrong"
        if (in_block != "region") print
        next
    }
    /^```c/ {
        print
        in_block = region ? "region" : "first"
        if (region) print_region(file, region)
        region = ""
        next
    }
    region { complain("a block of C should begin here") }
    {
        region = ""
        if (/^<!-- examples\/[^ ]*: [a-z_]+ -->$/) {
            file = substr($2, 1, length($2) - 1)
            region = $3
        }
        print
    }
    END { if (in_block) complain("a block that does not end") }' "$1"
}

if [ "${1-}" = --update ]; then
    for page in README.md docs/*.md; do
        fill "$page" >"$work/page" || exit
        cmp -s "$work/page" "$page" || cp "$work/page" "$page"
    done
    exit
fi

for page in README.md docs/*.md; do
    {
        fill "$page" >"$work/page"
        diff "$page" "$work/page"
    } >"$work/complaints" 2>&1
    ok "$page: its blocks of C are regions of the examples"
done

# The man page names its region in a comment.
awk '/^\.\\" examples\// { print "<!-- " $2 " " $3 " -->" }
    /^\.Ed/ { on = 0; print "```" }
    on { gsub(/\\e/, "\\"); print }
    /^\.Bd/ { on = 1; print "```c" }' man/libpromise.3 >"$work/man"
{
    fill "$work/man" >"$work/page"
    diff "$work/man" "$work/page"
} >"$work/complaints" 2>&1
ok 'man/libpromise.3: its blocks of C are regions of the examples'

# --- Links ---

# anchors PAGE: one for each heading, as GitHub makes them.
anchors() {
    awk '/^```/ { in_block = !in_block } !in_block && sub(/^#+ /, "")' "$1" | tr '[:upper:] ' '[:lower:]-' | tr -cd 'a-z0-9_\n-'
}

# broken_links PAGE
broken_links() {
    awk '/^```/ { in_block = !in_block } !in_block' "$1" | grep -o ']([^)]*)' | sed 's/^](//; s/)$//' |
        grep -v '^[a-z]*:' | while read -r link; do
        target=$(dirname "$1")/${link%%#*}
        [ "${link%%#*}" ] || target=$1
        if [ ! -e "$target" ]; then
            echo "$link: there is no such file"
        elif [ "$link" != "${link#*#}" ]; then
            anchors "$target" | grep -qx -e "${link#*#}" || echo "$link: there is no such heading"
        fi
    done
}

for page in README.md CONTRIBUTING.md docs/*.md; do
    broken_links "$page" >"$work/complaints"
    ok "$page: its links lead somewhere"
done

# --- Names ---

# code HEADER: the header without comments.
code() {
    awk '
    { text = text $0 "\n" }
    END {
        while ((at = index(text, "/*"))) {
            printf "%s", substr(text, 1, at - 1)
            text = substr(text, at)
            text = substr(text, index(text, "*/") + 2)
        }
        printf "%s", text
    }' "$1"
}

# declared HEADER: its functions, macros like functions, and data. Of promise_new() and promise_new_at() only the macro is
# meant to be called.
declared() {
    code "$1" | awk '
    /^#define [A-Za-z_]+\(/ {
        name = $2
        sub(/\(.*/, "", name)
        macros[name]
        print name
    }
    /^#/ || continued { continued = /\\$/; next }
    { text = text " " $0 }
    END {
        while (gsub(/[{][^{}]*[}]/, ";", text)) continue
        n = split(text, parts, ";")
        for (i = 1; i <= n; i++) {
            part = parts[i]
            if (part !~ /PROMISE_API|static inline/) continue
            gsub(/PROMISE_[A-Z_]+(\([0-9, ]*\))?/, "", part)
            sub(/\(.*/, "", part)
            match(part, /[a-z0-9_]+ *$/)
            name = substr(part, RSTART, RLENGTH)
            gsub(/ /, "", name)
            macro = name
            sub(/_at$/, "", macro)
            if (macro == name || !(macro in macros)) print name
        }
    }'
}

# words FILE...: the names of the library in them.
words() {
    cat "$@" | grep -oE '(promise|PROMISE)_[A-Za-z0-9_]+' | sort -u
}

for header in include/promise/*.h; do
    code "$header"
done >"$work/code"
words "$work/code" >"$work/all"
words man/libpromise.3 >"$work/man"

for header in include/promise/*.h; do
    stem=$(basename "$header" .h)
    [ "$stem" != export ] || continue
    declared "$header" | sort -u >"$work/declared"
    : >"$work/complaints"
    [ -s "$work/declared" ] || echo 'nothing was found' >"$work/complaints"
    ok "$header declares something"
    words "docs/$stem.md" >"$work/mentioned"
    comm -23 "$work/declared" "$work/mentioned" >"$work/complaints"
    ok "docs/$stem.md mentions what its header declares"
    comm -23 "$work/declared" "$work/man" >"$work/complaints"
    ok "man/libpromise.3 mentions what $stem.h declares"
    comm -13 "$work/all" "$work/mentioned" >"$work/complaints"
    ok "docs/$stem.md mentions nothing that is not there"
done
words README.md docs/README.md docs/faults.md man/libpromise.3 | comm -13 "$work/all" - >"$work/complaints"
ok 'the other pages mention nothing that is not there'

echo "1..$count"
