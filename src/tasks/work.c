/* promise_work, seen from the loop's thread. */
#include <promise/work.h>

#include "cross.h"
#include "pool.h"
#include "waiting.h"

/* It has come home. */
static void open_work(struct mail *mail, promise_loop_t *loop) {
    struct work *w = (struct work *)mail;
    promise_resolver_t *resolver = w->resolver;
    promise_value_t outcome = w->value;

    promise__work_free(w);
    if (resolver) promise_resolve(resolver, outcome);
    else promise__release(outcome);
    promise__mail_came(loop);
}

static enum withdrawal withdraw(struct work *w) {
    if (w->withdrawn == NOT_TRIED) w->withdrawn = promise__pool_withdraw(w->pool, w);
    return w->withdrawn;
}

static void stop_work(void *arg) {
    struct work *w = arg;
    promise_loop_t *loop = promise__loop((promise_t *)w->resolver);

    promise_abandon(w->resolver);
    w->resolver = NULL;
    if (withdraw(w) == TOO_LATE) return;
    if (w->withdrawn == IN_TIME) promise__release(w->value);
    promise__work_free(w);
    promise__mail_came(loop);
}

/* w has its function and its value. */
static promise_t *start(promise_loop_t *loop, promise_pool_t *pool, struct work *w) {
    promise_resolver_t *resolver;
    promise_t *p = promise_new(loop, &resolver);
    promise_value_t why;

    if (!promise_resolver_is_pending(resolver) || !(w->mailbox = promise__mail_expect(loop))) {
        why = promise__nomem();
    } else {
        w->resolver = resolver;
        promise_on_cancel(resolver, stop_work, w);
        why = promise__pool_submit(pool, w);
        if (promise_is_void(why)) return p;
        promise_on_cancel(resolver, NULL, NULL);
        promise__mail_came(loop);
    }
    promise__release(w->value);
    promise__free(w);
    promise_reject(resolver, why);
    return p;
}

promise_t *promise_work(promise_loop_t *loop, promise_pool_t *pool, promise_fn *fn, promise_value_t v) {
    struct work *w;

    if (!fn) promise__stop("promise_work: fn is NULL");
    loop = promise__event_loop_arg(loop, __func__);
    if (!promise__cross_argument(&v, __func__) || promise_is_rejection(v)) return promise__settled(loop, v);
    w = loop->dying ? NULL : promise__malloc(sizeof *w);
    if (!w) {
        promise__release(v);
        return promise__settled(loop, loop->dying ? promise__canceled() : promise__nomem());
    }
    *w = (struct work){.mail.open = open_work, .fn = fn, .value = v};
    return start(loop, pool ? pool : promise_pool_default(), w);
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
