#!/bin/sh
# Counts what two ways to write the same program take: compare.sh FILE...
#
# By the same rules for each file:
#   lines        lines that are neither blank nor comment only
#   levels       the longest chain of the file's own functions that call one another: how deep one has to follow the code
#                from main() or a callback to see what comes next (a function counts once, so that loops end)
#   error paths  lines of function bodies that test for, make, pass on or handle an error: those with "< 0", "return -1",
#                "return NULL", ENOMEM, or a name with error, fail, could_not, memory, throw, reject, catch or abandon in it
set -eu

[ $# -gt 0 ] || {
    echo "usage: $0 FILE..." >&2
    exit 2
}

count() {
    awk '
    # Takes comments and the texts of strings out of a line.
    function code(line,    out, at) {
        out = ""
        gsub(/\\./, "", line)
        gsub(/"[^"]*"/, "\"\"", line)
        while (line != "") {
            if (in_comment) {
                at = index(line, "*/")
                if (!at) return out
                line = substr(line, at + 2)
                in_comment = 0
            } else {
                at = index(line, "/*")
                if (!at) return out line
                out = out substr(line, 1, at - 1)
                line = substr(line, at + 2)
                in_comment = 1
            }
        }
        return out
    }

    # The longest chain of calls that begins with this function.
    function depth(name,    i, n, callees, deepest, d) {
        if (name in visiting) return 0
        visiting[name] = 1
        deepest = 0
        n = split(calls[name], callees, " ")
        for (i = 1; i <= n; i++) {
            d = depth(callees[i])
            if (d > deepest) deepest = d
        }
        delete visiting[name]
        return deepest + 1
    }

    {
        text = code($0)
        if (text !~ /[^ \t]/) next
        lines++
        body = text
        if (name == "" && text ~ /^[a-z]/) {
            head = head " " text
            if (head ~ /\) *{/ && match(head, /[a-z_0-9]+\(/)) {
                name = substr(head, RSTART, RLENGTH - 1)
                names[name] = 1
                body = substr(head, index(head, "{"))
            }
            if (text ~ /[;}{]/) head = ""
        }
        if (name != "") {
            bodies[name] = bodies[name] " " body
            if (body ~ /< 0|return -1|return NULL|ENOMEM|error|fail|could_not|memory|throw|reject|catch|abandon/) errors++
            if (text ~ /}$/ && (text ~ /^}/ || text ~ /^[a-z]/)) name = ""
        }
    }

    END {
        for (name in bodies) {
            rest = bodies[name]
            while (match(rest, /[A-Za-z_][A-Za-z_0-9]*\(/)) {
                callee = substr(rest, RSTART, RLENGTH - 1)
                if ((callee in names) && callee != name) calls[name] = calls[name] " " callee
                rest = substr(rest, RSTART + RLENGTH)
            }
        }
        for (name in names) {
            d = depth(name)
            if (d > levels) levels = d
        }
        print lines + 0, levels + 0, errors + 0
    }' "$1"
}

printf '%-12s %6s %7s %12s\n' file lines levels 'error paths'
for file; do
    counted=$(count "$file")
    # shellcheck disable=SC2086 # three numbers
    printf '%-12s %6d %7d %12d\n' "$(basename "$file")" $counted
done
