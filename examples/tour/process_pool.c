/* Functions in other processes: calls, crashes, limits, and the end. */
#include "tour.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* region: functions */
static promise_value_t count_primes(promise_value_t below, void *arg) {
    unsigned long n = 0, count = 0;
    (void)arg;
    sscanf(promise_as_bytes(below, NULL), "%lu", &n);
    for (unsigned long i = 2; i < n; i++) {
        unsigned long d = 2;
        while (d * d <= i && i % d) d++;
        count += d * d > i;
    }
    return promise_stringf("%lu", count);
}

static promise_value_t crash(promise_value_t v, void *arg) {
    (void)arg;
    raise(SIGKILL); /* stands for a bug */
    return v;
}

static promise_value_t never_ends(promise_value_t v, void *arg) {
    (void)arg;
    while (getpid()) pause();
    return v;
}

static const struct promise_function functions[] = {
    {"count primes", count_primes}, {"crash", crash}, {"never ends", never_ends}, {NULL, NULL}};
/* end: functions */

/* region: run */
static promise_value_t print_primes(promise_value_t list, void *arg) {
    (void)arg;
    for (size_t i = 0; i < promise_list_size(list); i++)
        printf("run: %s primes\n", promise_as_bytes(promise_list_get(list, i), NULL));
    return promise_void();
}

static promise_t *run(promise_loop_t *loop) {
    const struct promise_process_options options = {.functions = functions, .name = "primes"};
    promise_process_pool_t *pool = promise_process_pool_new(loop, &options);
    promise_t *first = promise_process_run(pool, "count primes", promise_string("1000"));
    promise_t *second = promise_process_run(pool, "count primes", promise_string("10000"));
    promise_t *p = promise_all_of(loop, first, second, NULL); /* each in a process of its own */
    return promise_attach(promise_then(p, print_primes, NULL), pool, promise_process_pool_free);
}
/* end: run */

/* region: faults */
static promise_value_t tell(promise_value_t reason, void *arg) {
    (void)arg;
    printf("faults: %s\n", promise_error_message(reason));
    return promise_void();
}

static promise_value_t hang(promise_value_t v, void *pool) { /* in the worker that has taken the place of the first */
    promise_t *p = promise_process_run(pool, "never ends", v);
    return promise_adopt(promise_catch(promise_timeout(p, 50), tell, NULL));
}

static promise_t *faults(promise_loop_t *loop) {
    const struct promise_process_options options = {
        .functions = functions, .name = "faults", .timeout_ms = 60000, .memory = 256 << 20, .cpu_seconds = 60};
    promise_process_pool_t *pool = promise_process_pool_new(loop, &options);
    promise_t *p = promise_catch(promise_process_run(pool, "crash", promise_void()), tell, NULL);
    return promise_attach(promise_then(p, hang, pool), pool, promise_process_pool_free);
}
/* end: faults */

/* region: close */
static promise_value_t closed(promise_value_t v, void *pool) {
    (void)v;
    printf("close: %zu processes\n", promise_process_pool_workers(pool));
    return promise_void();
}

static promise_t *close_it(promise_loop_t *loop) {
    const struct promise_process_options options = {.functions = functions, .start = PROMISE_PROCESS_EXEC};
    promise_process_pool_t *pool = promise_process_pool_new(loop, &options);
    promise_unref(promise_process_run(pool, "count primes", promise_string("1000")));
    promise_t *p = promise_process_pool_close(pool, 60000); /* waits for that one, but no longer than a minute */
    return promise_attach(promise_then(p, closed, pool), pool, promise_process_pool_free);
}
/* end: close */

/* region: main */
int main(void) {
    static tour_fn *const parts[] = {run, faults, close_it};
    promise_process_worker(functions); /* first of all: for PROMISE_PROCESS_EXEC */
    return tour(sizeof parts / sizeof *parts, parts);
}
/* end: main */
