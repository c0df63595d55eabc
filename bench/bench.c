/* The measurements of libpromise: docs/bench.md tells what each is, and how to read the table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* The budgets are those of docs/bench.md. */
static const struct workload workloads[] = {
    /* name, steps, live, budget, on_base, run */
    {"chain", MILLION, MILLION, 0.85, false, bench_chain},
    {"short", 10 * THOUSAND, THOUSAND, 4, false, bench_short},
    {"short-event", 10 * THOUSAND, THOUSAND, 4, true, bench_short},
    {"all", MILLION, MILLION, 2, false, bench_all},
    {"adopt", MILLION, MILLION, 2, false, bench_adopt},
    {"loop", 20 * THOUSAND, 1, 2, false, bench_loop},
    {"loop-then", 20 * THOUSAND, 1, 0, false, bench_loop_then},
    {"race", 10 * THOUSAND, 1, 4, false, bench_race},
    {"switch", 10 * THOUSAND, 1, 0.7, false, bench_switch},
    {"spawn", 10 * THOUSAND, 1, 0, false, bench_spawn},
    {"spawn-1000", 10 * THOUSAND, THOUSAND, 0, false, bench_spawn_many},
    {"await", 10 * THOUSAND, 1, 0.5, false, bench_await},
    {"await-made", 10 * THOUSAND, 1, 0, false, bench_await_made},
    {"await-later", 10 * THOUSAND, 1, 3, false, bench_await_later},
    {"yield", 10 * THOUSAND, 1, 0, false, bench_yield},
    {"mutex", 20 * THOUSAND, 1, 0, false, bench_mutex},
    {"mutex-then", 20 * THOUSAND, 1, 0, false, bench_mutex_then},
    {"semaphore", 20 * THOUSAND, 1, 0, false, bench_semaphore},
    {"channel", 20 * THOUSAND, 1, 3, false, bench_channel},
    {"channel-100", 20 * THOUSAND, 1, 1, false, bench_channel_buffered},
    {"sleep", MILLION, MILLION, 0, true, bench_sleep},
    {"event-timer", MILLION, MILLION, 0, true, bench_event_timer},
    {"event-common", MILLION, MILLION, 0, true, bench_event_common},
};
enum { WORKLOADS = sizeof workloads / sizeof *workloads };

static const struct {
    const char *program, *workload;
} peers[] = {
    {"bench/peer_boost", "context-switch"},
    {"bench/peer_boost", "fiber-switch"},
    {"bench/peer_boost", "fiber-spawn"},
    {"bench/peer_boost", "fiber-await"},
    {"bench/peer_boost", "fiber-later"},
    {"bench/peer_go", "switch"},
    {"bench/peer_go", "spawn"},
    {"bench/peer_go", "await"},
    {"bench/peer_go", "later"},
    {"bench/peer_go", "channel"},
    {"bench/peer_go", "channel-100"},
};
enum { PEERS = sizeof peers / sizeof *peers };

static const char *const others[] = {"fairness", "rest", "peers"};
enum { OTHERS = sizeof others / sizeof *others };

struct options {
    bool tabs;     /* for machines */
    bool only_run; /* for a profiler */
    unsigned rounds;
    char **names; /* NULL after the last; none: all */
};

static void usage(FILE *to) {
    fputs("usage: bench [--tabs] [--rounds N] [--only-run] [WORKLOAD...]\n"
          "Measures beside malloc(64)+free. Workloads:",
          to);
    for (size_t i = 0; i < WORKLOADS; i++) fprintf(to, " %s", workloads[i].name);
    for (size_t i = 0; i < OTHERS; i++) fprintf(to, " %s", others[i]);
    fputs("\n"
          "  --tabs      one line for each, fields between tabs\n"
          "  --rounds N  how often, 21 unless told\n"
          "  --only-run  for a profiler: prints nothing, measures nothing\n",
          to);
}

static bool read_options(struct options *o, char **argv) {
    *o = (struct options){.rounds = 21};
    for (argv++; *argv && **argv == '-'; argv++) {
        if (!strcmp(*argv, "--tabs")) o->tabs = true;
        else if (!strcmp(*argv, "--only-run")) o->only_run = true;
        else if (!strcmp(*argv, "--rounds") && argv[1] && (o->rounds = (unsigned)strtoul(*++argv, NULL, 10))) continue;
        else return false;
    }
    o->names = argv;
    return true;
}

static bool is_wanted(const struct options *o, const char *name) {
    for (char **n = o->names; *n; n++)
        if (!strcmp(*n, name)) return true;
    return !*o->names;
}

static const char *verdict(double ratio, double budget) {
    if (budget == 0) return "-";
    return ratio <= budget ? "yes" : "no";
}

static void print_head(const struct options *o) {
    if (o->tabs) puts("workload\tns\tmalloc_ns\tlive\tratio\tlow\thigh\tbudget\tpeak_bytes\tleft_bytes");
    else
        printf("%-12s %7s %14s %6s %13s %7s %6s %6s %11s %10s\n", "workload", "ns/step", "malloc (live)", "ratio",
               "half within", "budget", "<= 1.3", "<= 1", "bytes/step", "bytes left");
}

static void print_row(const struct options *o, const struct workload *w, const struct result *r) {
    if (o->tabs) {
        printf("%s\t%.2f\t%.2f\t%zu\t%.3f\t%.3f\t%.3f\t%.2f\t%.1f\t%lld\n", w->name, r->ns, r->yardstick, w->live, r->ratio,
               r->low, r->high, w->budget, r->peak, r->left);
        return;
    }
    printf("%-12s %7.1f %5.1f (%7zu) %6.2f %5.2f - %5.2f ", w->name, r->ns, r->yardstick, w->live, r->ratio, r->low, r->high);
    if (w->budget > 0) printf("%7.2f", w->budget);
    else printf("%7s", "-");
    printf(" %6s %6s %11.1f %10lld\n", verdict(r->ratio, 1.3 * w->budget), verdict(r->ratio, w->budget), r->peak, r->left);
}

static void print_lateness(const struct options *o, const char *name, const struct lateness *l) {
    const char *format =
        o->tabs ? "%s\t%.3f\t%.3f\t%.3f\t%zu\t%llu\n"
                : "%-14s late by %.3f ms at the median, %.3f for 99 of 100, %.3f at most; fired %zu times in %llu turns\n";

    printf(format, name, l->median, l->nearly_all, l->most, l->count, l->turns);
}

static void run_workload(const struct options *o, const struct workload *w) {
    struct result r;

    if (o->only_run) {
        bench_only_run(w, o->rounds);
        return;
    }
    bench_memory(w, &r);
    bench_measure(w, o->rounds, &r);
    print_row(o, w, &r);
    fflush(stdout);
}

static void run_fairness(const struct options *o) {
    struct lateness of_event, of_sleep;

    bench_fairness(&of_event, &of_sleep);
    if (o->tabs) puts("timer\tmedian_ms\tp99_ms\tmost_ms\tcount\tturns");
    else puts("\nA timer of 10 ms beside an endless `return loop()`:");
    print_lateness(o, "event_add", &of_event);
    print_lateness(o, "promise_sleep", &of_sleep);
}

static void run_rest(const struct options *o) {
    struct rest r;

    bench_rest(&r);
    printf(o->tabs ? "rest\t%.0f\t%.0f\t%.1f\t%.1f\n"
                   : "\n100,000 coroutines at rest: %.0f bytes resident each, %.0f left; %.1f ns to start, %.1f ns to end\n",
           r.bytes, r.left, r.start_ns, r.end_ns);
    if (bench_has_peer("bench/peer_go"))
        printf(o->tabs ? "go rest\t%.0f\n" : "100,000 goroutines at rest: %.0f bytes resident each\n",
               bench_peer_bytes("bench/peer_go", "rest"));
}

static void run_peers(const struct options *o) {
    struct result r;

    if (o->tabs) puts("peer\tworkload\tns\tmalloc_ns\tratio\tlow\thigh");
    else printf("\n%-26s %7s %8s %6s %13s\n", "beside", "ns/step", "malloc", "ratio", "half within");
    for (size_t i = 0; i < PEERS; i++) {
        const char *name = strrchr(peers[i].program, '_') + 1;
        if (!bench_has_peer(peers[i].program)) continue;
        bench_peer(peers[i].program, peers[i].workload, &r);
        printf(o->tabs ? "%s\t%s\t%.2f\t%.2f\t%.3f\t%.3f\t%.3f\n" : "%-8s %-17s %7.1f %8.1f %6.2f %5.2f - %5.2f\n", name,
               peers[i].workload, r.ns, r.yardstick, r.ratio, r.low, r.high);
    }
}

static bool names_are_known(const struct options *o) {
    for (char **n = o->names; *n; n++) {
        bool known = false;
        for (size_t i = 0; i < OTHERS; i++) known = known || !strcmp(*n, others[i]);
        for (size_t i = 0; i < WORKLOADS; i++) known = known || !strcmp(*n, workloads[i].name);
        if (!known) return false;
    }
    return true;
}

int main(int argc, char **argv) {
    struct options o;
    bool head = false;

    if (argc == 2 && !strcmp(argv[1], "--help")) {
        usage(stdout);
        return EXIT_SUCCESS;
    }
    if (!read_options(&o, argv) || !names_are_known(&o)) {
        usage(stderr);
        return EXIT_FAILURE;
    }
    bench_pin();
    for (size_t i = 0; i < WORKLOADS; i++) {
        if (!is_wanted(&o, workloads[i].name)) continue;
        if (!head && !o.only_run) print_head(&o);
        head = true;
        run_workload(&o, &workloads[i]);
    }
    if (is_wanted(&o, "fairness") && !o.only_run) run_fairness(&o);
    if (is_wanted(&o, "rest") && !o.only_run) run_rest(&o);
    if (is_wanted(&o, "peers") && !o.only_run) run_peers(&o);
    return EXIT_SUCCESS;
}
