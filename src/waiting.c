/* Queues of promises that wait for an event, and iterators that borrow their object. */
#include "waiting.h"

#include <string.h>

promise_loop_t *promise__event_loop_arg(promise_loop_t *loop, const char *function) {
    loop = promise__loop_arg(loop, function);
    if (!promise__event_host(loop))
        promise__stop("%s: expected a loop of promise_loop_new, got one of promise_loop_new_hosted", function);
    return loop;
}

/* ---- a queue of promises ---- */

void promise__waiters_init(struct waiters *list, void (*let_go)(struct waiter *w), void (*canceled)(struct waiters *list)) {
    *list = (struct waiters){.tail = &list->first, .let_go = let_go, .canceled = canceled};
}

static void take_out(struct waiter *w) {
    *w->link = w->next;
    if (w->next) w->next->link = w->link;
    else w->list->tail = w->link;
}

promise_resolver_t *promise__waiter_take(struct waiter *w) {
    promise_resolver_t *resolver = w->resolver;

    take_out(w);
    if (w->list->let_go) w->list->let_go(w);
    promise__free(w);
    return resolver;
}

static void stop_waiting(void *arg) {
    struct waiter *w = arg;
    struct waiters *list = w->list;

    promise_abandon(promise__waiter_take(w));
    if (list->canceled) list->canceled(list);
}

promise_t *promise__wait_in(promise_loop_t *loop, struct waiters *list, size_t size, struct waiter **wait) {
    struct waiter *w;
    promise_t *p;

    *wait = NULL;
    if (loop->dying) return promise__settled(loop, promise__canceled());
    w = promise__malloc(size);
    if (!w) return promise__settled(loop, promise__nomem());
    memset(w, 0, size);
    p = promise_new(loop, &w->resolver);
    if (!promise_resolver_is_pending(w->resolver)) { /* out of memory: it would not hear of a cancel */
        promise_abandon(w->resolver);
        promise__free(w);
        return p;
    }
    promise_on_cancel(w->resolver, stop_waiting, w);
    w->list = list;
    w->link = list->tail;
    *list->tail = w;
    list->tail = &w->next;
    *wait = w;
    return p;
}

void promise__waiter_move(struct waiter *w, struct waiters *to, bool first) {
    take_out(w);
    w->list = to;
    w->link = first ? &to->first : to->tail;
    w->next = *w->link;
    *w->link = w;
    if (w->next) w->next->link = &w->next;
    else to->tail = &w->next;
}

void promise__waiters_settle(struct waiters *list, promise_value_t v) {
    while (list->first) promise_resolve(promise__waiter_take(list->first), promise__copy(v));
}

/* ---- iterators that borrow their object ---- */

static void unlink_feed(struct feed *f) {
    *f->link = f->next;
    if (f->next) f->next->link = f->link;
    f->owner = NULL;
}

static void feed_free(void *object) {
    struct feed *f = object;

    if (f->owner) unlink_feed(f);
    promise__free(f);
}

promise_iterator_t *promise__feed_new(promise_loop_t *loop, struct feed **list, promise_fn *fn, const struct feed *feed,
                                      size_t size) {
    struct feed *f = promise__malloc(size);

    if (!f) return promise_list_items(loop, promise__nomem());
    memcpy(f, feed, size);
    f->next = *list;
    f->link = list;
    if (f->next) f->next->link = &f->next;
    *list = f;
    return promise_iterator_attach(promise_pull(loop, fn, f), f, feed_free);
}

static promise_value_t end_if_closed(promise_value_t why, void *arg) {
    (void)arg;
    return promise_error_is(why, &promise_errors, PROMISE_ECLOSED) ? promise_end() : why;
}

promise_value_t promise__feed_from(promise_t *p) { return promise_adopt(promise_catch(p, end_if_closed, NULL)); }

void promise__feeds_end(struct feed **list) {
    while (*list) unlink_feed(*list);
}
