/* Who waits for a stream: kept in the order of the calls, and never longer than wanted. */
#include "stream.h"

#include "job.h"

/* ---- waiting ---- */

/* Gives the resolver, and the reference to the stream. */
static promise_resolver_t *take_out(struct stream_wait *w) {
    promise_resolver_t *resolver = w->resolver;
    promise_stream_t *s = w->stream;

    *w->link = w->next;
    if (w->next) w->next->link = w->link;
    else if (w->asks.kind <= LAST_READ) s->reads.tail = w->link;
    else s->writes.tail = w->link;
    if (w->asks.kind == READ_UNTIL) promise__release(w->asks.delimiter);
    if (w->asks.kind == READ_MOVE) promise_stream_unref(w->asks.to);
    if (w == &s->spare) s->spare_used = false;
    else promise__free(w);
    return resolver;
}

/* The bytes stay where they are, for the next one (K6), who is looked at when the cancel is through: it may be cancelled
 * too. */
static void stop_waiting(void *arg) {
    struct stream_wait *w = arg;
    promise_stream_t *s = w->stream;

    promise_abandon(take_out(w));
    if (s->reads.first) promise__stream_look_soon(s);
    promise_stream_unref(s);
}

promise_t *promise__stream_wait(promise_stream_t *s, struct stream_asks asks) {
    struct stream_waits *list = asks.kind <= LAST_READ ? &s->reads : &s->writes;
    struct stream_wait *w = s->spare_used ? promise__malloc(sizeof *w) : &s->spare;
    promise_t *p;

    if (!w) {
        if (asks.kind == READ_UNTIL) promise__release(asks.delimiter);
        return promise__settled(s->loop, promise__nomem());
    }
    if (w == &s->spare) s->spare_used = true;
    *w = (struct stream_wait){.link = list->tail, .stream = s, .asks = asks};
    *list->tail = w;
    list->tail = &w->next;
    s->refs++;
    if (asks.kind == READ_MOVE) promise_stream_ref(asks.to);
    p = promise_new(s->loop, &w->resolver);
    promise_on_cancel(w->resolver, stop_waiting, w);
    if (!promise_resolver_is_pending(w->resolver)) promise__stream_settle(w, promise_void()); /* out of memory */
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

/* ---- after the drain ---- */

void promise__stream_list(promise_stream_t *s) {
    struct event_host *h = promise__event_host(s->loop);

    if (s->listed || s->loop->dying) return;
    s->next_listed = h->streams;
    s->listed = &h->streams;
    if (h->streams) h->streams->listed = &s->next_listed;
    h->streams = s;
    promise__wake(s->loop);
}

void promise__stream_unlist(promise_stream_t *s) {
    if (!s->listed) return;
    *s->listed = s->next_listed;
    if (s->next_listed) s->next_listed->listed = s->listed;
    s->listed = NULL;
}

void promise__stream_look_soon(promise_stream_t *s) {
    if (!s->bev) return;
    s->look = true;
    promise__stream_list(s);
}

/* Some go, as they are looked at: with the last who waited. */
void promise__streams_look(struct event_host *h) {
    promise_stream_t *s;

    while ((s = h->streams)) {
        promise__stream_unlist(s);
        s->refs++;
        promise__stream_send(s);
        promise__stream_serve_writes(s);
        if (s->look) promise__stream_serve_reads(s);
        s->look = false;
        promise_stream_unref(s);
    }
}
