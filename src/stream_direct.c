/*
 * Reading a plain descriptor by ourselves: libevent 2.1 reads 4 KiB at a time, each after asking how much there is, and what it
 * read would be copied once more. Here one read takes what there is, up to 64 KiB, into a block that all streams of the loop
 * share; the read that waits gets its bytes from there, and only what nobody waits for goes into the bufferevent's input.
 */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

/* To others the input is closed at its end. */
static int keep(promise_stream_t *s, const char *data, size_t size) {
    struct evbuffer *in = bufferevent_get_input(s->bev);
    int failed;

    evbuffer_unfreeze(in, 0);
    failed = evbuffer_add(in, data, size);
    evbuffer_freeze(in, 0);
    return failed;
}

/* What the first read gets straight away of size bytes; how much that was. */
static size_t hand_over(promise_stream_t *s, const char *data, size_t size) {
    struct stream_wait *w = s->reads.first;
    promise_value_t v;

    if (!w || w->asks.kind != READ_SOME || promise_stream_readable(s)) return 0;
    if (size > w->asks.size) size = w->asks.size;
    v = promise_bytes(data, size);
    if (promise_is_rejection(v)) size = 0; /* the bytes stay for the next one (K6) */
    promise__stream_settle(w, v);
    return size;
}

static void got(promise_stream_t *s, const char *data, size_t size) {
    size_t taken = hand_over(s, data, size);

    if (taken < size && keep(s, data + taken, size - taken) < 0) promise__stream_fail(s, promise__nomem());
    else if (s->reads.first) promise__stream_serve_reads(s);
    promise__stream_watch_input(s);
}

static void read_now(promise_stream_t *s, struct event_host *h) {
    ssize_t size;

    if (!h->block) h->block = promise__malloc(STREAM_BLOCK);
    if (!h->block) {
        promise__stream_fail(s, promise__nomem());
        return;
    }
    size = read(bufferevent_getfd(s->bev), h->block, STREAM_BLOCK);
    if (size > 0) {
        got(s, h->block, (size_t)size);
    } else if (size == 0) {
        s->end = true;
        promise__stream_watch_input(s);
        promise__stream_serve_reads(s);
    } else if (errno != EAGAIN && errno != EINTR) {
        promise__stream_fail(s, promise__stream_failed(s, errno, "read from"));
        promise__stream_watch_input(s);
    }
}

/* An end for writing alone becomes readable when the reader of the pipe has gone. */
static void see_reader(promise_stream_t *s) {
    struct pollfd now = {.fd = bufferevent_getfd(s->bev), .events = POLLOUT};

    s->end = true;
    promise__stream_watch_input(s);
    if (poll(&now, 1, 0) > 0 && now.revents & (POLLERR | POLLHUP))
        promise__stream_fail(s, promise__stream_failed(s, EPIPE, "write to"));
}

static void on_readable(evutil_socket_t fd, short what, void *arg) {
    promise_stream_t *s = arg;

    (void)fd, (void)what;
    s->refs++;
    promise_source_enter(s->loop);
    if (s->only_writes) see_reader(s);
    else read_now(s, promise__event_host(s->loop));
    promise_source_leave(s->loop);
    promise_stream_unref(s);
}

/* Not by a high-water mark for reading: at the mark, libevent 2.1 calls back without end as long as nobody reads, and a TLS
 * bufferevent forgets what OpenSSL has of a record. A filter may call back from in here. */
static void watch_bufferevent(promise_stream_t *s) {
    promise__stream_hold(s);
    if (s->watched) bufferevent_enable(s->bev, EV_READ);
    else bufferevent_disable(s->bev, EV_READ);
    promise__stream_unhold(s);
}

static promise_value_t not_watchable(promise_stream_t *s) {
    return errno && errno != ENOMEM ? promise__stream_failed(s, errno, "wait for") : promise__nomem();
}

/* Watched as long as there is something to come, and room for it. */
void promise__stream_watch_input(promise_stream_t *s) {
    bool wanted;

    if (!s->bev) return;
    wanted = !s->end && promise_is_void(s->error) && promise_stream_readable(s) < s->ahead;
    if (wanted == s->watched) return;
    s->watched = wanted;
    errno = 0;
    if (!s->direct) watch_bufferevent(s);
    else if (!wanted) event_del(s->readable);
    else if (event_add(s->readable, NULL) < 0) promise__stream_fail(s, not_watchable(s));
}

int promise__stream_go_direct(promise_stream_t *s, int flags) {
    struct event_base *base = promise__event_host(s->loop)->base;

    s->readable = event_new(base, bufferevent_getfd(s->bev), EV_READ | EV_PERSIST, on_readable, s);
    if (!s->readable) return -1;
    bufferevent_disable(s->bev, EV_WRITE); /* until a drain leaves some over */
    s->only_reads = (flags & O_ACCMODE) == O_RDONLY;
    s->only_writes = (flags & O_ACCMODE) == O_WRONLY;
    s->direct = true;
    promise__stream_watch_input(s);
    return 0;
}

void promise__stream_leave_direct(promise_stream_t *s) {
    event_free(s->readable);
    s->readable = NULL;
}
