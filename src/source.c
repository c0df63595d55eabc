/* Sources: what has to go with its loop, and callbacks that drain what they settled. */
#include <promise/source.h>

#include "loop.h"

static int add(promise_loop_t *loop, struct promise_source *source, void (*gone)(struct promise_source *source), bool single,
               const char *function) {
    struct promise_source **list;

    if (!source) promise__stop("%s: source is NULL", function);
    if (!gone) promise__stop("%s: gone is NULL", function);
    loop = promise__loop_arg(loop, function);
    if (loop->dying) return -1;
    list = single ? &loop->singles : &loop->sources;
    *source = (struct promise_source){.loop = loop, .next = *list, .link = list, .gone = gone};
    if (*list) (*list)->link = &source->next;
    *list = source;
    return 0;
}

int promise_source_add(promise_loop_t *loop, struct promise_source *source, void (*gone)(struct promise_source *source)) {
    return add(loop, source, gone, false, __func__);
}
int promise_source_add_single(promise_loop_t *loop, struct promise_source *source,
                              void (*gone)(struct promise_source *source)) {
    return add(loop, source, gone, true, __func__);
}

struct promise_source *promise_source_find(promise_loop_t *loop, void (*gone)(struct promise_source *source)) {
    struct promise_source *source = promise__loop_arg(loop, __func__)->singles;

    while (source && source->gone != gone) source = source->next;
    return source;
}

void promise_source_remove(struct promise_source *source) {
    if (!source) promise__stop("promise_source_remove: source is NULL");
    if (!source->loop) return;
    promise__check_thread(source->loop, __func__);
    *source->link = source->next;
    if (source->next) source->next->link = source->link;
    *source = (struct promise_source){0};
}

/* The single ones last: others use them. */
void promise__sources_go(promise_loop_t *loop) {
    struct promise_source *source;

    while ((source = loop->sources ? loop->sources : loop->singles)) {
        void (*gone)(struct promise_source *) = source->gone;
        promise_source_remove(source);
        gone(source);
    }
}

static struct event_host *host_of(promise_loop_t *loop, const char *function) {
    struct event_host *h = promise__event_host(promise__loop_arg(loop, function));

    if (!h) promise__stop("%s: expected a loop of promise_loop_new, got one of promise_loop_new_hosted", function);
    return h;
}

void promise_source_enter(promise_loop_t *loop) {
    struct event_host *h = host_of(loop, __func__);

    h->depth++;
    h->loop->woken = true; /* the drain comes with leave */
}

void promise_source_leave(promise_loop_t *loop) { promise__host_drain(host_of(loop, __func__)); }

promise_value_t promise_out_of_memory(void) { return promise__nomem(); }
promise_value_t promise_was_canceled(void) { return promise__canceled(); }
