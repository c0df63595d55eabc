/* Connecting to an address. */
#include <promise/connect.h>

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "socket.h"
#include "waiting.h"

struct connecting {
    struct event event; /* always assigned */
    promise_loop_t *loop;
    promise_resolver_t *resolver;
    struct promise_address address;
    int fd; /* -1 before it is made */
};

/* Takes it apart; the resolver and the descriptor are the caller's. */
static promise_resolver_t *finish(struct connecting *c) {
    promise_resolver_t *resolver = c->resolver;

    event_del(&c->event);
    promise__free(c);
    return resolver;
}

static void fail(struct connecting *c, int error) {
    promise_value_t why = promise__socket_failed(error, "connect", &c->address);
    int fd = c->fd;

    promise_reject(finish(c), why);
    if (fd >= 0) close(fd);
}

static void succeed(struct connecting *c) {
    promise_value_t stream = promise_stream_value(promise_stream_new(c->loop, c->fd));

    promise_resolve(finish(c), stream);
}

static void stop(void *arg) {
    struct connecting *c = arg;
    int fd = c->fd;

    promise_abandon(finish(c));
    if (fd >= 0) close(fd);
}

/* ---- the socket ---- */

static void try_now(struct connecting *c);

static void on_retry(evutil_socket_t fd, short what, void *arg) {
    struct connecting *c = arg;
    promise_loop_t *loop = c->loop;

    (void)fd, (void)what;
    promise_source_enter(loop);
    try_now(c);
    promise_source_leave(loop);
}

static void on_writable(evutil_socket_t fd, short what, void *arg) {
    struct connecting *c = arg;
    promise_loop_t *loop = c->loop;
    int error = promise__socket_get(fd, SOL_SOCKET, SO_ERROR);

    (void)what;
    promise_source_enter(loop);
    if (error) fail(c, error < 0 ? errno : error);
    else succeed(c);
    promise_source_leave(loop);
}

static void wait_for(struct connecting *c, short what, event_callback_fn callback, const struct timeval *time) {
    struct event_base *base = promise__event_host(c->loop)->base;

    if (time) event_base_update_cache_time(base);
    event_assign(&c->event, base, what ? c->fd : -1, what, callback, c);
    if (event_add(&c->event, time) < 0) fail(c, ENOMEM);
}

/* A Unix socket whose listener has a full queue says EAGAIN, and no event tells when there is room. */
static void try_now(struct connecting *c) {
    static const struct timeval soon = {0, SOCKET_RETRY_MS * 1000};

    if (promise__socket_connect(c->fd, &c->address) == 0) succeed(c);
    else if (errno == EINPROGRESS || errno == EINTR) wait_for(c, EV_WRITE, on_writable, NULL);
    else if (errno == EAGAIN && c->address.storage.ss_family == AF_UNIX) wait_for(c, 0, on_retry, &soon);
    else fail(c, errno);
}

/* With any port, which one is chosen by connect(2): only then may connections to several peers share one. */
static int bind_to(int fd, const struct promise_address *local) {
#ifdef IP_BIND_ADDRESS_NO_PORT
    if (local->storage.ss_family != AF_UNIX && !promise_address_port(local))
        promise__socket_set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
#endif
    return promise__socket_bind(fd, local);
}

static void start(struct connecting *c, const struct promise_address *local) {
    int family = c->address.storage.ss_family;

    c->fd = c->address.size ? promise__socket_new(family, SOCK_STREAM) : (errno = EINVAL, -1);
    if (c->fd >= 0) promise__socket_no_delay(c->fd, family);
    if (c->fd < 0 || (local && bind_to(c->fd, local) < 0)) fail(c, errno);
    else try_now(c);
}

/* ---- the calls ---- */

static promise_t *connect_to(promise_loop_t *loop, const struct promise_address *address, const struct promise_address *local) {
    struct connecting *c;
    promise_t *p;

    if (loop->dying) return promise__settled(loop, promise__canceled());
    c = promise__malloc(sizeof *c);
    if (!c) return promise__settled(loop, promise__nomem());
    *c = (struct connecting){.loop = loop, .address = *address, .fd = -1};
    evtimer_assign(&c->event, promise__event_host(loop)->base, on_retry, c);
    p = promise_new(loop, &c->resolver);
    if (!promise_resolver_is_pending(c->resolver)) { /* out of memory: it would not hear of a cancel */
        promise_abandon(finish(c));
        return p;
    }
    promise_on_cancel(c->resolver, stop, c);
    start(c, local);
    return p;
}

promise_t *promise_connect_address_from(promise_loop_t *loop, const struct promise_address *address,
                                        const struct promise_address *local) {
    loop = promise__event_loop_arg(loop, __func__);
    if (!address) return promise__settled(loop, promise__bad_argument(__func__, "address is NULL"));
    return connect_to(loop, address, local);
}

promise_t *promise_connect_address(promise_loop_t *loop, const struct promise_address *address) {
    loop = promise__event_loop_arg(loop, __func__);
    if (!address) return promise__settled(loop, promise__bad_argument(__func__, "address is NULL"));
    return connect_to(loop, address, NULL);
}

promise_t *promise_connect_unix(promise_loop_t *loop, const char *path) {
    struct promise_address address;

    loop = promise__event_loop_arg(loop, __func__);
    if (!path) return promise__settled(loop, promise__bad_argument(__func__, "path is NULL"));
    if (promise_address_unix(&address, path) < 0)
        return promise__settled(loop, promise_throw_errno_at(NULL, errno, "connect unix:%s", path));
    return connect_to(loop, &address, NULL);
}
