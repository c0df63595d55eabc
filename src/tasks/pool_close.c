/* Closing a pool, with a deadline. */
#include "pool.h"

#include <errno.h>

#include <promise/timer.h>

void promise__pool_begin_close(promise_pool_t *pool) {
    atomic_store(&pool->closed, true);
    promise__pool_refuse_all(pool, 0);
    pthread_mutex_lock(&pool->lock);
    promise__pool_wake_all(pool);
    pthread_mutex_unlock(&pool->lock);
}

/* What is known of a close until its promise has settled; the loop's thread only. */
struct ending {
    promise_pool_t *pool; /* a reference */
    uint64_t timeout_ms;
    size_t abandoned;
    unsigned refs; /* of two links of the chain */
};

static void ending_unref(void *arg) {
    struct ending *e = arg;

    if (--e->refs) return;
    promise__pool_unref(e->pool);
    promise__free(e);
}

/* Timed out, or cancelled. */
static void stop_waiting(void *arg) {
    struct ending *e = arg;

    e->abandoned = promise__pool_abandon(e->pool);
}

static promise_value_t tell(promise_value_t why, void *arg) {
    const struct ending *e = arg;

    if (!promise_is_timeout(why)) return why;
    return promise_throw_at(NULL, &promise_errors, PROMISE_ETIMEDOUT,
                            "promise_pool_close: the pool \"%s\" was still running %zu function%s after %llu ms", e->pool->name,
                            e->abandoned, e->abandoned == 1 ? "" : "s", (unsigned long long)e->timeout_ms);
}

/* The remote is told when no thread is left, which may be now. */
static void wait_for_threads(promise_pool_t *pool, struct closing *c) {
    pthread_mutex_lock(&pool->lock);
    c->next = pool->closings;
    pool->closings = c;
    promise__pool_nobody_left(pool);
    pthread_mutex_unlock(&pool->lock);
}

static promise_t *start(promise_loop_t *loop, struct ending *e, struct closing *c) {
    promise_resolver_t *resolver;
    promise_t *p = promise_new(loop, &resolver);

    promise_on_cancel(resolver, stop_waiting, e);
    c->remote = promise_remote_new(resolver);
    p = promise_attach(p, e, ending_unref);
    wait_for_threads(e->pool, c);
    if (e->timeout_ms == UINT64_MAX) {
        ending_unref(e);
        return p;
    }
    p = promise_catch(promise_timeout(p, e->timeout_ms), tell, e);
    return promise_attach(p, e, ending_unref);
}

promise_t *promise_pool_close(promise_loop_t *loop, promise_pool_t *pool, uint64_t timeout_ms) {
    struct ending *e;
    struct closing *c;

    if (!pool) promise__stop("promise_pool_close: pool is NULL");
    loop = promise__loop_arg(loop, __func__);
    if (promise__pool_is_nomem(pool)) return promise__settled(loop, promise__nomem());
    if (pool->everybodys)
        return promise__settled(loop, promise__bad_argument(__func__, "the pool is everybody's (promise_pool_shutdown)"));
    promise__pool_begin_close(pool);
    e = promise__malloc(sizeof *e);
    c = e ? promise__malloc(sizeof *c) : NULL;
    if (!c) {
        promise__free(e);
        return promise__settled(loop, promise__nomem());
    }
    *e = (struct ending){.pool = pool, .timeout_ms = timeout_ms, .refs = 2};
    promise__pool_ref(pool);
    return start(loop, e, c);
}
