/* Combinators: many promises, or many races. */
#include "bench.h"

/* All of them are made, combined, settled; the list of their values goes to a handler. */
void bench_all(promise_loop_t *loop, size_t steps) {
    static promise_t *promises[MILLION];
    static promise_resolver_t *resolvers[MILLION];
    promise_t *p;

    for (size_t i = 0; i < steps; i++) promises[i] = promise_new(loop, &resolvers[i]);
    p = promise_then(promise_all(loop, steps, promises), bench_count, NULL);
    for (size_t i = 0; i < steps; i++) promise_resolve(resolvers[i], promise_int(1));
    bench_drain(loop);
    promise_unref(p);
    bench_expect(1);
}

/* Each is won by what has settled already, and leaves nothing behind on the promise that outlives them all. */
void bench_race(promise_loop_t *loop, size_t steps) {
    promise_resolver_t *resolver;
    promise_t *runners[2], *lasting = promise_new(loop, &resolver), *p;

    for (size_t i = 0; i < steps; i++) {
        runners[0] = promise_ref(lasting);
        runners[1] = promise_from(loop, promise_int(1));
        p = promise_race(loop, 2, runners);
        bench_drain(loop);
        if (promise_get_state(p) != PROMISE_FULFILLED) bench_fail("a race was not won");
        promise_unref(p);
    }
    promise_resolve(resolver, promise_void());
    promise_unref(lasting);
    bench_drain(loop);
}
