/* The host of ten lines, and what every workload uses. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

static bool drain_wanted;

static void wake(void *data, bool again) {
    (void)data, (void)again;
    drain_wanted = true;
}

static const struct promise_host host = {.size = sizeof host, .wake = wake};

promise_loop_t *bench_open(const struct workload *w) {
    promise_loop_t *loop = w->on_base ? promise_loop_new(NULL) : promise_loop_new_hosted(&host, NULL);

    if (!loop) bench_fail("no memory for a loop");
    return loop;
}

void bench_drain(promise_loop_t *loop) {
    while (drain_wanted) {
        drain_wanted = false;
        promise_loop_drain(loop);
    }
}

void bench_settle(promise_loop_t *loop) {
    if (!promise_loop_base(loop)) bench_drain(loop);
    else if (promise_loop_run(loop, NULL, NULL) < 0) bench_fail("the loop was broken off");
}

static size_t handlers_run;

promise_value_t bench_count(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_int((int64_t)++handlers_run);
}

void bench_expect(size_t steps) {
    if (handlers_run != steps) bench_fail("not every handler has run");
    handlers_run = 0;
}

_Noreturn void bench_fail(const char *what) {
    fprintf(stderr, "bench: %s\n", what);
    exit(EXIT_FAILURE);
}
