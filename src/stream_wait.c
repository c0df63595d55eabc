/* Who waits for a stream: kept in the order of the calls, and never longer than wanted. */
#include "stream.h"

/* Gives the resolver, and the reference to the stream. */
static promise_resolver_t *take_out(struct stream_wait *w) {
    promise_resolver_t *resolver = w->resolver;
    promise_stream_t *s = w->stream;

    *w->link = w->next;
    if (w->next) w->next->link = w->link;
    else w->list->tail = w->link;
    promise__release(w->read.delimiter);
    if (w->read.to) promise_stream_unref(w->read.to);
    if (w == &s->spare) s->spare_used = false;
    else promise__free(w);
    return resolver;
}

/* The bytes stay where they are, for the next one (K6). */
static void stop_waiting(void *arg) {
    struct stream_wait *w = arg;
    promise_stream_t *s = w->stream;

    promise_abandon(take_out(w));
    promise_stream_unref(s);
}

promise_t *promise__stream_wait(promise_stream_t *s, struct stream_waits *list, struct stream_wait **wait) {
    struct stream_wait *w = s->spare_used ? promise__malloc(sizeof *w) : &s->spare;
    promise_t *p;

    if (!w) {
        *wait = NULL;
        return promise__settled(s->loop, promise__nomem());
    }
    if (w == &s->spare) s->spare_used = true;
    *w = (struct stream_wait){.link = list->tail, .list = list, .stream = s};
    *list->tail = w;
    list->tail = &w->next;
    s->refs++;
    p = promise_new(s->loop, &w->resolver);
    promise_on_cancel(w->resolver, stop_waiting, w);
    *wait = w;
    return p;
}

void promise__stream_settle(struct stream_wait *w, promise_value_t v) {
    promise_stream_t *s = w->stream;

    promise_resolve(take_out(w), v);
    promise_stream_unref(s);
}

void promise__stream_reject_all(struct stream_waits *list, promise_value_t why) {
    while (list->first) promise__stream_settle(list->first, promise__copy(why));
}
