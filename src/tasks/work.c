/* promise_work, seen from the loop's thread. */
#include <promise/work.h>

#include "cross.h"
#include "pool.h"
#include "waiting.h"

enum { SPARES = 1024 };

/* ---- works ---- */

static struct work *work_new(struct event_host *h) {
    struct work *w = h->works.spare;

    if (!w) return promise__malloc(sizeof *w);
    h->works.spare = w->next;
    h->works.spares--;
    return w;
}

void promise__works_close(struct event_host *h) {
    struct work *w;

    while ((w = h->works.spare)) {
        h->works.spare = w->next;
        promise__free(w);
    }
    h->works.spares = 0;
}

/* One that was expected to come home has, or will not. */
static void work_done(struct event_host *h, struct work *w) {
    promise__pool_unref(w->pool);
    if (h->closing || h->works.spares == SPARES) {
        promise__free(w);
    } else {
        w->next = h->works.spare;
        h->works.spare = w;
        h->works.spares++;
    }
    promise__mail_came(h->loop);
    if (!h->expected) promise__works_close(h);
}

/* It has come home. */
static void open_work(struct mail *mail, promise_loop_t *loop) {
    struct work *w = (struct work *)mail;
    promise_resolver_t *resolver = w->resolver;
    promise_value_t outcome = w->value;

    work_done(promise__event_host(loop), w);
    if (resolver) promise_resolve(resolver, outcome);
    else promise__release(outcome);
}

/* ---- cancelling ---- */

static enum withdrawal withdraw(struct work *w) {
    if (w->withdrawn == NOT_TRIED) w->withdrawn = w->deferred ? IN_TIME : promise__pool_withdraw(w->pool, w);
    return w->withdrawn;
}

static void stop_work(void *arg) {
    struct work *w = arg;
    promise_loop_t *loop = promise__loop((promise_t *)w->resolver);

    promise_abandon(w->resolver);
    w->resolver = NULL;
    if (withdraw(w) == TOO_LATE || w->deferred) return; /* it will be opened */
    if (w->withdrawn == IN_TIME) promise__release(w->value);
    work_done(promise__event_host(loop), w);
}

/* ---- giving it to the pool ---- */

static void rouse(struct mail *mail, promise_loop_t *loop) {
    struct works *works = &promise__event_host(loop)->works;
    promise_pool_t *pool = works->pool;
    int error;

    (void)mail;
    works->pool = NULL;
    error = works->more && promise__pool_may_rouse(pool) ? promise__pool_rouse(pool) : 0;
    if (error) promise__pool_refuse_all(pool, error);
    promise__pool_unref(pool);
}

/* In a drain, who is woken may take the processor from us, just to find that there is no more than one thing to do: so a pool
 * is roused for the first work, and for the others when the drain has ended. */
static bool is_first(struct event_host *h, promise_pool_t *pool) {
    struct works *works = &h->works;

    if (!h->loop->draining || !atomic_load(&pool->threads)) return true;
    if (works->pool) {
        if (works->pool != pool) return true;
        works->more = true;
        return false;
    }
    works->pool = pool;
    works->more = false;
    works->rouse.open = rouse;
    promise__pool_ref(pool);
    promise__after_drain(h->loop, &works->rouse);
    return true;
}

/* It did not come to be the pool's; its value is no more. */
static void reject(struct event_host *h, struct work *w, promise_value_t why) {
    promise_resolver_t *resolver = w->resolver;

    work_done(h, w);
    promise_on_cancel(resolver, NULL, NULL);
    promise_reject(resolver, why);
}

/* w goes its way, and whose it is then is not known. */
static void submit(struct event_host *h, struct work *w) {
    promise_value_t why = promise__pool_submit(w->pool, w, is_first(h, w->pool));

    if (!promise_is_rejection(why)) return;
    promise__release(w->value);
    reject(h, w, why);
}

/* ---- values that others have as well ---- */

/* As much of it as is needed: what nobody else has is moved. */
static void cross_and_submit(struct event_host *h, struct work *w) {
    if (!promise__is_counted(w->value) || promise__cross(&w->value, "promise_work")) submit(h, w);
    else reject(h, w, w->value);
}

/* The drain has ended: what it held, as a handler's argument, is let go of. */
static void open_deferred(struct mail *mail, promise_loop_t *loop) {
    struct event_host *h = promise__event_host(loop);
    struct work *w = (struct work *)mail;

    w->deferred = false;
    w->mail.open = open_work;
    if (w->resolver) {
        cross_and_submit(h, w);
        return;
    }
    promise__release(w->value); /* it was cancelled */
    work_done(h, w);
}

static void defer(struct event_host *h, struct work *w) {
    w->deferred = true;
    w->mail.open = open_deferred;
    promise__after_drain(h->loop, &w->mail);
}

/* ---- promise_work ---- */

/* Has it others that may let go of it until the drain has ended? What is in lists and errors is not looked at yet. */
static bool is_shared(promise_value_t v) {
    const struct promise_type *type = promise__type(v);

    if (!type || !type->free) return false;
    return ((struct cell *)v.as.pointer)->refs > 1 || type == &promise_type_list || type == &promise_type_error;
}

static promise_t *start(struct event_host *h, struct work *w) {
    promise_t *p = promise_new(h->loop, &w->resolver);

    w->mailbox = promise_resolver_is_pending(w->resolver) ? promise__mail_expect(h->loop) : NULL;
    if (!w->mailbox) {
        promise__release(w->value);
        promise_reject(w->resolver, promise__nomem());
        promise__pool_unref(w->pool);
        promise__free(w);
        return p;
    }
    promise_on_cancel(w->resolver, stop_work, w);
    if (h->loop->draining && is_shared(w->value)) defer(h, w);
    else cross_and_submit(h, w);
    return p;
}

promise_t *promise_work(promise_loop_t *loop, promise_pool_t *pool, promise_fn *fn, promise_value_t v) {
    struct event_host *h;
    struct work *w;

    if (!fn) promise__stop("promise_work: fn is NULL");
    if (promise__type(v) == &promise_type_promise)
        promise__stop("promise_work: expected a value that may cross threads, got a promise");
    loop = promise__event_loop_arg(loop, __func__);
    v = promise__take(v);
    if (promise_is_rejection(v)) return promise__settled(loop, v);
    h = promise__event_host(loop);
    w = loop->dying ? NULL : work_new(h);
    if (!w) {
        promise__release(v);
        return promise__settled(loop, loop->dying ? promise__canceled() : promise__nomem());
    }
    if (!pool) pool = promise_pool_default();
    promise__pool_ref(pool);
    *w = (struct work){.mail.open = open_work, .pool = pool, .fn = fn, .value = v};
    return start(h, w);
}

int promise_work_cancel(promise_t *p) {
    int status = -1;

    if (!p) return -1;
    promise__check(p, __func__);
    if (!(p->flags & FLAG_SETTLED)) {
        if (promise__kind(p) != KIND_SOURCE || (p->stop && p->stop != stop_work))
            promise__stop("promise_work_cancel: expected a promise of promise_work, got another");
        if (p->stop && withdraw(p->stop_arg) == IN_TIME) status = 0;
    }
    promise_cancel(p);
    return status;
}
