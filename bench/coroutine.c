/* Coroutines: starting, switching, awaiting, resting. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../src/tasks/context.h"
#include "bench.h"

/* ---- the switch alone ---- */

static struct promise__context here, there;

static void back_again(void *arg) {
    (void)arg;
    for (;;) promise__context_switch(&there, &here);
}

/* One step is one switch: to and fro are two. */
void bench_switch(promise_loop_t *loop, size_t steps) {
    static _Alignas(16) char stack[65536];

    (void)loop;
    promise__context_make(&there, stack, sizeof stack, back_again, NULL);
    for (size_t i = 0; i < steps / 2; i++) promise__context_switch(&here, &there);
}

/* ---- start to end ---- */

void bench_spawn(promise_loop_t *loop, size_t steps) {
    for (size_t i = 0; i < steps; i++) {
        promise_t *p = promise_async(loop, bench_count, NULL);
        bench_drain(loop);
        promise_unref(p);
    }
    bench_expect(steps);
}

void bench_spawn_many(promise_loop_t *loop, size_t steps) {
    static promise_t *all[THOUSAND];

    for (size_t k = 0; k < steps; k += THOUSAND) {
        for (size_t i = 0; i < THOUSAND; i++) all[i] = promise_async(loop, bench_count, NULL);
        bench_drain(loop);
        for (size_t i = 0; i < THOUSAND; i++) promise_unref(all[i]);
    }
    bench_expect(steps);
}

/* ---- await ---- */

static size_t left;
static promise_t *settled;
static promise_resolver_t *resolver;

static promise_value_t await_settled(promise_value_t v, void *arg) {
    for (size_t i = left; i--;)
        if (promise_await(promise_ref(settled), &v)) bench_fail("an await was rejected");
    return bench_count(v, arg);
}

static promise_value_t await_made(promise_value_t v, void *arg) {
    for (size_t i = left; i--;)
        if (promise_await(promise_from(NULL, promise_int(1)), &v)) bench_fail("an await was rejected");
    return bench_count(v, arg);
}

static void run_one(promise_loop_t *loop, promise_fn *fn, size_t steps) {
    promise_t *p;

    left = steps;
    p = promise_async(loop, fn, loop);
    bench_drain(loop);
    promise_unref(p);
    bench_expect(1);
}

void bench_await(promise_loop_t *loop, size_t steps) {
    settled = promise_from(loop, promise_int(1));
    run_one(loop, await_settled, steps);
    promise_unref(settled);
}

void bench_await_made(promise_loop_t *loop, size_t steps) { run_one(loop, await_made, steps); }

/* Each of two resolves what the other one waits for, and awaits something new. */
static promise_resolver_t *of_other[2];

static promise_value_t await_other(promise_value_t v, void *arg) {
    size_t me = *(size_t *)arg;

    while (left--) {
        promise_t *p = promise_new(NULL, &resolver);
        if (of_other[!me]) promise_resolve(of_other[!me], promise_int(1));
        of_other[!me] = NULL;
        of_other[me] = resolver;
        if (promise_await(p, &v)) bench_fail("an await was rejected");
    }
    left = 0;
    if (of_other[!me]) promise_resolve(of_other[!me], promise_int(1));
    of_other[!me] = NULL;
    return bench_count(v, arg);
}

void bench_await_later(promise_loop_t *loop, size_t steps) {
    static size_t numbers[] = {0, 1};
    promise_t *both[2];

    left = steps;
    for (size_t i = 0; i < 2; i++) both[i] = promise_async(loop, await_other, &numbers[i]);
    bench_drain(loop);
    for (size_t i = 0; i < 2; i++) promise_unref(both[i]);
    bench_expect(2);
}

/* ---- a generator ---- */

static promise_value_t count_up(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    for (int64_t i = 0; promise_yield(promise_int(i)) == 0; i++)
        ;
    return promise_void();
}

static promise_value_t take_all(promise_value_t v, void *arg) {
    promise_iterator_t *it = arg;

    while (left--)
        if (promise_await(promise_next(it), &v)) bench_fail("a generator was rejected");
    return bench_count(v, arg);
}

/* A step is a value that one coroutine yields and another awaits. */
void bench_yield(promise_loop_t *loop, size_t steps) {
    promise_iterator_t *it = promise_generator(loop, count_up, NULL);
    promise_t *p;

    left = steps;
    p = promise_async(loop, take_all, it);
    bench_drain(loop);
    promise_unref(p);
    promise_iterator_close(it);
    bench_drain(loop);
    bench_expect(1);
}

/* ---- at rest ---- */

static promise_value_t rest(promise_value_t v, void *arg) {
    (void)promise_await(promise_ref(arg), &v);
    return bench_count(v, NULL);
}

static double resident(void) {
    FILE *f = fopen("/proc/self/statm", "r");
    double mapped, pages = 0;

    if (!f || fscanf(f, "%lf %lf", &mapped, &pages) != 2) bench_fail("/proc/self/statm");
    fclose(f);
    return pages * (double)sysconf(_SC_PAGESIZE);
}

void bench_rest(struct rest *r) {
    static promise_t *all[100 * THOUSAND];
    promise_loop_t *loop = bench_open(&(struct workload){.on_base = false});
    promise_t *end = promise_new(loop, &resolver);
    double before, start;

    for (size_t i = 0; i < 100 * THOUSAND; i++) all[i] = end; /* the array's own pages */
    before = resident();
    start = bench_now();
    for (size_t i = 0; i < 100 * THOUSAND; i++) all[i] = promise_async(loop, rest, end);
    bench_drain(loop);
    r->start_ns = (bench_now() - start) / (100 * THOUSAND);
    r->bytes = (resident() - before) / (100 * THOUSAND);
    start = bench_now();
    promise_resolve(resolver, promise_int(1));
    bench_drain(loop);
    for (size_t i = 0; i < 100 * THOUSAND; i++) promise_unref(all[i]);
    r->end_ns = (bench_now() - start) / (100 * THOUSAND);
    r->left = (resident() - before) / (100 * THOUSAND);
    promise_unref(end);
    bench_expect(100 * THOUSAND);
    promise_loop_free(loop);
}
