/* Datagrams. */
#include <promise/datagram.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "socket.h"
#include "waiting.h"

enum { LARGEST = 65536 }; /* no datagram is longer */

struct receive_wait {
    struct waiter waiter;
    size_t max;
};

struct send_wait {
    struct waiter waiter;
    struct promise_address to; /* size 0: whom it is connected to */
    promise_value_t data;
};

struct udp_feed {
    struct feed feed;
    size_t max;
};

struct promise_udp {
    struct promise_source source;
    promise_loop_t *loop;
    int fd; /* -1: it could not be made */
    int family;
    struct event readable, writable;
    struct waiters receives, sends;
    struct feed *feeds;
    struct promise_address peer; /* size 0: it is not connected */
    promise_value_t error;       /* why fd is -1 */
    char *buffer;                /* for what comes: as large as was ever asked for */
    size_t buffer_size;
    unsigned busy; /* we are in one of its callbacks, which ends with update() */
    bool closed;   /* and frees it */
};

static promise_udp_t *check(const promise_udp_t *udp, const char *function) {
    if (!udp) promise__stop("%s: the promise_udp_t is NULL", function);
    promise__check_thread(udp->loop, function);
    return (promise_udp_t *)(uintptr_t)udp;
}

/* Of one that could not be made, for want of memory or of a loop that goes on. */
static promise_value_t not_made(const promise_loop_t *loop) { return loop->dying ? promise__canceled() : promise__nomem(); }

/* Why nothing can be asked of it, or void. */
static promise_value_t refused(const promise_udp_t *udp) {
    return udp->loop->dying ? promise__canceled() : promise__copy(udp->error);
}

/* ---- what was received ---- */

struct datagram {
    struct promise_address from;
    promise_value_t data;
    bool truncated;
};

static void datagram_free(void *object) { promise__release(((struct datagram *)object)->data); }

static size_t datagram_print(const void *object, char *buffer, size_t size) {
    const struct datagram *d = object;
    char from[PROMISE_ADDRESS_TEXT];
    size_t bytes;

    promise_as_bytes(d->data, &bytes);
    promise_address_print(&d->from, from, sizeof from);
    return (size_t)snprintf(buffer, size, "%zu bytes from %s", bytes, from);
}

const struct promise_type promise_type_datagram = {
    sizeof(struct promise_type), "datagram", datagram_free, NULL, NULL, NULL, datagram_print};

static const struct datagram *datagram_of(promise_value_t v, const char *function) {
    return promise__as_object_of(v, &promise_type_datagram, function);
}

promise_value_t promise_datagram_data(promise_value_t v) { return promise__mark(datagram_of(v, __func__)->data, MARK_LENT); }
const struct promise_address *promise_datagram_from(promise_value_t v) { return &datagram_of(v, __func__)->from; }
bool promise_datagram_truncated(promise_value_t v) { return datagram_of(v, __func__)->truncated; }

static promise_value_t datagram_new(const struct msghdr *message, const void *data, size_t size) {
    promise_value_t v, bytes = promise_bytes(data, size);
    struct datagram *d;

    if (promise_is_rejection(bytes)) return bytes;
    d = promise__cell_new(&promise_type_datagram, sizeof *d, &v);
    if (!d) {
        promise__release(bytes);
        return v;
    }
    *d = (struct datagram){.data = bytes, .truncated = (message->msg_flags & MSG_TRUNC) != 0};
    promise_address_set(&d->from, message->msg_name, message->msg_namelen);
    return v;
}

/* ---- one datagram ---- */

/* An IPv6 socket knows IPv4 addresses in the shape of IPv6 only. */
static struct promise_address for_family(int family, const struct promise_address *address) {
    const struct sockaddr_in *sin = (const struct sockaddr_in *)&address->storage;
    struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
    struct promise_address mapped = {.size = sizeof sin6};

    if (family != AF_INET6 || !address->size || address->storage.ss_family != AF_INET) return *address;
    sin6.sin6_port = sin->sin_port;
    memset(sin6.sin6_addr.s6_addr + 10, 255, 2);
    memcpy(sin6.sin6_addr.s6_addr + 12, &sin->sin_addr, 4);
    memcpy(&mapped.storage, &sin6, sizeof sin6);
    return mapped;
}

/* 0, or errno. */
static int send_one(promise_udp_t *udp, const struct promise_address *to, promise_value_t data) {
    struct promise_address there = for_family(udp->family, to);
    size_t size;
    const char *bytes = promise_as_bytes(data, &size);
    struct sockaddr *name = there.size ? (struct sockaddr *)&there.storage : NULL;
    ssize_t sent;

    do sent = sendto(udp->fd, bytes, size, 0, name, there.size);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? errno : 0;
}

static promise_value_t failed(const promise_udp_t *udp, int error, const char *what, const struct promise_address *address) {
    char text[32];

    if (!address || !address->size) address = &udp->peer;
    if (!address->size) return promise_throw_errno_at(NULL, error, "%s", what);
    snprintf(text, sizeof text, "%s %s", what, *what == 's' ? "to" : "from");
    return promise__socket_failed(error, text, address);
}

static bool again(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

/* False when there is none now. */
static bool receive_one(promise_udp_t *udp, size_t max, promise_value_t *v) {
    struct sockaddr_storage from;
    struct iovec part = {.iov_base = udp->buffer, .iov_len = max};
    struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1};
    ssize_t size;

    do size = recvmsg(udp->fd, &message, 0);
    while (size < 0 && errno == EINTR);
    if (size < 0 && again(errno)) return false;
    *v = size < 0 ? failed(udp, errno, "receive", NULL) : datagram_new(&message, udp->buffer, (size_t)size);
    return true;
}

/* ---- waiting ---- */

static void reject_waiters(promise_udp_t *udp, promise_value_t why) {
    promise__waiters_settle(&udp->sends, why);
    promise__waiters_settle(&udp->receives, why);
}

/* The descriptor cannot be watched: nobody waits in vain. */
static int watch(struct event *event, bool wanted) {
    if (!wanted) return event_del(event);
    return event_pending(event, EV_READ | EV_WRITE, NULL) ? 0 : event_add(event, NULL);
}

/* It is watched only for what somebody waits for (J3). */
static void update(promise_udp_t *udp) {
    if (udp->busy) return; /* whoever is above us on the stack does it */
    if (watch(&udp->readable, udp->receives.first) < 0 || watch(&udp->writable, udp->sends.first) < 0)
        reject_waiters(udp, promise__nomem());
}

static void receive_canceled(struct waiters *receives) {
    update((promise_udp_t *)((char *)receives - offsetof(promise_udp_t, receives)));
}
static void send_canceled(struct waiters *sends) { update((promise_udp_t *)((char *)sends - offsetof(promise_udp_t, sends))); }

static void release_data(struct waiter *w) { promise__release(((struct send_wait *)w)->data); }

/* As many as there are that wait. */
static void serve_receives(promise_udp_t *udp) {
    promise_value_t v;

    while (udp->receives.first) {
        struct receive_wait *r = (struct receive_wait *)udp->receives.first;
        if (!receive_one(udp, r->max, &v)) return;
        promise_resolve(promise__waiter_take(&r->waiter), v);
    }
}

static void serve_sends(promise_udp_t *udp) {
    while (udp->sends.first) {
        struct send_wait *s = (struct send_wait *)udp->sends.first;
        int error = send_one(udp, &s->to, s->data);
        promise_value_t v = promise_void();

        if (again(error)) return;
        if (error) v = failed(udp, error, "send", &s->to);
        promise_resolve(promise__waiter_take(&s->waiter), v);
    }
}

/* Handlers run at the end, and may close it, or free the loop. */
static void serve(promise_udp_t *udp, void (*serve_some)(promise_udp_t *udp)) {
    promise_loop_t *loop = udp->loop;

    udp->busy++;
    promise_source_enter(loop);
    serve_some(udp);
    promise_source_leave(loop);
    udp->busy--;
    if (udp->closed) promise__free(udp);
    else update(udp);
}

static void on_readable(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    serve(arg, serve_receives);
}

static void on_writable(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    serve(arg, serve_sends);
}

/* ---- make and close ---- */

static void destroy(promise_udp_t *udp, promise_value_t why) {
    promise_source_remove(&udp->source);
    event_del(&udp->readable);
    event_del(&udp->writable);
    reject_waiters(udp, why);
    promise__release(why);
    promise__feeds_end(&udp->feeds);
    if (udp->fd >= 0) close(udp->fd);
    promise__free(udp->buffer);
    promise__release(udp->error);
    if (udp->busy) udp->closed = true;
    else promise__free(udp);
}

static void loop_gone(struct promise_source *source) { destroy((promise_udp_t *)source, promise__canceled()); }

/* One without a socket, or NULL: there can be none. */
static promise_udp_t *udp_new(promise_loop_t *loop) {
    promise_udp_t *udp = promise__malloc(sizeof *udp);

    if (!udp) return NULL;
    memset(udp, 0, sizeof *udp);
    if (promise_source_add(loop, &udp->source, loop_gone) < 0) {
        promise__free(udp);
        return NULL;
    }
    udp->loop = loop;
    udp->fd = -1;
    promise__waiters_init(&udp->receives, NULL, receive_canceled);
    promise__waiters_init(&udp->sends, release_data, send_canceled);
    event_assign(&udp->readable, promise__event_host(loop)->base, -1, EV_READ, on_readable, udp);
    event_assign(&udp->writable, promise__event_host(loop)->base, -1, EV_WRITE, on_writable, udp);
    return udp;
}

static promise_udp_t *with_socket(promise_udp_t *udp, int fd, int family) {
    struct event_base *base = promise__event_host(udp->loop)->base;

    udp->fd = fd;
    udp->family = family;
    event_assign(&udp->readable, base, fd, EV_READ | EV_PERSIST, on_readable, udp);
    event_assign(&udp->writable, base, fd, EV_WRITE | EV_PERSIST, on_writable, udp);
    return udp;
}

static bool is_internet(const struct promise_address *a) {
    return a->size && (a->storage.ss_family == AF_INET || a->storage.ss_family == AF_INET6);
}

/* Bound to an address, or -1 with errno. */
static int open_socket(const struct promise_address *local) {
    int fd = is_internet(local) ? promise__socket_new(local->storage.ss_family, SOCK_DGRAM) : (errno = EINVAL, -1), error;

    if (fd < 0) return -1;
    if (local->storage.ss_family == AF_INET6) promise__socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (promise__socket_bind(fd, local) == 0) return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

promise_udp_t *promise_udp_new(promise_loop_t *loop, const struct promise_address *local) {
    struct promise_address any;
    promise_udp_t *udp;
    int fd;

    loop = promise__event_loop_arg(loop, __func__);
    udp = udp_new(loop);
    if (!udp) return promise_source_nomem(loop);
    if (!local) promise_address_parse(&any, "::", 0);
    else any = *local;
    fd = open_socket(&any);
    if (fd < 0 && !local && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) { /* a machine with IPv4 alone */
        promise_address_parse(&any, "0.0.0.0", 0);
        fd = open_socket(&any);
    }
    if (fd >= 0) return with_socket(udp, fd, any.storage.ss_family);
    udp->error = promise__socket_failed(errno, "udp on", &any);
    return udp;
}

/* The family of a UDP socket, or -1 with errno. */
static int family_of(int fd) {
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    int type = promise__socket_get(fd, SOL_SOCKET, SO_TYPE);

    if (type < 0 || getsockname(fd, (struct sockaddr *)&name, &size) < 0) return -1;
    if (type == SOCK_DGRAM && (name.ss_family == AF_INET || name.ss_family == AF_INET6)) return name.ss_family;
    errno = EINVAL;
    return -1;
}

promise_udp_t *promise_udp_adopt(promise_loop_t *loop, int fd) {
    int family, error = 0;
    promise_udp_t *udp;

    loop = promise__event_loop_arg(loop, __func__);
    udp = udp_new(loop);
    family = family_of(fd);
    if (family < 0 || promise__socket_prepare(fd) < 0) error = errno;
    if (udp && !error) {
        if (promise_address_peer(&udp->peer, fd) < 0) udp->peer.size = 0;
        return with_socket(udp, fd, family);
    }
    if (fd >= 0) close(fd);
    if (!udp) return promise_source_nomem(loop);
    udp->error = promise_throw_errno_at(NULL, error, "udp on descriptor %d", fd);
    return udp;
}

void promise_udp_close(void *udp) {
    if (!udp || promise_source_nomem_loop(udp)) return;
    destroy(check(udp, __func__), promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "the promise_udp_t is closed"));
}

/* ---- use ---- */

int promise_udp_connect(promise_udp_t *udp, const struct promise_address *address) {
    struct promise_address there;

    if (promise_source_nomem_loop(udp)) return errno = ENOMEM, -1;
    udp = check(udp, __func__);
    if (!address || !is_internet(address)) return errno = EINVAL, -1;
    there = for_family(udp->family, address);
    if (promise__socket_connect(udp->fd, &there) < 0) return -1;
    udp->peer = *address;
    return 0;
}

static promise_t *wait_to_send(promise_udp_t *udp, const struct promise_address *to, promise_value_t data) {
    struct waiter *w;
    promise_t *p = promise__wait_in(udp->loop, &udp->sends, sizeof(struct send_wait), &w);
    struct send_wait *s = (struct send_wait *)w;

    if (!s) {
        promise__release(data);
        return p;
    }
    s->to = *to;
    s->data = data;
    update(udp);
    return p;
}

/* Takes data over. */
static promise_t *send_data(promise_udp_t *udp, const struct promise_address *to, promise_value_t data) {
    static const struct promise_address nowhere;
    promise_value_t v = refused(udp);
    int error;

    if (!to) to = &nowhere;
    if (promise_is_void(v) && promise_is_rejection(data)) return promise__settled(udp->loop, data);
    if (promise_is_void(v) && !promise_is(data, &promise_type_string) && !promise_is(data, &promise_type_bytes))
        v = promise__bad_argument("promise_udp_send", "data is neither string nor bytes");
    if (promise_is_void(v)) {
        error = udp->sends.first ? EAGAIN : send_one(udp, to, data);
        if (again(error)) return wait_to_send(udp, to, data);
        if (error) v = failed(udp, error, "send", to);
    }
    promise__release(data);
    return promise__settled(udp->loop, v);
}

promise_t *promise_udp_send(promise_udp_t *udp, const struct promise_address *to, promise_value_t data) {
    promise_loop_t *loop = promise_source_nomem_loop(udp);

    data = promise__take(data);
    if (!loop) return send_data(check(udp, __func__), to, data);
    promise__release(data);
    return promise__settled(loop, not_made(loop));
}

/* Not even what is there already is received here: a cancel could not leave it to the next one (K6). */
static promise_t *receive(promise_udp_t *udp, size_t max) {
    promise_value_t why = refused(udp);
    struct waiter *w;
    promise_t *p;

    if (!promise_is_void(why)) return promise__settled(udp->loop, why);
    if (!max) return promise__settled(udp->loop, promise__bad_argument("promise_udp_receive", "max is 0"));
    if (max > LARGEST) max = LARGEST;
    if (max > udp->buffer_size) {
        char *buffer = promise__realloc(udp->buffer, max);
        if (!buffer) return promise__settled(udp->loop, promise__nomem());
        udp->buffer = buffer;
        udp->buffer_size = max;
    }
    p = promise__wait_in(udp->loop, &udp->receives, sizeof(struct receive_wait), &w);
    if (!w) return p;
    ((struct receive_wait *)w)->max = max;
    update(udp);
    return p;
}

promise_t *promise_udp_receive(promise_udp_t *udp, size_t max) {
    promise_loop_t *loop = promise_source_nomem_loop(udp);

    if (loop) return promise__settled(loop, not_made(loop));
    return receive(check(udp, __func__), max);
}

static promise_value_t next_datagram(promise_value_t v, void *arg) {
    struct udp_feed *f = arg;

    (void)v;
    return f->feed.owner ? promise__feed_from(receive(f->feed.owner, f->max)) : promise_end();
}

promise_iterator_t *promise_udp_received(promise_udp_t *udp, size_t max) {
    promise_loop_t *loop = promise_source_nomem_loop(udp);
    const struct udp_feed f = {{.owner = udp}, max};

    if (loop) return promise_list_items(loop, not_made(loop));
    udp = check(udp, __func__);
    return promise__feed_new(udp->loop, &udp->feeds, next_datagram, &f.feed, sizeof f);
}

/* ---- query ---- */

int promise_udp_fd(const promise_udp_t *udp) { return promise_source_nomem_loop(udp) ? -1 : check(udp, __func__)->fd; }

int promise_udp_address(const promise_udp_t *udp, struct promise_address *address) {
    return promise_address_local(address, promise_udp_fd(udp));
}

uint16_t promise_udp_port(const promise_udp_t *udp) {
    struct promise_address address;
    return promise_udp_address(udp, &address) < 0 ? 0 : promise_address_port(&address);
}

promise_value_t promise_udp_error(const promise_udp_t *udp) {
    promise_loop_t *loop = promise_source_nomem_loop(udp);
    return loop ? not_made(loop) : promise__mark(check(udp, __func__)->error, MARK_LENT);
}
