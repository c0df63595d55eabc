/* Writing to a stream: sent when the drain has ended, all at once; who waits is told when little enough is left. */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

enum { COPY_BELOW = 2048 }; /* larger values are referenced by the buffer, not copied into it */

/* ---- sending ---- */

void promise__stream_send_soon(promise_stream_t *s) {
    if (s->direct && !(bufferevent_get_enabled(s->bev) & EV_WRITE)) promise__stream_list(s); /* else libevent will send it */
}

/* As libevent does it when the descriptor is writable: to others the output is closed at its front. */
static int send_some(struct evbuffer *out, int fd) {
    int sent, error;

    evbuffer_unfreeze(out, 1);
    sent = evbuffer_write(out, fd);
    error = errno;
    evbuffer_freeze(out, 1);
    errno = error;
    return sent;
}

void promise__stream_send(promise_stream_t *s) {
    struct evbuffer *out = bufferevent_get_output(s->bev);
    int fd = bufferevent_getfd(s->bev), sent = 1;

    if (!s->direct || bufferevent_get_enabled(s->bev) & EV_WRITE || !promise_is_void(s->error)) return;
    for (int i = 0; i < 4 && sent > 0 && evbuffer_get_length(out); i++) sent = send_some(out, fd);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) promise__stream_fail(s, promise__stream_failed(s, errno, "write to"));
    else if (evbuffer_get_length(out) && bufferevent_enable(s->bev, EV_WRITE) < 0) promise__stream_fail(s, promise__nomem());
}

/* ---- waiting ---- */

/* libevent calls back when the output falls to the mark, which is the highest that somebody waits for. */
void promise__stream_serve_writes(promise_stream_t *s) {
    struct stream_wait *w, *next;
    size_t unsent = promise_stream_unsent(s), mark = 0;

    promise__stream_hold(s);
    for (w = s->writes.first; w; w = next) {
        next = w->next;
        if (w->asks.kind == WRITE_BROKEN) continue;
        if (unsent <= w->asks.size) promise__stream_settle(w, promise_void());
        else if (w->asks.size > mark) mark = w->asks.size;
    }
    bufferevent_setwatermark(s->bev, EV_WRITE, mark, 0);
    promise__stream_unhold(s);
}

static promise_t *wait_for_unsent(promise_stream_t *s, size_t unsent) {
    promise_t *p;

    if (promise_stream_unsent(s) > unsent) promise__stream_send(s);
    if (!promise_is_void(s->error)) return promise__settled(s->loop, promise__stream_tell(s));
    if (promise_stream_unsent(s) <= unsent) return promise__settled(s->loop, promise_void());
    p = promise__stream_wait(s, (struct stream_asks){.kind = WRITE_BELOW, .size = unsent});
    promise__stream_serve_writes(s);
    return p;
}

/* Why nothing can be written, or void. */
static promise_value_t refused(promise_stream_t *s) {
    promise_value_t why = promise__stream_refused(s);

    if (promise_is_void(why)) why = promise__stream_tell(s);
    if (!promise_is_void(why)) return why;
    if (s->only_reads) return promise_throw_errno_at(NULL, EBADF, "the descriptor is for reading alone");
    return s->shut ? promise_throw_errno_at(NULL, EPIPE, "the stream was shut down") : why;
}

promise_t *promise__stream_writable(promise_stream_t *s) {
    promise_value_t why = refused(s);
    return promise_is_void(why) ? wait_for_unsent(s, s->high_water) : promise__settled(s->loop, why);
}

promise_t *promise__stream_drained(promise_stream_t *s) { return wait_for_unsent(s, 0); }

promise_t *promise__stream_broken(promise_stream_t *s) {
    return promise__stream_wait(s, (struct stream_asks){.kind = WRITE_BROKEN});
}

/* ---- the calls ---- */

/* The buffer has sent it: a text has no code of the user's to be run. */
static void release_text(const void *data, size_t size, void *cell) {
    (void)data, (void)size;
    promise__release((promise_value_t){(uintptr_t)((struct cell *)cell)->type, {.pointer = cell}});
}

/* Takes v over. */
static promise_value_t add(promise_stream_t *s, promise_value_t v) {
    struct evbuffer *out = bufferevent_get_output(s->bev);
    size_t size;
    const char *data = promise_as_bytes(v, &size);
    int failed;

    promise__stream_hold(s);
    if (size < COPY_BELOW) {
        failed = evbuffer_add(out, data, size);
        promise__release(v);
    } else {
        failed = evbuffer_add_reference(out, data, size, release_text, v.as.pointer);
        if (failed) promise__release(v);
    }
    if (!failed) promise__stream_send_soon(s);
    promise__stream_unhold(s);
    if (failed) return promise__nomem();
    return promise_void();
}

static promise_value_t not_text(promise_value_t v, const char *function) {
    if (promise_is_rejection(v)) return promise__copy(v);
    if (promise_is(v, &promise_type_string) || promise_is(v, &promise_type_bytes)) return promise_void();
    return promise__bad_argument(function, "data is neither a string nor bytes");
}

promise_t *promise_stream_write(promise_stream_t *s, promise_value_t data) {
    promise_loop_t *nomem = promise_source_nomem_loop(s);
    promise_value_t why;

    data = promise__take(data);
    if (!nomem) s = promise__stream_arg(s, __func__);
    why = nomem ? promise__no_object(nomem) : refused(s);
    if (promise_is_void(why)) why = not_text(data, __func__);
    if (promise_is_void(why)) why = add(s, data);
    else promise__release(data);
    if (!promise_is_void(why)) return promise__settled(nomem ? nomem : s->loop, why);
    return wait_for_unsent(s, s->high_water);
}

/* 0 and *size, or errno. */
static int size_of_file(int fd, uint64_t offset, size_t *size) {
    struct stat status;
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fstat(fd, &status) < 0) return errno;
    if ((flags & O_ACCMODE) == O_WRONLY) return EBADF;
    if (!S_ISREG(status.st_mode)) return EINVAL;
    if (offset > (uint64_t)status.st_size || (*size != SIZE_MAX && *size > (uint64_t)status.st_size - offset)) return ERANGE;
    if (*size == SIZE_MAX) *size = (size_t)((uint64_t)status.st_size - offset);
    return 0;
}

promise_t *promise_stream_write_file(promise_stream_t *s, int fd, uint64_t offset, size_t size) {
    promise_loop_t *nomem = promise_source_nomem_loop(s);
    promise_value_t why;
    int error;

    if (!nomem) s = promise__stream_arg(s, __func__);
    why = nomem ? promise__no_object(nomem) : refused(s);
    error = promise_is_void(why) ? size_of_file(fd, offset, &size) : 0;
    if (error) why = promise_throw_errno_at(NULL, error, "%s: %zu bytes from %llu", __func__, size, (unsigned long long)offset);
    if (promise_is_void(why) && size) {
        promise__stream_hold(s);
        if (evbuffer_add_file(bufferevent_get_output(s->bev), fd, (ev_off_t)offset, (ev_off_t)size) < 0) why = promise__nomem();
        else fd = -1; /* the buffer's, on success only */
        promise__stream_unhold(s);
    }
    if (fd >= 0) close(fd);
    if (!promise_is_void(why)) return promise__settled(nomem ? nomem : s->loop, why);
    promise__stream_send_soon(s);
    return wait_for_unsent(s, s->high_water);
}

promise_t *promise_stream_drain(promise_stream_t *s) {
    promise_loop_t *nomem = promise_source_nomem_loop(s);
    promise_value_t why;

    if (nomem) return promise__settled(nomem, promise__no_object(nomem));
    s = promise__stream_arg(s, __func__);
    why = promise__stream_refused(s);
    return promise_is_void(why) ? promise__stream_drained(s) : promise__settled(s->loop, why);
}
