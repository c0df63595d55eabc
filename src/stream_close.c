/* The end of a stream: what was written is sent first, then the peer is told. */
#include "stream.h"

#include <errno.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

static void unref(void *stream) { promise_stream_unref(stream); }

/* What the layer above the transport has to say before the end; or nothing. */
static promise_t *finish(promise_stream_t *s, bool closing) {
    return s->layer && s->layer->finish ? s->layer->finish(s, closing, s->layer_data) : NULL;
}

/* ---- shutdown ---- */

static promise_value_t shut_down(promise_value_t v, void *arg) {
    promise_stream_t *s = arg;
    promise_t *p;

    (void)v;
    if (!s->bev) return promise__copy(s->gone);
    if (s->layer) return (p = finish(s, false)) ? promise_adopt(p) : promise_void();
    if (shutdown(bufferevent_getfd(s->bev), SHUT_WR) == 0) return promise_void();
    return promise__stream_failed(s, errno, "shut down");
}

promise_t *promise_stream_shutdown(promise_stream_t *s) {
    promise_loop_t *nomem = promise_source_nomem_loop(s);
    promise_value_t why;
    promise_t *p;

    if (nomem) return promise__settled(nomem, promise__nomem());
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

/* On every path: after a cancel it drops what was not sent. */
static promise_value_t close_now(promise_value_t v, void *arg) {
    (void)v;
    promise_stream_abort(arg);
    return promise_void();
}

/* What is left to be sent will never be; unless somebody knows already. */
static promise_value_t lost(promise_stream_t *s) {
    return promise_stream_unsent(s) && !s->told ? promise__stream_tell(s) : promise_void();
}

promise_t *promise_stream_close(promise_stream_t *s) {
    promise_loop_t *nomem = promise_source_nomem_loop(s);
    promise_value_t why;
    promise_t *p;

    if (nomem) return promise__settled(nomem, promise__nomem());
    s = promise__stream_arg(s, __func__);
    if (s->closing) return promise_ref(s->closing);
    why = promise__stream_refused(s);
    if (promise_error_is(why, &promise_errors, PROMISE_ECLOSED)) promise__release(why), why = promise_void(); /* aborted */
    if (!promise_is_void(why) || !s->bev) return promise__settled(s->loop, why);
    s->closed = true;
    why = promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "the stream was closed");
    promise__stream_reject_all(&s->reads, why);
    promise__release(why);
    promise__stream_send(s);
    promise__stream_serve_writes(s);
    if (!promise_is_void(s->error) || (!promise_stream_unsent(s) && !s->layer)) {
        p = promise__settled(s->loop, lost(s));
        promise_stream_abort(s);
    } else {
        p = promise_then(promise__stream_drained(s), sent, s);
        p = promise_attach(promise_finally(p, close_now, s), promise_stream_ref(s), unref);
    }
    s->closing = promise_ref(p);
    return p;
}
