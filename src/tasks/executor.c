/*
 * Executors: a queue in front of an engine. A call is two promises: the caller's, which is settled or cancelled at any time,
 * and the engine's, which takes the time that it takes; between them is a flight, which counts until the latter has settled,
 * and not when the former is told of it.
 */
#include <promise/executor.h>

#include <stddef.h>
#include <string.h>

#include "tasks/function.h"

#include "waiting.h"

struct flight {
    promise_executor_t *executor;
    struct flight *next, **link;
    struct call *call;  /* NULL once nobody waits for it */
    promise_t *promise; /* not a reference: it lives until the flight has landed */
    bool counts;
};

struct call {
    struct waiter waiter;
    promise_value_t bytes;
    struct flight *flight; /* NULL while it waits in the queue */
    char name[];
};

struct promise_executor {
    struct promise_source source;
    promise_loop_t *loop;
    const struct promise_engine *engine;
    void *data;
    struct waiters queue, running, closers;
    struct flight *flights;
    size_t queued, in_flight, limit, queue_limit;
    void *deadline; /* a timer */
    bool closing, closed, freed;
};

static promise_executor_t *executor_arg(const promise_executor_t *ex, const char *function) {
    if (!ex) promise__stop("%s: the executor is NULL", function);
    promise__check_thread(ex->loop, function);
    return (promise_executor_t *)(uintptr_t)ex;
}

/* ---- the end ---- */

static void stop_timer(promise_executor_t *ex) {
    if (ex->deadline) ex->loop->host->cancel_after(ex->loop->host_data, ex->deadline);
    ex->deadline = NULL;
}

/* When it is freed, and nothing of it is in flight. */
static void destroy(promise_executor_t *ex) {
    if (!ex->freed || ex->flights) return;
    if (ex->engine->size > offsetof(struct promise_engine, free) && ex->engine->free) ex->engine->free(ex->data);
    promise__free(ex);
}

static promise_value_t has_closed(promise_value_t v, void *arg) {
    promise__waiters_settle(&((promise_executor_t *)arg)->closers, v);
    return promise_void();
}

static void landed(void *arg);

PROMISE_NORETURN static void gave_null(const char *what, const char *name) {
    promise__stop("promise_executor_t: %s of the engine gave NULL, expected a promise%s%s", what, name ? ", for " : "",
                  name ? name : "");
}

/* Nothing waits, nothing runs, and nothing will. What the engine then does is a flight, too. */
static void close_engine(promise_executor_t *ex) {
    bool can = ex->engine->size > offsetof(struct promise_engine, close) && ex->engine->close;
    struct flight *f;
    promise_t *p;

    ex->closed = true;
    stop_timer(ex);
    f = can ? promise__malloc(sizeof *f) : NULL;
    if (!f) {
        promise__waiters_settle(&ex->closers, can ? promise__nomem() : promise_void());
        return;
    }
    *f = (struct flight){.executor = ex, .next = ex->flights, .link = &ex->flights};
    if (f->next) f->next->link = &f->next;
    ex->flights = f;
    p = ex->engine->close(ex->data, ex->loop);
    if (!p) gave_null("close", NULL);
    p = promise_then_catch(p, has_closed, has_closed, ex);
    f->promise = promise_attach(p, f, landed);
    promise_unref(f->promise);
}

/* ---- flights ---- */

static void take_off(promise_executor_t *ex);

static void count_off(struct flight *f) {
    if (f->counts) f->executor->in_flight--;
    f->counts = false;
}

/* The engine's promise has settled: on every path, once. */
static void landed(void *arg) {
    struct flight *f = arg;
    promise_executor_t *ex = f->executor;

    *f->link = f->next;
    if (f->next) f->next->link = f->link;
    count_off(f);
    promise__free(f);
    take_off(ex);
    destroy(ex);
}

static promise_value_t arrive(promise_value_t v, void *arg) {
    struct flight *f = arg;
    struct call *c = f->call;
    promise_value_t bytes;

    count_off(f);
    if (c) {
        bytes = promise__function_bytes(promise__take(v), c->name);
        c->flight = NULL;
        f->call = NULL;
        promise_resolve(promise__waiter_take(&c->waiter), bytes);
    }
    take_off(f->executor);
    return promise_void();
}

/* Out of its list: by its end, or by a cancel, which stops what runs (K2). */
static void let_go(struct waiter *w) {
    struct call *c = (struct call *)w; /* the first field */
    struct flight *f = c->flight;

    promise__release(c->bytes);
    if (!f) return;
    f->call = NULL;
    promise__cancel_up(f->promise);
    promise__cancel_all(f->executor->loop);
}

static void start(promise_executor_t *ex, struct call *c, struct flight *f) {
    promise_t *p;

    *f = (struct flight){.executor = ex, .next = ex->flights, .link = &ex->flights, .call = c, .counts = true};
    if (f->next) f->next->link = &f->next;
    ex->flights = f;
    c->flight = f;
    ex->in_flight++;
    promise__waiter_move(&c->waiter, &ex->running, false);
    p = ex->engine->run(ex->data, ex->loop, c->name, promise__mark(c->bytes, MARK_LENT));
    if (!p) gave_null("run", c->name);
    p = promise_then_catch(p, arrive, arrive, f);
    f->promise = promise_attach(p, f, landed);
    promise_unref(f->promise);
}

/* As many as may. */
static void take_off(promise_executor_t *ex) {
    struct flight *f;

    while (ex->queue.first && !ex->loop->dying && (!ex->limit || ex->in_flight < ex->limit)) {
        ex->queued--;
        f = promise__malloc(sizeof *f);
        if (f) start(ex, (struct call *)ex->queue.first, f);
        else promise_reject(promise__waiter_take(ex->queue.first), promise__nomem());
    }
    if (ex->closing && !ex->closed && !ex->queue.first && !ex->in_flight && !ex->freed && !ex->loop->dying) close_engine(ex);
}

static void queue_canceled(struct waiters *list) {
    promise_executor_t *ex = (promise_executor_t *)((char *)list - offsetof(promise_executor_t, queue));

    ex->queued--;
    take_off(ex);
}

/* ---- make and free ---- */

static void reject_all(promise_executor_t *ex, promise_value_t why) {
    ex->queued = 0;
    promise__waiters_settle(&ex->queue, why);
    promise__waiters_settle(&ex->running, why);
}

static void end(promise_executor_t *ex, promise_value_t why) {
    ex->freed = true;
    stop_timer(ex);
    reject_all(ex, why);
    promise__waiters_settle(&ex->closers, promise_void());
    destroy(ex);
}

/* J5: all its promises have settled. */
static void loop_gone(struct promise_source *source) {
    end((promise_executor_t *)source, promise__canceled()); /* the first field */
}

promise_executor_t *promise_executor_new(promise_loop_t *loop, const struct promise_engine *engine, void *data) {
    promise_executor_t *ex;

    if (!engine || !engine->run) promise__stop("%s: %s is NULL", __func__, engine ? "run" : "engine");
    loop = promise__loop_arg(loop, __func__);
    ex = promise__malloc(sizeof *ex);
    if (ex) *ex = (promise_executor_t){.loop = loop, .engine = engine, .data = data};
    if (!ex || promise_source_add(loop, &ex->source, loop_gone) < 0) {
        if (engine->size > offsetof(struct promise_engine, free) && engine->free) engine->free(data);
        promise__free(ex);
        return promise_source_nomem(loop);
    }
    promise__waiters_init(&ex->queue, let_go, queue_canceled);
    promise__waiters_init(&ex->running, let_go, NULL);
    promise__waiters_init(&ex->closers, NULL, NULL);
    return ex;
}

void promise_executor_free(void *arg) {
    promise_executor_t *ex = arg;
    promise_value_t why;

    if (!ex || promise_source_nomem_loop(ex)) return;
    ex = executor_arg(ex, __func__);
    promise_source_remove(&ex->source);
    why = promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "the executor was freed");
    end(ex, why);
    promise__release(why);
}

static void time_is_over(void *arg) {
    promise_executor_t *ex = arg;
    promise_value_t why = promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "the executor was closed");

    ex->deadline = NULL;
    reject_all(ex, why);
    promise__release(why);
    take_off(ex);
}

promise_t *promise_executor_close(promise_executor_t *ex, uint64_t timeout_ms) {
    promise_loop_t *nomem = promise_source_nomem_loop(ex);
    struct waiter *w;
    promise_t *p;

    if (nomem) return promise__settled(nomem, promise__no_object(nomem));
    ex = executor_arg(ex, __func__);
    if (ex->closed && !ex->flights) return promise__settled(ex->loop, promise_void());
    p = promise__wait_in(ex->loop, &ex->closers, sizeof *w, &w);
    if (ex->loop->dying) return p;
    ex->closing = true;
    stop_timer(ex);
    if (timeout_ms && timeout_ms != UINT64_MAX)
        ex->deadline = ex->loop->host->after(ex->loop->host_data, timeout_ms, time_is_over, ex);
    if (!ex->deadline && timeout_ms != UINT64_MAX) time_is_over(ex);
    else take_off(ex);
    return p;
}

/* ---- use ---- */

void promise_executor_limit(promise_executor_t *ex, size_t in_flight, size_t queue_limit) {
    if (promise_source_nomem_loop(ex)) return;
    ex = executor_arg(ex, __func__);
    ex->limit = in_flight;
    ex->queue_limit = queue_limit;
    take_off(ex);
}

/* Void, or why not. */
static promise_value_t may_run(const promise_executor_t *ex, const char *name) {
    if (ex->loop->dying) return promise__canceled();
    if (ex->closing) return promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "%s: the executor is closed", name);
    if (ex->limit && ex->queue_limit && ex->in_flight >= ex->limit && ex->queued >= ex->queue_limit)
        return promise_throw_at(NULL, &promise_errors, PROMISE_EFULL, "%s: %zu calls wait already", name, ex->queued);
    return promise_void();
}

static promise_t *execute(promise_executor_t *ex, const char *name, promise_value_t bytes) {
    promise_value_t why = may_run(ex, name);
    size_t size = strlen(name) + 1;
    struct waiter *w = NULL;
    struct call *c;
    promise_t *p;

    if (promise_is_void(why)) p = promise__wait_in(ex->loop, &ex->queue, sizeof *c + size, &w);
    else p = promise__settled(ex->loop, why);
    if (!w) {
        promise__release(bytes);
        return p;
    }
    c = (struct call *)w; /* the first field */
    c->bytes = bytes;
    memcpy(c->name, name, size);
    ex->queued++;
    take_off(ex);
    return p;
}

promise_t *promise_execute(promise_executor_t *ex, const char *name, promise_value_t bytes) {
    promise_loop_t *nomem = promise_source_nomem_loop(ex);

    bytes = promise__take(bytes);
    if (nomem) {
        promise__release(bytes);
        return promise__settled(nomem, promise__no_object(nomem));
    }
    ex = executor_arg(ex, __func__);
    if (!name) bytes = promise__function_unnamed(bytes, __func__);
    else bytes = promise__function_bytes(bytes, __func__);
    return promise_is_rejection(bytes) ? promise__settled(ex->loop, bytes) : execute(ex, name, bytes);
}

/* ---- query ---- */

size_t promise_executor_running(const promise_executor_t *ex) {
    return promise_source_nomem_loop(ex) ? 0 : executor_arg(ex, __func__)->in_flight;
}

size_t promise_executor_queued(const promise_executor_t *ex) {
    return promise_source_nomem_loop(ex) ? 0 : executor_arg(ex, __func__)->queued;
}
