/* The clock, the yardstick, and rounds of both in turn. */
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "bench.h"

static double clock_ns(clockid_t id) {
    struct timespec t;

    clock_gettime(id, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double bench_now(void) { return clock_ns(CLOCK_MONOTONIC); }

/* What is measured is this process alone: others may have the processor in between. */
static double now(void) { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

/* The last processor that we may use: the first is where most interrupts go. */
void bench_pin(void) {
#ifdef CPU_SET
    cpu_set_t all, one;

    if (sched_getaffinity(0, sizeof all, &all) < 0) return;
    for (size_t i = CPU_SETSIZE; i-- > 0;) {
        if (!CPU_ISSET(i, &all)) continue;
        CPU_ZERO(&one);
        CPU_SET(i, &one);
        sched_setaffinity(0, sizeof one, &one);
        return;
    }
#endif
}

/* ---- the yardstick ---- */

/* The compiler must believe that somebody looks at the block. */
static inline void *seen(void *block) {
    __asm__ volatile("" : "+r"(block) : : "memory");
    return block;
}

enum { A_FEW = 20 * THOUSAND }; /* about a quarter of a millisecond */

/* So many blocks are made, then freed, first made first freed. */
static double yardstick(size_t live) {
    static void *blocks[MILLION];
    size_t batches = live < A_FEW ? A_FEW / live : 1;
    double start = now();

    for (size_t k = 0; k < batches; k++) {
        for (size_t i = 0; i < live; i++) blocks[i] = seen(malloc(64));
        for (size_t i = 0; i < live; i++) free(seen(blocks[i]));
    }
    return (now() - start) / (double)(batches * live);
}

double bench_yardstick(void) { return yardstick(1); }

/*
 * What the kernel takes for giving memory to the process, page by page, is far more than what we compare, and comes and
 * goes with malloc's thresholds: so malloc is told to keep what it once got, for both sides.
 */
static void keep_memory(void) {
#ifdef __GLIBC__
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_TOP_PAD, 64 << 20);
#endif
}

/* A large block makes malloc join the small ones that the other side has freed, outside of the measured time. */
static void tidy(void) { free(seen(malloc((size_t)1 << 20))); }

/* ---- rounds ---- */

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, size_t n) {
    qsort(values, n, sizeof *values, compare);
    return values[n / 2];
}

static double one_yardstick(const struct workload *w) {
    if (w->live == MILLION) tidy();
    return yardstick(w->live);
}

static double one_run(const struct workload *w, promise_loop_t *loop) {
    double start;

    if (w->live == MILLION) tidy();
    start = now();
    w->run(loop, w->steps);
    return (now() - start) / (double)w->steps;
}

static promise_loop_t *warm_up(const struct workload *w) {
    promise_loop_t *loop;

    keep_memory();
    loop = bench_open(w);
    one_yardstick(w);
    one_run(w, loop);
    return loop;
}

/* Each run stands between two of malloc's, so that a change of the machine's pace meets both. Where a run is short, which
 * makes them alike all the more, there are as many as make a million steps. */
void bench_measure(const struct workload *w, unsigned rounds, struct result *r) {
    size_t runs = rounds * (MILLION / w->steps);
    double *ns = calloc(3 * runs, sizeof *ns), *yard, *ratio, before, after;
    promise_loop_t *loop = warm_up(w);

    if (!ns) bench_fail("out of memory");
    yard = ns + runs;
    ratio = yard + runs;
    before = one_yardstick(w);
    for (size_t i = 0; i < runs; i++, before = after) {
        ns[i] = one_run(w, loop);
        after = one_yardstick(w);
        yard[i] = (before + after) / 2;
        ratio[i] = ns[i] / yard[i];
    }
    promise_loop_free(loop);
    r->ns = bench_median(ns, runs);
    r->yardstick = bench_median(yard, runs);
    r->ratio = bench_median(ratio, runs);
    r->low = ratio[runs / 4];
    r->high = ratio[runs - 1 - runs / 4];
    free(ns);
}

void bench_only_run(const struct workload *w, unsigned rounds) {
    promise_loop_t *loop = warm_up(w);

    for (size_t i = 0; i < rounds * (MILLION / w->steps); i++) one_run(w, loop);
    promise_loop_free(loop);
}
