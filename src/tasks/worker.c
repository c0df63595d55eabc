/* A pool's threads: how they start, find work, go idle, and leave. */
#include "cross.h"
#include "pool.h"
#include "thread.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

static _Thread_local struct worker *myself;

bool promise__pool_is_mine(const promise_pool_t *pool) { return myself && myself->pool == pool; }

bool promise_work_canceled(void) { return myself && !atomic_load_explicit(&myself->current, memory_order_relaxed); }

uint64_t promise__pool_now(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* 0, or ETIMEDOUT. */
static int wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t ms) {
    struct timespec until = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

    if (ms / 1000 > INT_MAX) return pthread_cond_wait(condition, lock);
    return pthread_cond_timedwait(condition, lock, &until);
}

/* ---- going idle: all of it under the lock ---- */

static void take_from_idle(promise_pool_t *pool, struct worker *w) {
    struct worker **link = &pool->idle_workers;

    while (*link != w) link = &(*link)->next_idle;
    *link = w->next_idle;
    atomic_fetch_sub(&pool->idle, 1);
}

/* The one that came last: the others may leave in time. To be woken without the lock, which it takes first. */
static struct worker *call_one(promise_pool_t *pool) {
    struct worker *w = pool->idle_workers;

    take_from_idle(pool, w);
    w->wanted = true;
    atomic_store(&pool->coming, true);
    return w;
}

void promise__pool_wake_all(promise_pool_t *pool) {
    while (pool->idle_workers) pthread_cond_signal(&call_one(pool)->wake);
}

/* False when nobody wanted it for so long. */
static bool go_idle(promise_pool_t *pool, struct worker *me) {
    uint64_t now = promise__pool_now(), until = pool->idle_ms < UINT64_MAX - now ? now + pool->idle_ms : UINT64_MAX;
    int error = 0;

    me->wanted = false;
    me->next_idle = pool->idle_workers;
    pool->idle_workers = me;
    atomic_fetch_add(&pool->idle, 1);
    while (!me->wanted && !error && !promise__pool_has_ready(pool) && !atomic_load(&pool->closed))
        error = wait_until(&me->wake, &pool->lock, until);
    if (me->wanted) {
        atomic_store(&pool->coming, false);
        return true;
    }
    take_from_idle(pool, me);
    return !error;
}

/* False when something has come meanwhile. Counted out first: who pushes then sees that it must start a thread. */
static bool may_leave(promise_pool_t *pool) {
    atomic_fetch_sub(&pool->threads, 1);
    if (atomic_load(&pool->closed) || !promise__pool_has_ready(pool)) return true;
    atomic_fetch_add(&pool->threads, 1);
    return false;
}

/* ---- working ---- */

static int start_thread(promise_pool_t *pool);

/* There is more: one after the other they come. */
static void call_next(promise_pool_t *pool, struct worker *me) {
    if (pool->idle_workers) me->called = call_one(pool);
    else if (atomic_load_explicit(&pool->threads, memory_order_relaxed) < pool->max_threads) (void)!start_thread(pool);
}

static struct work *find(promise_pool_t *pool, struct worker *me) {
    struct work *w = NULL;

    while (me->state == ALIVE && !(w = promise__pool_take(pool)))
        if ((atomic_load(&pool->closed) || !go_idle(pool, me)) && may_leave(pool)) break;
    return w;
}

/* From then on the work may be withdrawn, and be gone: what there is to do is kept here. */
static bool start(promise_pool_t *pool, struct worker *me) {
    struct work *w = find(pool, me);

    if (!w) return false;
    w->worker = me;
    me->fn = w->fn;
    me->value = w->value;
    me->busy = true;
    atomic_store_explicit(&me->current, w, memory_order_relaxed); /* others look under the lock */
    me->called = NULL;
    if (!atomic_load_explicit(&pool->coming, memory_order_relaxed) && promise__pool_has_ready(pool)) call_next(pool, me);
    return true;
}

/* The argument is let go of here, and so the result may be the same value: nobody counts on two threads at once (H3). */
static void work(promise_pool_t *pool, struct worker *me) {
    promise_value_t v = me->value, result = promise__returned(me->fn(promise__mark(v, MARK_LENT), NULL));
    struct work *w;

    promise__release(v);
    if (promise__type(result) == &promise_type_promise)
        promise__stop("promise_work: expected a value from the function, got a promise");
    if (promise__is_counted(result)) promise__cross(&result, "promise_work");
    w = atomic_exchange_explicit(&me->current, NULL, memory_order_acq_rel);
    promise__pool_done(pool);
    if (w) promise__work_send(w, result);
    else promise__release(result);
}

static void resolve_closings(promise_pool_t *pool) {
    struct closing *c;

    while ((c = pool->closings)) {
        pool->closings = c->next;
        promise_remote_resolve(c->remote, promise_void());
        promise__free(c);
    }
}

void promise__pool_nobody_left(promise_pool_t *pool) {
    if (atomic_load(&pool->threads)) return;
    pthread_cond_broadcast(&pool->left);
    resolve_closings(pool);
}

static void *run(void *arg) {
    struct worker *me = arg;
    promise_pool_t *pool = me->pool;
    bool abandoned;

    myself = me;
    promise__thread_name(pool->name);
    pthread_mutex_lock(&pool->lock);
    while (start(pool, me)) {
        pthread_mutex_unlock(&pool->lock);
        if (me->called) pthread_cond_signal(&me->called->wake);
        work(pool, me);
        pthread_mutex_lock(&pool->lock);
        me->busy = false;
    }
    abandoned = me->state == ABANDONED;
    me->state = abandoned ? FREE : LEFT;
    if (!abandoned) promise__pool_nobody_left(pool);
    pthread_mutex_unlock(&pool->lock);
    if (abandoned) promise__pool_unref(pool);
    return NULL;
}

/* ---- starting ---- */

/* Under the lock, which the new thread takes first. */
static int start_thread(promise_pool_t *pool) {
    struct worker *w = pool->workers, *end = w + pool->max_threads;
    int error;

    while (w < end && w->state != FREE && w->state != LEFT) w++;
    if (w == end) return EAGAIN; /* all places are those of threads that were abandoned */
    if (w->state == LEFT) pthread_join(w->thread, NULL);
    w->state = ALIVE;
    w->busy = false;
    w->pool = pool;
    atomic_fetch_add(&pool->threads, 1);
    error = promise__thread_start(&w->thread, pool->stack_size, run, w);
    if (!error) return 0;
    atomic_fetch_sub(&pool->threads, 1);
    w->state = FREE;
    return error;
}

int promise__pool_rouse(promise_pool_t *pool) {
    struct worker *called = NULL;
    int error = 0;

    pthread_mutex_lock(&pool->lock);
    if (promise__pool_has_ready(pool) && !atomic_load(&pool->closed)) {
        if (pool->idle_workers) called = call_one(pool);
        else if (atomic_load(&pool->threads) < pool->max_threads) error = start_thread(pool);
        if (error && atomic_load(&pool->threads)) error = 0; /* it waits for one of those */
    }
    pthread_mutex_unlock(&pool->lock);
    if (called) pthread_cond_signal(&called->wake);
    return error;
}

/* ---- ending ---- */

int promise__pool_wait(promise_pool_t *pool, uint64_t until_ms) {
    int error = 0;

    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->threads) && !error) error = wait_until(&pool->left, &pool->lock, until_ms);
    if (!atomic_load(&pool->threads)) error = 0;
    pthread_mutex_unlock(&pool->lock);
    return error ? -1 : 0;
}

/* Each of them has a reference to the pool from now on, and place and thread go with it. */
size_t promise__pool_abandon(promise_pool_t *pool) {
    struct work *orphans = NULL, *w;
    size_t count = 0;

    pthread_mutex_lock(&pool->lock);
    for (struct worker *each = pool->workers; each < pool->workers + pool->max_threads; each++) {
        if (each->state != ALIVE || !each->busy) continue;
        each->state = ABANDONED;
        pthread_detach(each->thread);
        promise__pool_ref(pool);
        atomic_fetch_sub(&pool->threads, 1);
        count++;
        w = atomic_exchange(&each->current, NULL);
        if (w) w->next = orphans, orphans = w;
    }
    promise__pool_nobody_left(pool);
    pthread_mutex_unlock(&pool->lock);
    while ((w = orphans)) {
        orphans = w->next;
        promise__work_send(w, promise__pool_closed_error(pool));
    }
    return count;
}

void promise__pool_join(promise_pool_t *pool) {
    pthread_mutex_lock(&pool->lock);
    for (struct worker *w = pool->workers; w < pool->workers + pool->max_threads; w++) {
        if (w->state != LEFT) continue;
        w->state = FREE;
        pthread_join(w->thread, NULL);
    }
    pthread_mutex_unlock(&pool->lock);
}
