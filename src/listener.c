/* Listeners. */
#include <promise/listener.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "listen.h"
#include "socket.h"
#include "stream.h"
#include "waiting.h"

struct connection { /* a stream that was accepted and is open */
    struct stream_watch watch;
    promise_listener_t *listener; /* NULL when nobody counts it any more */
    struct connection *next, **link;
};

struct stop_wait {
    struct waiter waiter;
    promise_listener_t *listener;
    void *timer; /* the host's, or NULL: for ever */
};

struct promise_listener {
    struct promise_source source;
    promise_loop_t *loop;
    int fd;    /* -1: it does not listen (any more) */
    bool made; /* it once did */
    struct listen_file file;
    struct event ready, retry;
    struct timeval backoff;
    struct waiters accepts, stops;
    struct feed *feeds;
    struct connection *connections;
    size_t count;          /* of them */
    promise_value_t error; /* why fd is -1, or why it rests */
    bool resting;          /* until retry comes */
    bool stopped;
    unsigned busy; /* we are in one of its callbacks, which ends with update() */
    bool closed;   /* and frees it */
};

static promise_listener_t *check(const promise_listener_t *l, const char *function) {
    if (!l) promise__stop("%s: the listener is NULL", function);
    promise__check_thread(l->loop, function);
    return (promise_listener_t *)(uintptr_t)l;
}

static promise_value_t closed_error(void) {
    return promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "the listener is closed");
}

/* Of a listener that could not be made, for want of memory or of a loop that goes on. */
static promise_value_t not_made(const promise_loop_t *loop) { return loop->dying ? promise__canceled() : promise__nomem(); }

/* Takes why over. */
static void set_error(promise_listener_t *l, promise_value_t why) {
    promise__release(l->error);
    l->error = why;
}

/* ---- waiting for connections ---- */

/* No more connections; takes over why, for those who wait. */
static void stop_listening(promise_listener_t *l, promise_value_t why) {
    event_del(&l->ready);
    event_del(&l->retry);
    l->resting = false;
    promise__listen_file_remove(&l->file);
    if (l->fd >= 0) close(l->fd);
    l->fd = -1;
    promise__waiters_settle(&l->accepts, why);
    promise__release(why);
}

static void break_down(promise_listener_t *l, int error) {
    struct promise_address address;

    (void)promise_address_local(&address, l->fd);
    set_error(l, promise__socket_failed(error, "accept on", &address));
    stop_listening(l, promise__copy(l->error));
}

/* Listens as long as somebody waits, and rests when it has to: the loop is not kept from its end by what nobody wants (J3). */
static void update(promise_listener_t *l) {
    bool wanted = l->fd >= 0 && l->accepts.first;

    if (l->busy) return; /* whoever is above us on the stack does it */
    if (!wanted && l->resting) {
        event_del(&l->retry);
        l->resting = false;
    }
    if (!wanted || l->resting) event_del(&l->ready);
    else if (!event_pending(&l->ready, EV_READ, NULL) && event_add(&l->ready, NULL) < 0) break_down(l, ENOMEM);
}

static void accept_canceled(struct waiters *accepts) {
    update((promise_listener_t *)((char *)accepts - offsetof(promise_listener_t, accepts)));
}

/* R23: what is used up does not come back by asking again at once. */
static void rest(promise_listener_t *l, int error) {
    struct promise_address address;

    (void)promise_address_local(&address, l->fd);
    set_error(l, promise__socket_failed(error, "accept on", &address));
    event_base_update_cache_time(promise__event_host(l->loop)->base); /* R24 */
    if (event_add(&l->retry, &l->backoff) == 0) l->resting = true;
    else break_down(l, ENOMEM);
}

/* ---- connections ---- */

static void stops_done(promise_listener_t *l, size_t aborted) {
    promise__waiters_settle(&l->stops, promise_int((int64_t)aborted));
}

static void forget(struct connection *c) {
    promise_listener_t *l = c->listener;

    *c->link = c->next;
    if (c->next) c->next->link = c->link;
    c->listener = NULL;
    l->count--;
}

static void connection_closed(struct stream_watch *watch) {
    struct connection *c = (struct connection *)watch; /* the first field */
    promise_listener_t *l = c->listener;

    if (l) {
        forget(c);
        if (!l->count) stops_done(l, 0);
    }
    promise__free(c);
}

/* Each goes as its watch tells. */
static size_t abort_connections(promise_listener_t *l) {
    size_t aborted = 0;

    for (; l->connections; aborted++) {
        promise_stream_t *s = l->connections->watch.stream;
        forget(l->connections);
        promise_stream_abort(s);
    }
    return aborted;
}

static void count(promise_listener_t *l, struct connection *c, promise_stream_t *s) {
    if (promise_stream_is_closed(s)) { /* it could not be made: its value tells */
        promise__free(c);
        return;
    }
    *c = (struct connection){.listener = l, .next = l->connections, .link = &l->connections};
    if (c->next) c->next->link = &c->next;
    l->connections = c;
    l->count++;
    promise__stream_watch(s, &c->watch, connection_closed);
}

/* ---- accepting ---- */

/* Memory first: a connection that was taken could not be put back. 0, or errno. */
static int accept_one(promise_listener_t *l) {
    struct connection *c = promise__malloc(sizeof *c);
    promise_stream_t *s;
    int fd, error;

    if (!c) return ENOMEM;
    fd = promise__socket_accept(l->fd);
    if (fd < 0) {
        error = errno;
        promise__free(c);
        return error;
    }
    s = promise_stream_new(l->loop, fd);
    count(l, c, s);
    set_error(l, promise_void());
    promise_resolve(promise__waiter_take(l->accepts.first), promise_stream_value(s));
    return 0;
}

/* As many as there are that wait: whose connection it was when that is gone already (ECONNABORTED), or what the net has to
 * say about it, is nothing to them. */
static void accept_some(promise_listener_t *l) {
    enum { MOST_SKIPPED = 64 }; /* then others have their turn */

    for (int skipped = 0; l->accepts.first && skipped < MOST_SKIPPED;) {
        int error = accept_one(l);
        if (error == EAGAIN || error == EWOULDBLOCK) return;
        switch (error) {
        case 0: break;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM: rest(l, error); return;
        case EBADF:
        case EINVAL:
        case ENOTSOCK:
        case EFAULT: break_down(l, error); return;
        default: skipped++;
        }
    }
}

/* Handlers run at the end, and may close the listener, or free the loop. */
static void serve(promise_listener_t *l) {
    promise_loop_t *loop = l->loop;

    l->busy++;
    promise_source_enter(loop);
    accept_some(l);
    promise_source_leave(loop);
    l->busy--;
    if (l->closed) promise__free(l);
    else update(l);
}

static void on_ready(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    serve(arg);
}

static void on_retry(evutil_socket_t fd, short what, void *arg) {
    promise_listener_t *l = arg;

    (void)fd, (void)what;
    l->resting = false;
    serve(l);
}

/* ---- make ---- */

static void destroy(promise_listener_t *l, promise_value_t why) {
    promise_source_remove(&l->source);
    stop_listening(l, promise__copy(why));
    promise__feeds_end(&l->feeds);
    promise__waiters_settle(&l->stops, why);
    promise__release(why);
    while (l->connections) {
        struct connection *c = l->connections;
        forget(c);
        promise__stream_unwatch(&c->watch);
        promise__free(c);
    }
    set_error(l, promise_void());
    if (l->busy) l->closed = true;
    else promise__free(l);
}

static void loop_gone(struct promise_source *source) { destroy((promise_listener_t *)source, promise__canceled()); }

static void drop_timer(struct waiter *w) {
    struct stop_wait *s = (struct stop_wait *)w;
    promise_loop_t *loop = s->listener->loop;

    if (s->timer) loop->host->cancel_after(loop->host_data, s->timer);
}

/* One that does not listen yet, or NULL: there can be none. */
static promise_listener_t *listener_new(promise_loop_t *loop, uint64_t backoff_ms) {
    struct event_base *base = promise__event_host(loop)->base;
    promise_listener_t *l = promise__malloc(sizeof *l);

    if (!l) return NULL;
    memset(l, 0, sizeof *l);
    if (promise_source_add(loop, &l->source, loop_gone) < 0) {
        promise__free(l);
        return NULL;
    }
    l->loop = loop;
    l->fd = -1;
    if (!backoff_ms) backoff_ms = 100;
    if (backoff_ms > INT32_MAX) backoff_ms = INT32_MAX;
    l->backoff = (struct timeval){(time_t)(backoff_ms / 1000), (suseconds_t)(backoff_ms % 1000 * 1000)};
    promise__waiters_init(&l->accepts, NULL, accept_canceled);
    promise__waiters_init(&l->stops, drop_timer, NULL);
    event_assign(&l->ready, base, -1, EV_READ | EV_PERSIST, on_ready, l);
    evtimer_assign(&l->retry, base, on_retry, l);
    return l;
}

/* fd -1: why is to be told. */
static promise_listener_t *listening(promise_listener_t *l, int fd, promise_value_t why) {
    if (fd < 0) {
        set_error(l, why);
        return l;
    }
    l->fd = fd;
    l->made = true;
    event_assign(&l->ready, promise__event_host(l->loop)->base, fd, EV_READ | EV_PERSIST, on_ready, l);
    return l;
}

promise_listener_t *promise_listener_new_with(promise_loop_t *loop, const struct promise_address *address,
                                              const struct promise_listener_options *options) {
    static const struct promise_listener_options none;
    promise_listener_t *l;
    int fd;

    loop = promise__event_loop_arg(loop, __func__);
    if (!options) options = &none;
    l = listener_new(loop, options->backoff_ms);
    if (!l) return promise_source_nomem(loop);
    if (!address) return listening(l, -1, promise__bad_argument(__func__, "address is NULL"));
    fd = promise__listen(address, options, &l->file);
    return listening(l, fd, fd < 0 ? promise__socket_failed(errno, "listen on", address) : promise_void());
}

promise_listener_t *promise_listener_new(promise_loop_t *loop, const char *host, uint16_t port) {
    struct promise_address address;
    promise_listener_t *l;
    int fd;

    if (host && promise_address_parse(&address, host, port) == 0) return promise_listener_new_with(loop, &address, NULL);
    loop = promise__event_loop_arg(loop, __func__);
    l = listener_new(loop, 0);
    if (!l) return promise_source_nomem(loop);
    if (host) return listening(l, -1, promise_throw_errno_at(NULL, errno, "listen on %s", host));
    fd = promise__listen_to_all(port, &address);
    return listening(l, fd, fd < 0 ? promise__socket_failed(errno, "listen on", &address) : promise_void());
}

promise_listener_t *promise_listener_adopt(promise_loop_t *loop, int fd, const struct promise_listener_options *options) {
    promise_listener_t *l;
    int error;

    loop = promise__event_loop_arg(loop, __func__);
    l = listener_new(loop, options ? options->backoff_ms : 0);
    if (l && promise__listen_adopt(fd) == 0) return listening(l, fd, promise_void());
    error = errno;
    if (fd >= 0) close(fd);
    if (!l) return promise_source_nomem(loop);
    return listening(l, -1, promise_throw_errno_at(NULL, error, "listen on descriptor %d", fd));
}

void promise_listener_close(void *l) {
    if (!l || promise_source_nomem_loop(l)) return;
    destroy(check(l, __func__), closed_error());
}

/* ---- use ---- */

static promise_t *wait_for_one(promise_listener_t *l) {
    struct waiter *w;
    promise_t *p;

    if (l->loop->dying) return promise__settled(l->loop, promise__canceled());
    if (l->stopped) return promise__settled(l->loop, closed_error());
    if (l->fd < 0) return promise__settled(l->loop, promise__copy(l->error));
    p = promise__wait_in(l->loop, &l->accepts, sizeof *w, &w);
    if (w) update(l);
    return p;
}

promise_t *promise_listener_accept(promise_listener_t *l) {
    promise_loop_t *loop = promise_source_nomem_loop(l);

    if (loop) return promise__settled(loop, not_made(loop));
    return wait_for_one(check(l, __func__));
}

static promise_value_t next_one(promise_value_t v, void *arg) {
    struct feed *f = arg;

    (void)v;
    return f->owner ? promise__feed_from(wait_for_one(f->owner)) : promise_end();
}

promise_iterator_t *promise_listener_accepted(promise_listener_t *l) {
    promise_loop_t *loop = promise_source_nomem_loop(l);
    const struct feed f = {.owner = l};

    if (loop) return promise_list_items(loop, not_made(loop));
    l = check(l, __func__);
    return promise__feed_new(l->loop, &l->feeds, next_one, &f, sizeof f);
}

static void deadline(void *arg) {
    struct stop_wait *s = arg;
    promise_listener_t *l = s->listener;

    s->timer = NULL;
    stops_done(l, abort_connections(l));
}

static promise_t *wait_for_all(promise_listener_t *l, uint64_t timeout_ms) {
    struct waiter *w;
    promise_t *p = promise__wait_in(l->loop, &l->stops, sizeof(struct stop_wait), &w);
    struct stop_wait *s = (struct stop_wait *)w;

    if (!s) return p;
    s->listener = l;
    if (timeout_ms == UINT64_MAX) return p;
    s->timer = l->loop->host->after(l->loop->host_data, timeout_ms, deadline, s);
    if (!s->timer) promise_reject(promise__waiter_take(w), promise__nomem());
    return p;
}

promise_t *promise_listener_stop(promise_listener_t *l, uint64_t timeout_ms) {
    promise_loop_t *loop = promise_source_nomem_loop(l);
    size_t aborted;

    if (loop) return promise__settled(loop, not_made(loop));
    l = check(l, __func__);
    if (l->loop->dying) return promise__settled(l->loop, promise__canceled());
    if (l->fd >= 0) stop_listening(l, closed_error());
    else if (!l->made) return promise__settled(l->loop, promise__copy(l->error));
    l->stopped = true;
    set_error(l, promise_void());
    if (l->count && timeout_ms) return wait_for_all(l, timeout_ms);
    aborted = abort_connections(l);
    stops_done(l, aborted);
    return promise__settled(l->loop, promise_int((int64_t)aborted));
}

/* ---- query ---- */

int promise_listener_fd(const promise_listener_t *l) { return promise_source_nomem_loop(l) ? -1 : check(l, __func__)->fd; }

int promise_listener_address(const promise_listener_t *l, struct promise_address *address) {
    return promise_address_local(address, promise_listener_fd(l));
}

uint16_t promise_listener_port(const promise_listener_t *l) {
    struct promise_address address;
    return promise_listener_address(l, &address) < 0 ? 0 : promise_address_port(&address);
}

promise_value_t promise_listener_error(const promise_listener_t *l) {
    promise_loop_t *loop = promise_source_nomem_loop(l);
    return loop ? not_made(loop) : promise__mark(check(l, __func__)->error, MARK_LENT);
}

size_t promise_listener_connections(const promise_listener_t *l) {
    return promise_source_nomem_loop(l) ? 0 : check(l, __func__)->count;
}
