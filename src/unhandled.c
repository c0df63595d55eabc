/* Rejections without a handler (J7). */
#include <stdio.h>
#include <stdlib.h>

#include "core.h"

static void push(struct rejections *list, promise_t *p) {
    p->next = NULL;
    *list->tail = p;
    list->tail = &p->next;
}

void promise__unhandled_add(promise_loop_t *loop, promise_t *p) {
    if (promise__is_the_canceled(p->value)) {
        promise__free_if_unused(p);
        return;
    }
    p->flags |= FLAG_LISTED;
    push(&loop->rejected, p);
    promise__wake(loop);
}

void promise__unhandled_slice(promise_loop_t *loop) {
    *loop->before.tail = loop->rejected.first;
    loop->before.tail = loop->rejected.tail;
    loop->rejected.first = NULL;
    loop->rejected.tail = &loop->rejected.first;
}

static void tell(promise_loop_t *loop, enum promise_unhandled_event event, promise_t *p) {
    promise_unhandled_fn *hook = loop->unhandled ? loop->unhandled : promise_unhandled_print;
    bool draining = loop->draining;

    p->refs++;
    loop->draining = true; /* handled late, it is called from outside of one: freeing the loop waits here as well (J5) */
    hook(event, p, promise__mark(p->value, MARK_LENT), loop->unhandled_arg);
    loop->draining = draining;
    promise__drop_ref(p);
}

void promise__unhandled_report(promise_loop_t *loop, bool idle) {
    promise_t *p;

    if (idle && loop->rejected.first) promise__unhandled_slice(loop);
    while ((p = loop->before.first)) {
        loop->before.first = p->next;
        if (!p->next) loop->before.tail = &loop->before.first;
        p->flags &= ~(uint32_t)FLAG_LISTED;
        if (p->flags & FLAG_HANDLED) {
            promise__free_if_unused(p);
            continue;
        }
        p->flags |= FLAG_REPORTED;
        tell(loop, PROMISE_UNHANDLED, p);
    }
}

void promise__unhandled_late(promise_t *p) {
    p->flags &= ~(uint32_t)FLAG_REPORTED;
    if (promise__loop(p)->dead) return; /* the hook's arg may be gone, too */
    tell(promise__loop(p), PROMISE_HANDLED_LATE, p);
}

void promise_loop_on_unhandled(promise_loop_t *loop, promise_unhandled_fn *hook, void *arg) {
    loop = promise__loop_arg(loop, __func__);
    loop->unhandled = hook;
    loop->unhandled_arg = arg;
}

void promise_unhandled_print(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    char text[512];
    const char *name = promise_get_name(p), *where = promise_error_where(reason);

    (void)arg;
    promise_print(reason, text, sizeof text);
    fprintf(stderr, "libpromise: %s: %s%s%s%s%s%s\n",
            event == PROMISE_UNHANDLED ? "unhandled rejection" : "the rejection was handled after all", text,
            where ? ", thrown at " : "", where ? where : "", name ? ", in \"" : "", name ? name : "", name ? "\"" : "");
}

void promise_unhandled_abort(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    promise_unhandled_print(event, p, reason, arg);
    if (event == PROMISE_UNHANDLED) abort();
}
