/* A pool's queue: what waits, from the hand of any thread to that of a worker, or back. */
#include "pool.h"

static struct worker nobody; /* in the place of a work's worker: it was refused, and is on its way home */

promise_value_t promise__pool_closed_error(const promise_pool_t *pool) {
    return promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "promise_work: the pool \"%s\" is closed", pool->name);
}

static promise_value_t no_thread(const promise_pool_t *pool, int error) {
    return promise_throw_errno_at(NULL, error, "promise_work: starting a thread of the pool \"%s\"", pool->name);
}

/* ---- under the lock ---- */

/* What has been pushed, the last on top, goes to the end of those that are ready. */
static void absorb(promise_pool_t *pool) {
    struct mail *mail = atomic_exchange_explicit(&pool->inbox, NULL, memory_order_acq_rel), *next;
    struct work *oldest = NULL, *newest = (struct work *)mail;

    if (!mail) return;
    for (; mail; mail = next) {
        struct work *w = (struct work *)mail;
        next = mail->next;
        w->next = oldest;
        w->prev = (struct work *)next;
        oldest = w;
        pool->ready_count++;
    }
    oldest->prev = pool->ready_last;
    if (pool->ready_last) pool->ready_last->next = oldest;
    else pool->ready = oldest;
    pool->ready_last = newest;
}

static void unlink_work(promise_pool_t *pool, struct work *w) {
    if (w->prev) w->prev->next = w->next;
    else pool->ready = w->next;
    if (w->next) w->next->prev = w->prev;
    else pool->ready_last = w->prev;
    pool->ready_count--;
}

bool promise__pool_has_ready(promise_pool_t *pool) {
    if (!pool->ready) absorb(pool);
    return pool->ready != NULL;
}

struct work *promise__pool_take(promise_pool_t *pool) {
    struct work *w;

    if (atomic_load(&pool->closed) || !promise__pool_has_ready(pool)) return NULL;
    w = pool->ready;
    unlink_work(pool, w);
    return w;
}

size_t promise__pool_count_ready(promise_pool_t *pool) {
    absorb(pool);
    return pool->ready_count;
}

/* ---- any thread ---- */

void promise__work_send(struct work *w, promise_value_t outcome) {
    promise_mailbox_t *m = w->mailbox;

    w->value = outcome;
    if (promise__mail_send(m, &w->mail) == 0) return;
    promise__release(outcome);
    promise__mail_refused(m);
    promise__pool_unref(w->pool);
    promise__free(w);
}

/* One less that counts for the limit. */
void promise__pool_done(promise_pool_t *pool) {
    if (pool->capacity != SIZE_MAX) atomic_fetch_sub_explicit(&pool->accepted, 1, memory_order_relaxed);
}

static bool has_room(promise_pool_t *pool) {
    if (pool->capacity == SIZE_MAX) return true;
    if (atomic_fetch_add_explicit(&pool->accepted, 1, memory_order_relaxed) < pool->capacity) return true;
    promise__pool_done(pool);
    return false;
}

void promise__pool_refuse_all(promise_pool_t *pool, int error) {
    struct work *w, *next;

    pthread_mutex_lock(&pool->lock);
    absorb(pool);
    w = pool->ready;
    pool->ready = pool->ready_last = NULL;
    pool->ready_count = 0;
    for (struct work *each = w; each; each = each->next) each->worker = &nobody;
    pthread_mutex_unlock(&pool->lock);
    for (; w; w = next) {
        next = w->next;
        promise__pool_done(pool);
        promise__release(w->value);
        promise__work_send(w, error ? no_thread(pool, error) : promise__pool_closed_error(pool));
    }
}

/* Sequentially consistent, as are a worker that goes idle or leaves, and who closes: either they see the work, or we see
 * them. */
static void push(promise_pool_t *pool, struct work *w) {
    struct mail *top = atomic_load_explicit(&pool->inbox, memory_order_relaxed);

    do w->mail.next = top;
    while (!atomic_compare_exchange_weak(&pool->inbox, &top, &w->mail));
}

/* Whoever was called, and has not come yet, calls the next when there is more. */
bool promise__pool_may_rouse(promise_pool_t *pool) {
    if (atomic_load(&pool->coming)) return false;
    return atomic_load(&pool->idle) || atomic_load(&pool->threads) < pool->max_threads;
}

promise_value_t promise__pool_submit(promise_pool_t *pool, struct work *w, bool prompt) {
    int error;

    if (promise__pool_is_nomem(pool)) return promise__nomem();
    if (atomic_load(&pool->closed)) return promise__pool_closed_error(pool);
    if (!has_room(pool))
        return promise_throw_at(NULL, &promise_errors, PROMISE_EFULL,
                                "promise_work: the pool \"%s\" has %zu threads and %zu waiting, and its queue is full",
                                pool->name, pool->max_threads, pool->capacity - pool->max_threads);
    w->worker = NULL;
    w->generation = pool->generation;
    push(pool, w); /* whose w is now, with all that is in it, is not known */
    if (atomic_load(&pool->closed)) {
        promise__pool_refuse_all(pool, 0);
        return promise_void();
    }
    if (!prompt || !promise__pool_may_rouse(pool)) return promise_void();
    error = promise__pool_rouse(pool);
    if (!error || promise__pool_withdraw(pool, w) != IN_TIME) return promise_void();
    return no_thread(pool, error);
}

/* In a child of fork(2), what was given to the pool before is nowhere; its function may have been running (pool_fork.c). */
static enum withdrawal withdraw(promise_pool_t *pool, struct work *w) {
    struct work *expected = w;

    if (w->generation != pool->generation) return w->worker ? RUNS : IN_TIME;
    if (w->worker == &nobody) return TOO_LATE;
    if (w->worker) return atomic_compare_exchange_strong(&w->worker->current, &expected, NULL) ? RUNS : TOO_LATE;
    absorb(pool);
    unlink_work(pool, w);
    promise__pool_done(pool);
    return IN_TIME;
}

enum withdrawal promise__pool_withdraw(promise_pool_t *pool, struct work *w) {
    enum withdrawal how;

    pthread_mutex_lock(&pool->lock);
    how = withdraw(pool, w);
    pthread_mutex_unlock(&pool->lock);
    return how;
}
