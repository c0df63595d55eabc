/*
 * Bufferevents that are wrapped around others: filters, TLS over any stream. What they were given is at once in the output of
 * the one below, and libevent does not say when it is sent from there: the lowest output tells.
 */
#include "stream.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>

static struct evbuffer *lowest_output(const promise_stream_t *s) {
    struct bufferevent *bev = s->bev, *below;

    while ((below = bufferevent_get_underlying(bev))) bev = below;
    return bev == s->bev ? NULL : bufferevent_get_output(bev);
}

/* In the midst of what sends it: it is looked at later. */
static void on_sent(struct evbuffer *output, const struct evbuffer_cb_info *info, void *stream) {
    promise_stream_t *s = stream;

    (void)output;
    if (info->n_deleted && s->writes.first) promise__stream_list(s);
}

int promise__stream_watch_below(promise_stream_t *s) {
    struct evbuffer *output = lowest_output(s);

    if (!output) return 0;
    s->sent = evbuffer_add_cb(output, on_sent, s);
    return s->sent ? 0 : -1;
}

void promise__stream_unwatch_below(promise_stream_t *s) {
    if (s->sent) evbuffer_remove_cb_entry(lowest_output(s), s->sent);
    s->sent = NULL;
}
