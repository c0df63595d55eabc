/* The end of a stream: what was written is sent first, then the peer is told. */
#include "stream.h"

#include <errno.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

static void unref(void *stream) { promise_stream_unref(stream); }

/* What the layer above the transport, or the bufferevent itself, a filter or a pair, has to say before the end; or nothing. */
static promise_t *finish(promise_stream_t *s, bool closing) {
    if (s->layer && s->layer->finish) return s->layer->finish(s, closing, s->layer_data);
    if (s->direct) return NULL;
    promise__stream_hold(s);
    bufferevent_flush(s->bev, EV_WRITE, BEV_FINISHED);
    promise__stream_unhold(s);
    return promise__stream_drained(s);
}

/* ---- shutdown ---- */

/* A pipe has but one side to it; what has no socket has told by its flush. */
static promise_value_t finished(promise_value_t v, void *arg) {
    promise_stream_t *s = arg;
    int fd = promise_stream_fd(s);

    (void)v;
    if (s->only_writes) promise_stream_abort(s);
    else if (s->bev && fd >= 0 && shutdown(fd, SHUT_WR) < 0) return promise__stream_failed(s, errno, "shut down");
    return promise_void();
}

static promise_value_t shut_down(promise_value_t v, void *arg) {
    promise_stream_t *s = arg;
    promise_t *p;

    if (!s->bev) return promise__stream_refused(s);
    p = finish(s, false);
    if (s->layer && s->layer->finish) return p ? promise_adopt(p) : promise_void();
    return p ? promise_adopt(promise_then(p, finished, s)) : finished(v, s);
}

promise_t *promise_stream_shutdown(promise_stream_t *s) {
    promise_loop_t *nomem = promise_source_nomem_loop(s);
    promise_value_t why;
    promise_t *p;

    if (nomem) return promise__settled(nomem, promise__no_object(nomem));
    s = promise__stream_arg(s, __func__);
    why = promise__stream_refused(s);
    if (promise_is_void(why) && s->shut) why = promise_throw_errno_at(NULL, EPIPE, "the stream was shut down before");
    if (!promise_is_void(why)) return promise__settled(s->loop, why);
    s->shut = true;
    p = promise_then(promise__stream_drained(s), shut_down, s);
    return promise_attach(p, promise_stream_ref(s), unref);
}

/* ---- close ---- */

static promise_value_t sent(promise_value_t v, void *arg) {
    promise_stream_t *s = arg;
    promise_t *p = s->bev && promise_is_void(s->error) ? finish(s, true) : NULL;

    (void)v;
    return p ? promise_adopt(p) : promise_void();
}

/* The outcome is kept for a second close. After a cancel, what was not sent is dropped. */
static promise_value_t closed(promise_value_t v, void *arg) {
    promise_stream_t *s = arg;

    promise_stream_abort(s);
    promise__release(s->error);
    s->error = promise_is_rejection(v) ? promise__take(v) : promise_void();
    return v;
}

/* On every path, also without the memory for the ones above. */
static void close_over(void *arg) {
    promise_stream_t *s = arg;

    s->closing = NULL;
    promise_stream_abort(s);
    promise_stream_unref(s);
}

/* What is left to be sent will never be; unless somebody knows already. */
static promise_value_t lost(promise_stream_t *s) {
    return promise_stream_unsent(s) && !s->told ? promise__stream_tell(s) : promise_void();
}

static promise_t *close_at_once(promise_stream_t *s) {
    promise_value_t why = lost(s);

    promise_stream_abort(s);
    s->error = promise__copy(why);
    return promise__settled(s->loop, why);
}

promise_t *promise_stream_close(promise_stream_t *s) {
    promise_loop_t *nomem = promise_source_nomem_loop(s);
    promise_value_t why;
    promise_t *p;

    if (nomem) return promise__settled(nomem, promise__no_object(nomem));
    s = promise__stream_arg(s, __func__);
    if (s->closing) return promise_ref(s->closing);
    if (s->loop->dying) return promise__settled(s->loop, promise__canceled());
    if (!s->bev) return promise__settled(s->loop, promise__copy(s->error));
    s->closed = true;
    why = promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "the stream was closed");
    promise__stream_reject_all(&s->reads, why);
    promise__release(why);
    promise__stream_send(s);
    promise__stream_serve_writes(s);
    if (!promise_is_void(s->error) || (s->direct && !promise_stream_unsent(s))) return close_at_once(s);
    p = promise_then(promise__stream_drained(s), sent, s);
    p = promise_attach(promise_then_catch(p, closed, closed, s), promise_stream_ref(s), close_over);
    return s->closing = p;
}
