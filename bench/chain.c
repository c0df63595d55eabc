/* Chains: long, short, with promises that are returned, endless. */
#include "bench.h"

/* Built, settled, every handler run, freed. */
void bench_chain(promise_loop_t *loop, size_t steps) {
    promise_resolver_t *resolver;
    promise_t *p = promise_new(loop, &resolver);

    for (size_t i = 0; i < steps; i++) p = promise_then(p, bench_count, NULL);
    promise_resolve(resolver, promise_int(1));
    bench_drain(loop);
    promise_unref(p);
    bench_expect(steps);
}

/* A thousand at a time: new, three then, resolve; drain; free. */
static void short_thousand(promise_loop_t *loop) {
    static promise_t *chains[THOUSAND];
    static promise_resolver_t *resolvers[THOUSAND];

    for (size_t i = 0; i < THOUSAND; i++) {
        promise_t *p = promise_new(loop, &resolvers[i]);
        p = promise_then(p, bench_count, NULL);
        p = promise_then(p, bench_count, NULL);
        chains[i] = promise_then(p, bench_count, NULL);
    }
    for (size_t i = 0; i < THOUSAND; i++) promise_resolve(resolvers[i], promise_int(1));
    bench_settle(loop);
    for (size_t i = 0; i < THOUSAND; i++) promise_unref(chains[i]);
}

void bench_short(promise_loop_t *loop, size_t steps) {
    for (size_t i = 0; i < steps; i += THOUSAND) short_thousand(loop);
    bench_expect(3 * steps);
}

/* ---- a handler returns a pending promise ---- */

static promise_resolver_t *inner;

static promise_value_t wait_for_inner(promise_value_t v, void *arg) {
    (void)v;
    return promise_adopt(promise_new(arg, &inner));
}

/* A chain that is there as a whole before the first handler runs; each waits for something that comes later. */
void bench_adopt(promise_loop_t *loop, size_t steps) {
    promise_t *p = promise_new(loop, &inner);

    for (size_t i = 0; i < steps; i++) p = promise_then(p, wait_for_inner, loop);
    p = promise_then(p, bench_count, NULL);
    for (size_t i = 0; i <= steps; i++) {
        promise_resolve(inner, promise_int(1));
        bench_drain(loop);
    }
    promise_unref(p);
    bench_expect(1);
}

/* ---- return loop() ---- */

static size_t turns_left;

static promise_value_t next_turn(promise_value_t v, void *arg) {
    (void)v;
    return --turns_left ? promise_adopt(promise_try(arg, next_turn, arg)) : promise_void();
}

void bench_loop(promise_loop_t *loop, size_t steps) {
    turns_left = steps;
    promise_t *p = promise_then(promise_try(loop, next_turn, loop), bench_count, NULL);
    bench_drain(loop);
    promise_unref(p);
    bench_expect(1);
}

/* The same with work of its own in each turn, which has been done already: return work().then(loop). */
static promise_value_t turn_after_work(promise_value_t v, void *arg) {
    (void)v;
    if (!--turns_left) return promise_void();
    return promise_adopt(promise_then(promise_from(arg, promise_int(1)), turn_after_work, arg));
}

void bench_loop_then(promise_loop_t *loop, size_t steps) {
    turns_left = steps;
    promise_t *p = promise_then(promise_try(loop, turn_after_work, loop), bench_count, NULL);
    bench_drain(loop);
    promise_unref(p);
    bench_expect(1);
}
