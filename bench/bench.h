/*
 * What the measurements share. A workload runs its steps on a loop; measure.c runs it in turn with malloc(64)+free at
 * as many live blocks, the yardstick of every budget.
 */
#ifndef BENCH_H
#define BENCH_H

#include <promise.h>

enum { MILLION = 1000000, THOUSAND = 1000 };

struct workload {
    const char *name;
    size_t steps;  /* in one run */
    size_t live;   /* blocks of the yardstick that are alive at once; 1: hot */
    double budget; /* so many times the yardstick; 0: none */
    bool on_base;  /* on an event_base, rather than on a host of ten lines */
    void (*run)(promise_loop_t *loop, size_t steps);
};

struct result {
    double ns;        /* for each step, at the median */
    double yardstick; /* for each malloc+free */
    double ratio;     /* the median of the rounds' */
    double low, high; /* a quarter of the rounds is below, above */
    double peak;      /* bytes at most, for each of a million steps */
    long long left;   /* bytes that a second million left behind */
};

/* ---- measure.c ---- */

void bench_pin(void);   /* to one processor */
double bench_now(void); /* nanoseconds, on the clock on the wall */
double bench_median(double *values, size_t n);
void bench_measure(const struct workload *w, unsigned rounds, struct result *r);
double bench_yardstick(void);                                   /* hot */
void bench_only_run(const struct workload *w, unsigned rounds); /* for a profiler: without malloc beside it */
_Noreturn void bench_fail(const char *what);

/* ---- memory.c: bytes asked for through promise_set_allocator ---- */

void bench_memory(const struct workload *w, struct result *r);

/* ---- host.c ---- */

promise_loop_t *bench_open(const struct workload *w);
void bench_drain(promise_loop_t *loop);  /* a loop on the host of ten lines */
void bench_settle(promise_loop_t *loop); /* until nothing is left to do, on either host */
void bench_expect(size_t steps);         /* that many handlers have run since the last time */
promise_fn bench_count;                  /* a handler: counts itself, gives the number */

/* ---- the workloads ---- */

void bench_chain(promise_loop_t *loop, size_t steps);
void bench_short(promise_loop_t *loop, size_t steps);
void bench_adopt(promise_loop_t *loop, size_t steps);
void bench_loop(promise_loop_t *loop, size_t steps);
void bench_loop_then(promise_loop_t *loop, size_t steps);
void bench_all(promise_loop_t *loop, size_t steps);
void bench_race(promise_loop_t *loop, size_t steps);
void bench_mutex(promise_loop_t *loop, size_t steps);
void bench_mutex_then(promise_loop_t *loop, size_t steps);
void bench_semaphore(promise_loop_t *loop, size_t steps);
void bench_channel(promise_loop_t *loop, size_t steps);          /* unbuffered */
void bench_channel_buffered(promise_loop_t *loop, size_t steps); /* 100 */
void bench_sleep(promise_loop_t *loop, size_t steps);
void bench_event_timer(promise_loop_t *loop, size_t steps);  /* libevent's own, for comparison */
void bench_event_common(promise_loop_t *loop, size_t steps); /* the same with a common timeout */
void bench_switch(promise_loop_t *loop, size_t steps);
void bench_spawn(promise_loop_t *loop, size_t steps);
void bench_spawn_many(promise_loop_t *loop, size_t steps);
void bench_await(promise_loop_t *loop, size_t steps);
void bench_await_made(promise_loop_t *loop, size_t steps);
void bench_await_later(promise_loop_t *loop, size_t steps);
void bench_yield(promise_loop_t *loop, size_t steps);

struct rest { /* 100,000 coroutines at once, for each */
    double start_ns, end_ns;
    double bytes, left; /* resident */
};
void bench_rest(struct rest *r);

struct lateness {                    /* of timers, in milliseconds */
    double median, nearly_all, most; /* nearly_all: 99 of 100 */
    size_t count;
    unsigned long long turns; /* of the endless loop beside them */
};
void bench_fairness(struct lateness *of_event, struct lateness *of_sleep);

/* ---- peer.c: other programs, where they were built ---- */

bool bench_has_peer(const char *program);
void bench_peer(const char *program, const char *workload, struct result *r);
double bench_peer_bytes(const char *program, const char *workload);

#endif
