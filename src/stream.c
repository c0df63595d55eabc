/* Streams: making and owning them, and their end. */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include <promise/address.h>

/* ---- the value ---- */

static void retain(void *object) { ((promise_stream_t *)object)->refs++; }
static void release(void *object) { promise_stream_unref(object); }

const struct promise_type promise_type_stream = {
    .size = sizeof(struct promise_type), .name = "stream", .retain = retain, .release = release};

promise_value_t promise_stream_value(promise_stream_t *s) {
    if (promise_source_nomem_loop(s)) return promise__nomem();
    return s ? promise_object(&promise_type_stream, s) : promise__bad_argument(__func__, "stream is NULL");
}

promise_stream_t *promise_as_stream(promise_value_t v) { return promise__as_object_of(v, &promise_type_stream, __func__); }

promise_stream_t *promise__stream_arg(const promise_stream_t *s, const char *function) {
    if (!s) promise__stop("%s: the stream is NULL", function);
    if (!s->refs) promise__stop("%s: expected a stream, got one that is gone", function);
    promise__check_thread(s->loop, function);
    return (promise_stream_t *)(uintptr_t)s;
}

promise_stream_t *promise_stream_ref(promise_stream_t *s) {
    if (!promise_source_nomem_loop(s)) promise__stream_arg(s, __func__)->refs++;
    return s;
}

/* Nothing is pending: that would hold it. */
static void destroy(promise_stream_t *s) {
    promise_t *anchor = s->anchor;

    s->refs = 2; /* what is told of its end may take a reference meanwhile */
    promise__stream_break(s, promise_void());
    promise__release(s->error);
    s->refs = 0;
    promise__free(s);
    promise__drop_ref(anchor);
}

void promise_stream_unref(void *arg) {
    promise_stream_t *s = arg;

    if (!s || promise_source_nomem_loop(s)) return;
    if (--promise__stream_arg(s, __func__)->refs == 0) destroy(s);
}

/* ---- errors ---- */

static promise_value_t closed_error(void) {
    return promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "the stream is closed");
}

promise_value_t promise__stream_refused(const promise_stream_t *s) {
    if (s->loop->dying) return promise__canceled();
    if (s->closed) return closed_error();
    return s->bev ? promise_void() : promise__copy(s->error);
}

/* A peer that has reset the connection has no name any more: then our own end's tells which it was. */
promise_value_t promise__stream_failed(const promise_stream_t *s, int error, const char *what) {
    struct promise_address name = {.size = sizeof name.storage};
    char text[PROMISE_ADDRESS_TEXT] = "";
    int fd = promise_stream_fd(s);
    bool peer = getpeername(fd, (struct sockaddr *)&name.storage, &name.size) == 0;

    name.size = peer ? name.size : (socklen_t)sizeof name.storage;
    if (peer || getsockname(fd, (struct sockaddr *)&name.storage, &name.size) == 0)
        promise_address_print(&name, text, sizeof text);
    return promise_throw_errno_at(NULL, error, "%s %s%s", what, !*text ? "the other end" : peer ? "" : "the peer of ", text);
}

promise_value_t promise__stream_tell(promise_stream_t *s) {
    if (promise_is_void(s->error)) return s->error;
    s->told = true;
    return promise__copy(s->error);
}

void promise__stream_fail(promise_stream_t *s, promise_value_t why) {
    if (!promise_is_void(s->error)) promise__release(why);
    else s->error = why;
    if (s->bev) bufferevent_disable(s->bev, EV_WRITE);
    if (s->writes.first) s->told = true;
    promise__stream_reject_all(&s->writes, s->error);
    promise__stream_serve_reads(s);
}

/* ---- make ---- */

static void loop_gone(struct promise_source *source) {
    promise_stream_t *s = (promise_stream_t *)source; /* the first field */

    promise__stream_break(s, promise__canceled());
}

/* A stream without a bufferevent, so far; or NULL. */
static promise_stream_t *stream_new(promise_loop_t *loop) {
    promise_stream_t *s = promise__malloc(sizeof *s);

    if (!s) return NULL;
    memset(s, 0, sizeof *s);
    s->loop = loop;
    s->anchor = promise_ref(loop->nomem);
    s->refs = 1;
    s->reads.tail = &s->reads.first;
    s->writes.tail = &s->writes.first;
    s->ahead = STREAM_AHEAD;
    s->high_water = STREAM_HIGH_WATER;
    return s;
}

/* Takes bev over, and why, a rejection, where there is none. */
static promise_stream_t *stream_on(promise_loop_t *loop, struct bufferevent *bev, promise_value_t why) {
    promise_stream_t *s = stream_new(loop);

    if (s && bev && promise_source_add(loop, &s->source, loop_gone) < 0) why = promise__canceled();
    if (!s || promise_is_rejection(why)) {
        if (bev) bufferevent_free(bev);
        if (s) s->error = why;
        else promise__release(why);
        return s ? s : promise_source_nomem(loop);
    }
    s->bev = bev;
    promise__stream_listen(s);
    return s;
}

promise_stream_t *promise__stream_refusing(promise_loop_t *loop, promise_value_t why) { return stream_on(loop, NULL, why); }

static promise_loop_t *event_loop_arg(promise_loop_t *loop, const char *function) {
    loop = promise__loop_arg(loop, function);
    if (!promise__event_host(loop))
        promise__stop("%s: expected a loop of promise_loop_new, got one of promise_loop_new_hosted", function);
    return loop;
}

/* Who writes to somebody who has left is to get EPIPE, not a signal; unless the program wants it. */
static void ignore_sigpipe(void) {
    static atomic_flag done = ATOMIC_FLAG_INIT;
    struct sigaction now;

    if (atomic_flag_test_and_set(&done) || sigaction(SIGPIPE, NULL, &now) < 0 || now.sa_flags & SA_SIGINFO) return;
    if (now.sa_handler == SIG_DFL) signal(SIGPIPE, SIG_IGN);
}

/* Takes fd over. */
static promise_stream_t *refuse(promise_loop_t *loop, int fd, int error) {
    if (fd >= 0 && error != EBADF) close(fd);
    return stream_on(loop, NULL, promise_throw_errno_at(NULL, error, "promise_stream_new: descriptor %d", fd));
}

promise_stream_t *promise_stream_new(promise_loop_t *loop, int fd) {
    enum { MOST_AT_ONCE = 65536 };
    struct bufferevent *bev;
    struct stat status;
    promise_stream_t *s;
    int flags;

    loop = event_loop_arg(loop, __func__);
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &status) < 0) return refuse(loop, fd, EBADF);
    if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) return refuse(loop, fd, EINVAL); /* nothing to wait for */
    if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return refuse(loop, fd, errno);
    ignore_sigpipe();
    bev = bufferevent_socket_new(promise__event_host(loop)->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!bev) {
        close(fd);
        return stream_on(loop, NULL, promise__nomem());
    }
    bufferevent_set_max_single_write(bev, MOST_AT_ONCE);
    s = stream_on(loop, bev, promise_void());
    if (promise_source_nomem_loop(s) || !s->bev) return s;
    if (promise__stream_go_direct(s, flags) < 0) promise__stream_break(s, promise__nomem());
    return s;
}

promise_stream_t *promise_stream_wrap(promise_loop_t *loop, struct bufferevent *bev) {
    promise_stream_t *s;

    loop = event_loop_arg(loop, __func__);
    if (!bev) return stream_on(loop, NULL, promise__bad_argument(__func__, "bufferevent is NULL"));
    if (bufferevent_get_base(bev) != promise__event_host(loop)->base)
        promise__stop("promise_stream_wrap: expected a bufferevent on the loop's base, got one on another");
    ignore_sigpipe();
    s = stream_on(loop, bev, promise_void());
    if (promise_source_nomem_loop(s) || !s->bev) return s;
    if (promise__stream_watch_below(s) < 0) {
        promise__stream_break(s, promise__nomem());
        return s;
    }
    promise__stream_hold(s);
    bufferevent_setwatermark(bev, EV_READ | EV_WRITE, 0, 0);
    bufferevent_enable(bev, EV_WRITE);
    if (promise_stream_readable(s) >= s->ahead) bufferevent_disable(bev, EV_READ);
    promise__stream_watch_input(s);
    promise__stream_unhold(s);
    return s;
}

void promise_stream_pair(promise_loop_t *loop, promise_stream_t *ends[2]) {
    int fds[2];

    if (!ends) promise__stop("promise_stream_pair: ends is NULL");
    loop = event_loop_arg(loop, __func__);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0)
        for (int i = 0; i < 2; i++) ends[i] = promise_stream_new(loop, fds[i]);
    else
        for (int error = errno, i = 0; i < 2; i++)
            ends[i] = stream_on(loop, NULL, promise_throw_errno_at(NULL, error, "promise_stream_pair"));
}

/* ---- end ---- */

void promise__stream_watch(promise_stream_t *s, struct stream_watch *watch, void (*closed)(struct stream_watch *watch)) {
    *watch = (struct stream_watch){.next = s->watches, .link = &s->watches, .stream = s, .closed = closed};
    if (s->watches) s->watches->link = &watch->next;
    s->watches = watch;
}

void promise__stream_unwatch(struct stream_watch *watch) {
    *watch->link = watch->next;
    if (watch->next) watch->next->link = watch->link;
}

/* The bufferevent is let go of; all who wait or watch are told why, which is taken over. closed: as it was wanted. */
static struct bufferevent *detach(promise_stream_t *s, promise_value_t why, bool closed) {
    struct bufferevent *bev = s->bev;
    struct stream_watch *watch;

    promise__stream_unlist(s);
    promise_source_remove(&s->source);
    bufferevent_setcb(bev, NULL, NULL, NULL, NULL);
    if (s->direct) promise__stream_leave_direct(s);
    else promise__stream_unwatch_below(s);
    s->bev = NULL;
    s->closed = closed;
    promise__stream_reject_all(&s->reads, why);
    promise__stream_reject_all(&s->writes, why);
    promise__release(s->error);
    s->error = closed ? promise_void() : why;
    if (closed) promise__release(why);
    while ((watch = s->watches)) {
        promise__stream_unwatch(watch);
        watch->closed(watch);
    }
    return bev;
}

/* Nothing of it uses the layer any more. */
static void free_layer(promise_stream_t *s) {
    const struct promise_stream_layer *layer = s->layer;

    s->layer = NULL;
    if (layer && layer->free) layer->free(s->layer_data);
}

static void end(promise_stream_t *s, promise_value_t why, bool closed) {
    struct bufferevent *bev;
    int fd;

    s->refs++;
    bev = detach(s, why, closed);
    fd = s->direct ? bufferevent_getfd(bev) : -1;
    if (fd >= 0) bufferevent_setfd(bev, -1); /* libevent would close it in its next turn */
    bufferevent_free(bev);
    if (fd >= 0) close(fd);
    free_layer(s);
    promise_stream_unref(s);
}

void promise__stream_break(promise_stream_t *s, promise_value_t why) {
    if (s->bev) end(s, why, false);
    else promise__release(why);
}

void promise_stream_abort(void *arg) {
    promise_stream_t *s = arg;

    if (promise_source_nomem_loop(s)) return;
    s = promise__stream_arg(s, __func__);
    if (s->bev) end(s, closed_error(), true);
}

struct bufferevent *promise_stream_release(promise_stream_t *s) {
    struct bufferevent *bev;

    if (promise_source_nomem_loop(s)) return NULL;
    s = promise__stream_arg(s, __func__);
    if (!s->bev) return NULL;
    s->refs++;
    bev = detach(s, closed_error(), true);
    bufferevent_setwatermark(bev, EV_READ | EV_WRITE, 0, 0);
    if (s->direct) bufferevent_enable(bev, EV_WRITE);
    free_layer(s);
    promise_stream_unref(s);
    return bev;
}

/* ---- set and query ---- */

void promise_stream_set_high_water(promise_stream_t *s, size_t bytes) {
    if (promise_source_nomem_loop(s)) return;
    promise__stream_arg(s, __func__)->high_water = bytes;
}

size_t promise_stream_readable(const promise_stream_t *s) {
    if (promise_source_nomem_loop(s) || !promise__stream_arg(s, __func__)->bev) return 0;
    return evbuffer_get_length(bufferevent_get_input(s->bev));
}

/* What a filter or TLS was given is not sent as long as it is in the output of the one below. */
size_t promise_stream_unsent(const promise_stream_t *s) {
    size_t unsent = 0;

    if (promise_source_nomem_loop(s) || !promise__stream_arg(s, __func__)->bev) return 0;
    if (s->direct) return evbuffer_get_length(bufferevent_get_output(s->bev));
    for (struct bufferevent *bev = s->bev; bev; bev = bufferevent_get_underlying(bev))
        unsent += evbuffer_get_length(bufferevent_get_output(bev));
    return unsent;
}

bool promise_stream_is_closed(const promise_stream_t *s) {
    if (promise_source_nomem_loop(s)) return true;
    s = promise__stream_arg(s, __func__);
    return !s->bev || s->closed || !promise_is_void(s->error);
}

promise_loop_t *promise_stream_loop(const promise_stream_t *s) {
    promise_loop_t *loop = promise_source_nomem_loop(s);
    return loop ? loop : promise__stream_arg(s, __func__)->loop;
}

struct bufferevent *promise_stream_bufferevent(const promise_stream_t *s) {
    return promise_source_nomem_loop(s) ? NULL : promise__stream_arg(s, __func__)->bev;
}

int promise_stream_fd(const promise_stream_t *s) {
    struct bufferevent *bev = promise_stream_bufferevent(s);
    return bev ? bufferevent_getfd(bev) : -1;
}

void promise_stream_set_layer(promise_stream_t *s, const struct promise_stream_layer *layer, void *data) {
    if (!layer) promise__stop("promise_stream_set_layer: layer is NULL");
    if (!promise_source_nomem_loop(s) && promise__stream_arg(s, __func__)->bev && !s->layer) {
        s->layer = layer;
        s->layer_data = data;
    } else if (layer->free) {
        layer->free(data);
    }
}

void *promise_stream_layer_data(const promise_stream_t *s, const struct promise_stream_layer *layer) {
    if (promise_source_nomem_loop(s) || promise__stream_arg(s, __func__)->layer != layer) return NULL;
    return s->layer_data;
}
