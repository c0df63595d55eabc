/* What a stream's bufferevent says: it is served, in the callback itself (J2); or, when we are in a call of ours, afterwards. */
#include "stream.h"

#include <errno.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

void promise__stream_hold(promise_stream_t *s) { s->busy++; }

void promise__stream_unhold(promise_stream_t *s) {
    if (--s->busy) return;
    while (s->again && s->bev) {
        s->again = false;
        promise__stream_serve_reads(s);
        promise__stream_serve_writes(s);
    }
}

/* True when its callback may go on; else we are in one of its functions, or are serving, and look again ourselves. */
static bool enter(promise_stream_t *s) {
    if (s->busy) {
        s->again = true;
        return false;
    }
    s->refs++;
    promise_source_enter(s->loop);
    return true;
}

static void leave(promise_stream_t *s) {
    promise_source_leave(s->loop);
    promise_stream_unref(s);
}

static void on_read(struct bufferevent *bev, void *arg) {
    promise_stream_t *s = arg;

    (void)bev;
    if (!enter(s)) return;
    promise__stream_serve_reads(s);
    leave(s);
}

static void on_write(struct bufferevent *bev, void *arg) {
    promise_stream_t *s = arg;

    if (s->direct && !promise_stream_unsent(s)) bufferevent_disable(bev, EV_WRITE); /* until a drain leaves some over */
    if (!enter(s)) return;
    promise__stream_serve_writes(s);
    leave(s);
}

/* A timeout of a bufferevent that the user brought: for who waits now. libevent has stopped that direction. */
static void timed_out(promise_stream_t *s, short what) {
    promise_value_t why = promise_throw_at(NULL, &promise_errors, PROMISE_ETIMEDOUT, "the bufferevent's timeout");

    promise__stream_reject_all(what & BEV_EVENT_READING ? &s->reads : &s->writes, why);
    promise__release(why);
    promise__stream_hold(s);
    if (!(what & BEV_EVENT_READING)) bufferevent_enable(s->bev, EV_WRITE);
    else if (s->watched) bufferevent_enable(s->bev, EV_READ);
    promise__stream_unhold(s);
}

static promise_value_t why_broken(promise_stream_t *s, short what, int error) {
    promise_value_t why = promise_void();

    if (s->layer && s->layer->failed) why = promise__returned(s->layer->failed(s, what, s->layer_data));
    if (promise_is_rejection(why)) return why;
    promise__release(why);
    if (what & BEV_EVENT_EOF) error = s->direct ? EIO : EPIPE; /* a file that has become shorter; a peer that takes no more */
    return promise__stream_failed(s, error ? error : EIO, what & BEV_EVENT_READING ? "read from" : "write to");
}

/* At the end of what a TLS peer sends, libevent stops writing as well. */
static void write_on(promise_stream_t *s) {
    if (s->direct || !promise_stream_unsent(s) || !promise_is_void(s->error)) return;
    promise__stream_hold(s);
    bufferevent_enable(s->bev, EV_WRITE);
    promise__stream_unhold(s);
}

/* Several bits may come at once. An end while writing is none of what is to be read. */
static void see_event(promise_stream_t *s, short what, int error) {
    bool broken = what & BEV_EVENT_ERROR || (what & BEV_EVENT_EOF && what & BEV_EVENT_WRITING);

    if (what & BEV_EVENT_TIMEOUT) timed_out(s, what);
    if (what & BEV_EVENT_EOF && !s->direct) s->end = true;
    if (broken) {
        promise__stream_fail(s, why_broken(s, what, error));
        return;
    }
    if (what & BEV_EVENT_EOF) write_on(s);
    promise__stream_serve_reads(s);
}

static void on_event(struct bufferevent *bev, short what, void *arg) {
    promise_stream_t *s = arg;
    int error = EVUTIL_SOCKET_ERROR();

    (void)bev;
    if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT))) return;
    if (!enter(s)) { /* the bits come once: what they settle is drained later */
        see_event(s, what, error);
        return;
    }
    see_event(s, what, error);
    leave(s);
}

void promise__stream_listen(promise_stream_t *s) { bufferevent_setcb(s->bev, on_read, on_write, on_event, s); }
