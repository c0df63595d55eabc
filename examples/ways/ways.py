#!/usr/bin/env python3
"""The same job in every form: a table of what each costs, and a timeline of who ran when.

    ways.py [--rounds N] [--tree FOLDER] [--pages N] [--svg FOLDER] [--check] SOURCES PROGRAMS

SOURCES is examples/ways/ of the source tree, PROGRAMS the same folder of the build. Every form runs N times in turn with the
others; times are medians. All must print the same, or the status is 1. --check only compares, and draws.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from xml.sax.saxutils import escape

FORMS = ["serial", "callback", "promise", "await", "channel", "threads", "processes"]
COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#555555"]
TEXT_LANES, TEXT_WIDTH = 8, 72


def peak(trace):
    """The sum of the peaks of all processes, which tell them by lines "m 0 PROCESS THREAD KIB"."""
    peaks = {}
    for line in open(trace):
        what, _, pid, _, value = line.split()
        if what == "m":
            peaks[pid] = max(peaks.get(pid, 0), int(value))
    return sum(peaks.values())


class Run:
    """One run of a program: what it printed, its times in seconds."""

    def __init__(self, command, trace=None):
        environment = dict(os.environ)
        environment.pop("WAYS_TRACE", None)
        if trace:
            environment["WAYS_TRACE"] = trace
        with tempfile.TemporaryFile() as output:
            begin = time.monotonic()
            process = subprocess.Popen(command, stdout=output, env=environment)
            _, status, usage = os.wait4(process.pid, 0)
            self.wall = time.monotonic() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            self.output = output.read()
        if process.returncode:
            sys.exit(f"{' '.join(command)}: exit status {process.returncode}")
        self.cpu = usage.ru_utime + usage.ru_stime


def lines_of(source):
    """Lines that are neither empty nor comments alone."""
    count = 0
    comment = False
    for line in open(source):
        text = line.strip()
        comment = comment or text.startswith("/*")
        count += bool(text) and not comment
        comment = comment and not text.endswith("*/")
    return count


class Timeline:
    """Who ran when: spans of items in lanes, as few as do not overlap, so that the lanes are what was under way at once."""

    def __init__(self, trace):
        self.spans, self.threads = [], {}
        begun, running = {}, {}
        for line in open(trace):
            what, item, pid, thread, now = line.split()
            if what == "m":
                continue
            who = self.threads.setdefault((pid, thread), len(self.threads))
            item, now = int(item), int(now)
            if what == "b":
                begun[item] = {"item": item, "begin": now, "who": who, "runs": []}
            elif what == "r":
                running[item] = now
            elif what == "s":
                begun[item]["runs"].append((running.pop(item), now, who))
            else:
                begun[item]["end"] = now
                self.spans.append(begun.pop(item))
        self.spans.sort(key=lambda span: span["begin"])
        first = self.spans[0]["begin"] if self.spans else 0
        self.length = max((span["end"] - first for span in self.spans), default=1)
        ends = []
        for span in self.spans:
            span["runs"] = [(a - first, b - first, who) for a, b, who in span["runs"]]
            span["begin"] -= first
            span["end"] -= first
            free = [lane for lane, end in enumerate(ends) if end <= span["begin"]]
            span["lane"] = free[0] if free else len(ends)
            ends[span["lane"]:span["lane"] + 1] = [span["end"]]
        self.lanes = len(ends)

    def summary(self):
        return f"{self.lanes} at a time on {len(self.threads)} thread{'s'[:len(self.threads) > 1]}"

    def text(self):
        """A cell of a lane: "-" under way; the letter of the thread that ran it, small when for less than half of the cell."""
        lanes = min(self.lanes, TEXT_LANES)
        rows = [[" "] * TEXT_WIDTH for _ in range(lanes)]
        ran = [[[0, 0] for _ in range(TEXT_WIDTH)] for _ in range(lanes)]
        cell = self.length / TEXT_WIDTH

        def cells(begin, end):
            return range(int(begin / cell), min(int(end / cell) + 1, TEXT_WIDTH))

        for span in self.spans:
            if span["lane"] >= lanes:
                continue
            for column in cells(span["begin"], span["end"]):
                rows[span["lane"]][column] = "-"
            for begin, end, who in span["runs"]:
                for column in cells(begin, end):
                    time_in_cell = min(end, (column + 1) * cell) - max(begin, column * cell)
                    ran[span["lane"]][column][0] += time_in_cell
                    ran[span["lane"]][column][1] = who
        for row, row_ran in zip(rows, ran):
            for column, (nanoseconds, who) in enumerate(row_ran):
                if nanoseconds:
                    row[column] = chr((ord("A") if nanoseconds * 2 >= cell else ord("a")) + who % 26)
        more = f"   ... and {self.lanes - TEXT_LANES} lanes more\n" if self.lanes > TEXT_LANES else ""
        return "".join(f"  |{''.join(row)}|\n" for row in rows) + more


def merged(boxes, gap):
    """Of (lane, begin, end, who), those of one lane and thread that follow each other more closely than gap as one."""
    last = {}
    for lane, begin, end, who in sorted(boxes):
        before = last.get(lane)
        if before and before[3] == who and begin - before[2] < gap:
            before[2] = max(before[2], end)
            continue
        if before:
            yield before
        last[lane] = [lane, begin, end, who]
    yield from last.values()


def svg(job, timelines):
    """One picture of all forms, on one scale of time."""
    width, lane_height, left, top = 1000, 9, 110, 50
    longest = max(timeline.length for timeline in timelines.values())
    body, y = [], top

    def box(x0, x1, row, colour, opacity):
        x, w = left + x0 * width / longest, max(0.4, (x1 - x0) * width / longest)
        body.append(f'<rect x="{x:.1f}" y="{row:.1f}" width="{w:.1f}" height="{lane_height - 1.5}" fill="{colour}"'
                    f' fill-opacity="{opacity}"/>')

    for form, timeline in timelines.items():
        body.append(f'<text x="8" y="{y + 8}" font-weight="bold">{form}</text>')
        body.append(f'<text x="8" y="{y + 20}" font-size="9">{timeline.length / 1e6:.0f} ms</text>')
        spans = [(span["lane"], span["begin"], span["end"], span["who"]) for span in timeline.spans]
        runs = [(span["lane"], *run) for span in timeline.spans for run in span["runs"]]
        for boxes, opacity in ((spans, 0.35), (runs, 1)):
            for lane, begin, end, who in merged(boxes, longest / width):
                box(begin, end, y + lane * lane_height, COLOURS[who % len(COLOURS)], opacity)
        y += max(timeline.lanes * lane_height, 24) + 12
    title = escape(f"{job}: a lane is one thing under way, its colour the thread it is on; dark where it runs, light where it waits")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 20}" height="{y + 10}" font-family="sans-serif"'
            f' font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
            f'<text x="8" y="24">{title}</text>\n' + "\n".join(body) + "\n</svg>\n")


def job(name, arguments, options):
    """Runs all forms; prints the table and the timelines; True when all printed the same."""
    runs = {form: [] for form in FORMS}
    timelines, peaks = {}, {}

    def command(form):
        return [os.path.join(options.programs, name, form), *arguments]

    for _ in range(0 if options.check else options.rounds):
        for form in FORMS:
            runs[form].append(Run(command(form)))
    for form in FORMS:
        with tempfile.NamedTemporaryFile() as trace:
            traced = Run(command(form), trace.name)
            peaks[form] = peak(trace.name)
            timelines[form] = Timeline(trace.name)
            runs[form].append(traced) if options.check else None
            same = traced.output == runs["serial"][0].output and traced.output
        if not same:
            print(f"{name}/{form} printed something else than {name}/serial", file=sys.stderr)
            return False

    print(f"\n{name}: {len(timelines['serial'].spans)} items, {len(runs['serial'])} rounds\n")
    print("form       lines  wall, ms   CPU, ms  speed-up  peak, MiB  at a time")
    serial = statistics.median(run.wall for run in runs["serial"])
    for form in FORMS:
        wall = statistics.median(run.wall for run in runs[form])
        cpu = statistics.median(run.cpu for run in runs[form])
        print(f"{form:<10} {lines_of(os.path.join(options.sources, name, form + '.c')):5} {wall * 1000:9.1f} "
              f"{cpu * 1000:9.1f} {serial / wall:9.2f} {peaks[form] / 1024:10.1f}  {timelines[form].summary()}")
    print("\n'-': under way, waiting; a letter: running on that thread, a small one: for less than half of the time")
    for form in FORMS:
        print(f"\n{form}, {timelines[form].length / 1e6:.0f} ms\n{timelines[form].text()}", end="")
    if options.svg:
        path = os.path.join(options.svg, f"ways-{name}.svg")
        with open(path, "w") as picture:
            picture.write(svg(name, timelines))
        print(f"\nthe picture: {path}")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tree", default="/usr/bin")
    parser.add_argument("--pages", default="64")
    parser.add_argument("--svg")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("sources")
    parser.add_argument("programs")
    options = parser.parse_args()
    good = job("hash", [options.tree], options)
    server = subprocess.Popen([os.path.join(options.programs, "server")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        url = server.stdout.readline().decode().strip()
        good = job("fetch", [url, options.pages], options) and good
    finally:
        server.stdin.close()
        server.wait()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
