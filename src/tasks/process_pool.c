/* Process pools: what is asked of them. */
#include "tasks/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tasks/function.h"

enum { MOST_WORKERS = 4096 };
static const size_t default_size = (size_t)1 << 30;

/* ---- arguments ---- */

static promise_process_pool_t *pool_arg(const promise_process_pool_t *pool, const char *function) {
    if (!pool) promise__stop("%s: the pool is NULL", function);
    promise__check_thread(pool->loop, function);
    return (promise_process_pool_t *)(uintptr_t)pool;
}

/* Void, or the rejection. */
static promise_value_t check(const struct promise_process_options *o, const char *function) {
    if (!o) return promise__bad_argument(function, "options is NULL");
    if (o->start != PROMISE_PROCESS_FORK && o->start != PROMISE_PROCESS_EXEC)
        return promise__bad_argument(function, "start is not what it may be");
    if (!o->functions && !o->program) return promise__bad_argument(function, "functions is NULL");
    if (o->program && o->start != PROMISE_PROCESS_EXEC)
        return promise__bad_argument(function, "program is given, and start is PROMISE_PROCESS_FORK");
    if (o->workers > MOST_WORKERS) return promise__bad_argument(function, "workers is more than 4096");
    return promise_void();
}

/* ---- end ---- */

static void queue_canceled(struct waiters *list) {
    promise_process_pool_t *pool = (promise_process_pool_t *)((char *)list - offsetof(promise_process_pool_t, queue));

    pool->queued--;
    promise__pool_work(pool); /* it may have been the last, and the pool be closing */
}

static void let_go(struct waiter *waiter) { promise__release(((struct task *)waiter)->bytes); }

/* All that is left of it, at once. */
static void destroy(promise_process_pool_t *pool, promise_value_t why) {
    promise__pool_reject(pool, why);
    for (size_t i = 0; pool->workers && i < pool->options.workers; i++) {
        promise__worker_kill(&pool->workers[i]);
        promise__worker_gone(&pool->workers[i]);
    }
    if (pool->starter.pid) promise__release(promise__starter_bury(pool));
    promise__pool_stop_timer(pool, &pool->retry);
    promise__pool_stop_timer(pool, &pool->deadline);
    promise__waiters_settle(&pool->closers, promise_void());
    promise__release(pool->refused);
    promise__free((char *)(uintptr_t)pool->options.name);
    promise__free((char *)(uintptr_t)pool->options.program);
    promise__free(pool->workers);
    promise__free(pool);
}

/* J5: its promises are cancelled already. */
static void loop_gone(struct promise_source *source) {
    destroy((promise_process_pool_t *)source, promise__canceled()); /* the first field */
}

void promise_process_pool_free(void *arg) {
    promise_process_pool_t *pool = arg;
    promise_value_t why;

    if (!pool || promise_source_nomem_loop(pool)) return;
    pool = pool_arg(pool, __func__);
    promise_source_remove(&pool->source);
    why = promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "%s: the pool was freed", pool->options.name);
    destroy(pool, why);
    promise__release(why);
}

/* ---- make ---- */

/* NULL is one, too; false when out of memory. */
static bool copy_text(const char **to, const char *text) {
    size_t size = text ? strlen(text) + 1 : 0;
    char *copy = text ? promise__malloc(size) : NULL;

    if (copy) memcpy(copy, text, size);
    *to = copy;
    return copy || !text;
}

/* False when out of memory. */
static bool take_options(promise_process_pool_t *pool, const struct promise_process_options *o) {
    struct promise_process_options *ours = &pool->options;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t workers = o->workers ? o->workers : processors > 0 ? (size_t)processors : 1;

    *ours = *o;
    ours->workers = 0;
    ours->program = NULL;
    if (!ours->max_size) ours->max_size = default_size;
    if (!copy_text(&ours->name, o->name ? o->name : "process") || !copy_text(&ours->program, o->program)) return false;
    pool->workers = promise__malloc(workers * sizeof *pool->workers);
    if (!pool->workers) return false;
    ours->workers = workers;
    for (size_t i = 0; i < workers; i++) promise__worker_init(pool, &pool->workers[i], (unsigned)i + 1);
    return true;
}

/* Forked now, as long as there are no threads; one that is executed is so when there is something to do. */
static promise_value_t prepare(promise_process_pool_t *pool) {
    promise_value_t why = promise__starter_may_start(pool);
    char detail[PROCESS_DETAIL];

    if (pool->options.start != PROMISE_PROCESS_FORK || !promise_is_void(why)) return why;
    if (promise__starter_start(pool, detail) == 0) promise__pool_work(pool); /* else when there is something to do */
    return promise_void();
}

static promise_process_pool_t *pool_new(promise_loop_t *loop, const struct promise_process_options *o) {
    static const struct promise_process_options none = {.workers = 1};
    promise_process_pool_t *pool = promise__malloc(sizeof *pool);
    promise_value_t why;

    if (!pool) return promise_source_nomem(loop);
    *pool = (promise_process_pool_t){.loop = loop, .starter = {.fd = -1}};
    promise__waiters_init(&pool->queue, let_go, queue_canceled);
    promise__waiters_init(&pool->closers, NULL, NULL);
    why = check(o, "promise_process_pool_new");
    if (!take_options(pool, promise_is_void(why) ? o : &none) || promise_source_add(loop, &pool->source, loop_gone) < 0) {
        promise__release(why);
        destroy(pool, promise__canceled());
        return promise_source_nomem(loop);
    }
    pool->refused = promise_is_void(why) ? prepare(pool) : why;
    return pool;
}

promise_process_pool_t *promise_process_pool_new(promise_loop_t *loop, const struct promise_process_options *options) {
    loop = promise__event_loop_arg(loop, __func__);
    if (getenv(PROCESS_MARK) && options && !options->program)
        promise__stop("%s: this process was executed to be a worker: main() is to call promise_process_worker() first",
                      __func__);
    return pool_new(loop, options);
}

/* ---- use ---- */

static promise_t *refuse(promise_process_pool_t *pool, promise_value_t bytes, promise_value_t why) {
    promise__release(bytes);
    return promise__settled(pool->loop, why);
}

/* Void, or why not. */
static promise_value_t may_run(const promise_process_pool_t *pool, const char *name, size_t size) {
    const struct promise_process_options *o = &pool->options;

    if (!promise_is_void(pool->refused)) return promise__copy(pool->refused);
    if (pool->closing) return promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "%s: the pool is closed", o->name);
    if (strlen(name) > FRAME_NAME || (o->functions && !promise_function_find(o->functions, name)))
        return promise__function_unknown(name);
    if (size > o->max_size)
        return promise_throw_errno_at(NULL, EMSGSIZE, "%s: %zu bytes, at most %zu", name, size, o->max_size);
    if (o->queue_limit && pool->queued + pool->counts[WORKER_BUSY] >= o->workers + o->queue_limit)
        return promise_throw_at(NULL, &promise_errors, PROMISE_EFULL, "%s: %s: %zu calls wait already", o->name, name,
                                o->queue_limit);
    return promise_void();
}

static promise_t *run(promise_process_pool_t *pool, const char *name, promise_value_t bytes) {
    size_t name_size = strlen(name), size;
    promise_value_t why;
    struct waiter *w;
    struct task *t;
    promise_t *p;

    if (pool->loop->dying) return refuse(pool, bytes, promise__canceled());
    if (!pool->starter.watched) promise__starter_hear(pool); /* who has ended while there was nothing to do? */
    promise_as_bytes(bytes, &size);
    why = may_run(pool, name, size);
    if (!promise_is_void(why)) return refuse(pool, bytes, why);
    p = promise__wait_in(pool->loop, &pool->queue, sizeof *t + name_size + 1, &w);
    if (!w) {
        promise__release(bytes);
        return p;
    }
    t = (struct task *)w; /* the first field */
    t->pool = pool;
    t->bytes = bytes;
    t->name_size = name_size;
    memcpy(t->name, name, name_size + 1);
    pool->queued++;
    promise__pool_work(pool);
    return p;
}

promise_t *promise_process_run(promise_process_pool_t *pool, const char *name, promise_value_t bytes) {
    promise_loop_t *nomem = promise_source_nomem_loop(pool);

    bytes = promise__take(bytes);
    if (nomem) {
        promise__release(bytes);
        return promise__settled(nomem, promise__no_object(nomem));
    }
    pool = pool_arg(pool, __func__);
    if (!name) bytes = promise__function_unnamed(bytes, __func__);
    else bytes = promise__function_bytes(bytes, __func__);
    return promise_is_rejection(bytes) ? promise__settled(pool->loop, bytes) : run(pool, name, bytes);
}

/* ---- close ---- */

static void time_is_over(void *arg) {
    promise_process_pool_t *pool = arg;
    promise_value_t why =
        promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "%s: the pool was closed", pool->options.name);

    pool->deadline = NULL;
    promise__pool_reject(pool, why);
    promise__release(why);
    promise__pool_work(pool);
}

promise_t *promise_process_pool_close(promise_process_pool_t *pool, uint64_t timeout_ms) {
    promise_loop_t *nomem = promise_source_nomem_loop(pool);
    struct waiter *w;
    promise_t *p;

    if (nomem) return promise__settled(nomem, promise__no_object(nomem));
    pool = pool_arg(pool, __func__);
    if (!promise_is_void(pool->refused)) return promise__settled(pool->loop, promise_void());
    pool->closing = true;
    p = promise__wait_in(pool->loop, &pool->closers, sizeof *w, &w);
    if (pool->loop->dying) return p;
    if (!timeout_ms || !promise__pool_set_timer(pool, &pool->deadline, timeout_ms, time_is_over, pool)) time_is_over(pool);
    else promise__pool_work(pool);
    return p;
}

/* ---- query ---- */

size_t promise_process_pool_workers(const promise_process_pool_t *pool) {
    if (promise_source_nomem_loop(pool)) return 0;
    pool = pool_arg(pool, __func__);
    return pool->options.workers - pool->counts[WORKER_NONE] - pool->counts[WORKER_STARTING];
}

size_t promise_process_pool_running(const promise_process_pool_t *pool) {
    return promise_source_nomem_loop(pool) ? 0 : pool_arg(pool, __func__)->counts[WORKER_BUSY];
}

size_t promise_process_pool_queued(const promise_process_pool_t *pool) {
    return promise_source_nomem_loop(pool) ? 0 : pool_arg(pool, __func__)->queued;
}

size_t promise_process_pool_restarts(const promise_process_pool_t *pool) {
    return promise_source_nomem_loop(pool) ? 0 : pool_arg(pool, __func__)->restarts;
}
