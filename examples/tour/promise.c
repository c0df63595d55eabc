/* Promises and resolvers: settling, sharing, cleaning up, cancelling. */
#include "tour.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

/* region: chain */
static promise_value_t half(promise_value_t v, void *arg) {
    int64_t n = promise_as_int(v);
    (void)arg;
    return n % 2 == 0 ? promise_int(n / 2) : promise_throw_errno(EDOM, "half of %d", (int)n);
}

static promise_value_t zero(promise_value_t reason, void *arg) {
    (void)reason;
    (void)arg;
    return promise_int(0);
}

static promise_value_t later(promise_value_t v, void *arg);

static promise_t *chain(promise_loop_t *loop) {
    promise_t *p = promise_from(loop, promise_int(6));
    p = promise_then(p, half, NULL);  /* 3 */
    p = promise_then(p, half, NULL);  /* rejected */
    p = promise_then(p, half, NULL);  /* not called */
    p = promise_catch(p, zero, NULL); /* 0 */
    p = promise_then(p, later, NULL); /* 1, after 10 ms */
    return promise_then(p, show, "chain");
}

static promise_value_t one(promise_value_t v, void *arg) {
    (void)v;
    (void)arg;
    return promise_int(1);
}

/* A handler that starts something more returns its promise: the chain waits for it. */
static promise_value_t later(promise_value_t v, void *arg) {
    (void)v;
    (void)arg;
    return promise_adopt(promise_then(promise_sleep(NULL, 10), one, NULL));
}
/* end: chain */

/* region: wrap */
struct wait {
    promise_resolver_t *resolver;
    struct event *event;
};

static void on_time(evutil_socket_t fd, short what, void *arg) {
    struct wait *w = arg;
    (void)fd;
    (void)what;
    promise_resolve(w->resolver, promise_string("it is time"));
}

static void stop(void *arg) {
    struct wait *w = arg;
    event_del(w->event);
    promise_abandon(w->resolver);
}

static void wait_free(void *arg) {
    struct wait *w = arg;
    if (w->event) event_free(w->event);
    free(w);
}

static promise_t *wait_a_moment(promise_loop_t *loop) {
    static const struct timeval moment = {.tv_usec = 50000};
    struct wait *w = calloc(1, sizeof *w);
    if (!w) return promise_from(loop, promise_throw_errno(ENOMEM, "wait"));
    promise_t *p = promise_new(loop, &w->resolver);
    w->event = evtimer_new(promise_loop_base(loop), on_time, w);
    if (w->event && evtimer_add(w->event, &moment) == 0) promise_on_cancel(w->resolver, stop, w);
    else promise_reject(w->resolver, promise_throw_errno(ENOMEM, "wait"));
    return promise_attach(p, w, wait_free);
}
/* end: wrap */

static promise_t *wrap(promise_loop_t *loop) { return promise_then(wait_a_moment(loop), show, "wrap"); }

/* region: cancel */
static promise_value_t told(promise_value_t reason, void *arg) {
    (void)arg;
    printf("cancel: %s\n", promise_is_canceled(reason) ? "no longer wanted" : promise_error_message(reason));
    return reason;
}

static promise_value_t tidy_up(promise_value_t v, void *arg) {
    (void)arg;
    printf("cancel: tidied up\n");
    return v;
}

static promise_t *cancel(promise_loop_t *loop) {
    promise_t *p = wait_a_moment(loop);
    p = promise_then(p, show, "never");
    p = promise_catch(p, told, NULL);
    p = promise_finally(p, tidy_up, NULL);
    promise_cancel(p); /* up to the source: stop() deletes the event, wait_free() frees it */
    return promise_sleep(loop, 0);
}
/* end: cancel */

/* region: share */
static promise_t *share(promise_loop_t *loop) {
    promise_t *p = promise_sleep(loop, 10);
    promise_t *a = promise_then(promise_ref(p), show, "share, first");
    promise_t *b = promise_then(p, show, "share, second");
    promise_unref(a); /* runs without us; its rejection would be reported */
    return b;
}
/* end: share */

/* region: settle */
static void first_wins(promise_resolver_t *resolver, int64_t n) {
    if (promise_resolver_is_pending(resolver)) printf("settle: %d settles\n", (int)n);
    promise_resolve(resolver, promise_int(n));
}

static promise_t *settle(promise_loop_t *loop) {
    promise_resolver_t *resolver;
    promise_t *p = promise_new(loop, &resolver);
    promise_resolver_ref(resolver); /* two producers, a reference each */
    first_wins(resolver, 1);
    first_wins(resolver, 2);
    return promise_then(p, show, "settle");
}
/* end: settle */

/* region: both */
static promise_value_t failed(promise_value_t reason, void *arg) {
    (void)arg;
    return promise_stringf("no (%d)", promise_error_code(reason));
}

static promise_value_t worked(promise_value_t v, void *arg) {
    (void)arg;
    return promise_stringf("yes: %d", (int)promise_as_int(v));
}

static promise_value_t refuse(promise_value_t v, void *arg) {
    (void)v;
    (void)arg;
    return promise_throw_errno(EPERM, "refused");
}

static promise_t *both(promise_loop_t *loop) {
    promise_t *p = promise_then_catch(promise_from(loop, promise_int(1)), worked, failed, NULL);
    promise_t *q = promise_then_catch(promise_try(loop, refuse, NULL), worked, failed, NULL);
    return promise_then(promise_all_of(loop, p, q, NULL), show, "both");
}
/* end: both */

/* region: forget */
static promise_t *forget(promise_loop_t *loop) {
    promise_resolver_t *resolver;
    promise_t *p = promise_new(loop, &resolver);
    promise_abandon(resolver); /* nobody is left to settle it */
    return promise_then(promise_catch(p, failed, NULL), show, "forget");
}
/* end: forget */

/* region: shield */
static promise_t *shield(promise_loop_t *loop) {
    promise_t *save = promise_then(promise_sleep(loop, 50), show, "shield, saved");
    promise_t *p = promise_timeout(promise_shield(save), 10); /* waits 10 ms; the saving goes on */
    p = promise_then(promise_catch(p, failed, NULL), show, "shield, who waited");
    return promise_all_of(loop, p, promise_sleep(loop, 100), NULL);
}
/* end: shield */

/* region: look */
static promise_t *look(promise_loop_t *loop) {
    promise_t *p = promise_sleep(loop, 10);
    if (promise_set_name(p, "a short rest") < 0) return p;
    printf("look: %s is %s\n", promise_get_name(p), promise_get_state(p) == PROMISE_PENDING ? "pending" : "settled");
    promise_t *done = promise_from(promise_loop_of(p), promise_int(5));
    promise_unref(p);
    if (promise_get_state(done) == PROMISE_FULFILLED) printf("look: %d\n", (int)promise_as_int(promise_peek(done)));
    return done;
}
/* end: look */

int main(void) {
    static tour_fn *const parts[] = {chain, wrap, cancel, share, settle, forget, both, shield, look};
    return tour(sizeof parts / sizeof *parts, parts);
}
