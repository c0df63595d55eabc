/* Locks that nobody else wants: asked for, had, given back, one after the other. */
#include "bench.h"

struct work {
    promise_mutex_t *mutex;
    promise_semaphore_t *semaphore;
    size_t left;
};

static promise_value_t unlock(promise_value_t v, void *arg) {
    struct work *w = arg;

    v = bench_count(v, NULL);
    promise_mutex_unlock(w->mutex);
    return v;
}

/* In chains: each lock is a job, and its handler another. */
void bench_mutex_then(promise_loop_t *loop, size_t steps) {
    struct work w = {.mutex = promise_mutex_new(loop)};

    for (size_t i = 0; i < steps; i++) {
        promise_t *p = promise_then(promise_mutex_lock(w.mutex), unlock, &w);
        bench_drain(loop);
        promise_unref(p);
    }
    promise_mutex_free(w.mutex);
    bench_expect(steps);
}

static promise_value_t lock_all(promise_value_t v, void *arg) {
    struct work *w = arg;

    for (; w->left; w->left--) {
        if (promise_await(w->mutex ? promise_mutex_lock(w->mutex) : promise_semaphore_acquire(w->semaphore), NULL) < 0) break;
        if (w->mutex) promise_mutex_unlock(w->mutex);
        else promise_semaphore_release(w->semaphore);
        (void)bench_count(v, NULL);
    }
    return promise_void();
}

static void in_coroutine(promise_loop_t *loop, struct work *w) {
    size_t steps = w->left;

    promise_unref(promise_async(loop, lock_all, w));
    bench_drain(loop);
    bench_expect(steps);
    promise_mutex_free(w->mutex);
    promise_semaphore_free(w->semaphore);
}

/* In one coroutine, which goes on at once. */
void bench_mutex(promise_loop_t *loop, size_t steps) {
    struct work w = {.mutex = promise_mutex_new(loop), .left = steps};

    in_coroutine(loop, &w);
}

void bench_semaphore(promise_loop_t *loop, size_t steps) {
    struct work w = {.semaphore = promise_semaphore_new(loop, 1), .left = steps};

    in_coroutine(loop, &w);
}
