/*
 * Waiting for file descriptors. Each fd that is waited for has a watch, and in it one event and one queue of waiters for
 * each direction: libevent would wake several events of one fd last first.
 */
#include <promise/fd.h>
#include <promise/source.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "core.h"

struct waiter {
    struct waiter *next, **link;
    struct side *side;
    const promise_fd_t *through; /* the object that it was asked through, or NULL */
    promise_resolver_t *resolver;
};

struct watch {
    struct fds *fds;
    int fd;
    struct side {
        struct watch *watch;
        struct event event;           /* pending while there are waiters */
        struct waiter *first, **tail; /* in the order of the calls */
    } sides[2];
};
enum { READING, WRITING };

struct fds { /* one for each loop */
    struct promise_source source;
    struct watch **watches; /* by number; NULL: nobody waits */
    int room;
};

struct promise_fd {
    struct promise_source source;
    promise_loop_t *loop;
    int fd;
    int number; /* as it was given, for messages */
    bool owned;
};

/* ---- watches ---- */

static void fds_gone(struct promise_source *source);
static void reject_waiters(struct watch *w, const promise_fd_t *f, promise_value_t v);

static struct fds *fds_of(promise_loop_t *loop) {
    struct fds *fds = (struct fds *)(void *)promise_source_find(loop, fds_gone);

    if (fds) return fds;
    fds = promise__malloc(sizeof *fds);
    if (!fds) return NULL;
    *fds = (struct fds){.room = 0};
    if (promise_source_add_single(loop, &fds->source, fds_gone) == 0) return fds;
    promise__free(fds);
    return NULL;
}

static int grow(struct fds *fds, int fd) {
    int room = fds->room ? fds->room : 64;
    struct watch **watches;

    if (fd < fds->room) return 0;
    while (room <= fd && room <= INT32_MAX / 2) room *= 2;
    if (room <= fd) room = fd + 1;
    watches = promise__realloc(fds->watches, (size_t)room * sizeof *watches);
    if (!watches) return -1;
    memset(watches + fds->room, 0, (size_t)(room - fds->room) * sizeof *watches);
    fds->watches = watches;
    fds->room = room;
    return 0;
}

static void ready(evutil_socket_t fd, short what, void *arg);

static struct watch *watch_of(struct fds *fds, struct event_base *base, int fd) {
    struct watch *w;

    if (grow(fds, fd) < 0) return NULL;
    if (fds->watches[fd]) return fds->watches[fd];
    w = promise__malloc(sizeof *w);
    if (!w) return NULL;
    w->fds = fds;
    w->fd = fd;
    for (int i = 0; i < 2; i++) {
        struct side *side = &w->sides[i];
        side->watch = w;
        side->first = NULL;
        side->tail = &side->first;
        event_assign(&side->event, base, fd, i == READING ? EV_READ : EV_WRITE, ready, side);
    }
    return fds->watches[fd] = w;
}

static struct watch *find_watch(promise_loop_t *loop, int fd) {
    struct fds *fds = (struct fds *)(void *)promise_source_find(loop, fds_gone);

    return fds && fd < fds->room ? fds->watches[fd] : NULL;
}

/* Where nobody waits any more. */
static void tidy(struct watch *w) {
    bool used = false;

    for (int i = 0; i < 2; i++) {
        if (w->sides[i].first) used = true;
        else event_del(&w->sides[i].event);
    }
    if (used) return;
    for (int i = 0; i < 2; i++) event_debug_unassign(&w->sides[i].event);
    w->fds->watches[w->fd] = NULL;
    promise__free(w);
}

static void fds_gone(struct promise_source *source) {
    struct fds *fds = (struct fds *)(void *)source;

    for (int fd = 0; fd < fds->room; fd++)
        if (fds->watches[fd]) reject_waiters(fds->watches[fd], NULL, promise__canceled());
    promise__free(fds->watches);
    promise__free(fds);
}

/* ---- waiters ---- */

static promise_resolver_t *take_out(struct waiter *waiter) {
    promise_resolver_t *resolver = waiter->resolver;

    *waiter->link = waiter->next;
    if (waiter->next) waiter->next->link = waiter->link;
    else waiter->side->tail = waiter->link;
    promise__free(waiter);
    return resolver;
}

/* K2 */
static void waiter_stop(void *arg) {
    struct waiter *waiter = arg;
    struct watch *w = waiter->side->watch;

    promise_abandon(take_out(waiter));
    tidy(w);
}

static void wake_all(struct side *side, promise_value_t v) {
    while (side->first) promise_resolve(take_out(side->first), promise__copy(v));
    promise__release(v);
}

static void ready(evutil_socket_t fd, short what, void *arg) {
    struct side *side = arg;
    struct watch *w = side->watch;
    promise_loop_t *loop = w->fds->source.loop;

    (void)fd, (void)what;
    promise_source_enter(loop);
    wake_all(side, promise_void());
    tidy(w);
    promise_source_leave(loop);
}

/* Rejects those who wait through f, or all where f is NULL, with v, which is taken over: nothing of them is in libevent any
 * more. */
static void reject_waiters(struct watch *w, const promise_fd_t *f, promise_value_t v) {
    for (int i = 0; w && i < 2; i++) {
        for (struct waiter *waiter = w->sides[i].first, *next; waiter; waiter = next) {
            next = waiter->next;
            if (!f || waiter->through == f) promise_reject(take_out(waiter), promise__copy(v));
        }
    }
    if (w) tidy(w);
    promise__release(v);
}

/* Without it nobody on this side would be woken. Where others wait already it is added anew: if theirs was closed behind our
 * back, so that the system has forgotten it and libevent has not, this file would never be looked at. */
static int start(struct side *side) {
    errno = 0;
    event_del(&side->event);
    if (event_add(&side->event, NULL) == 0) return 0;
    if (!errno) errno = EINVAL; /* libevent's own refusal, in its debug mode: somebody watches it edge-triggered */
    return -1;
}

static promise_t *add_waiter(promise_loop_t *loop, struct side *side, const promise_fd_t *through) {
    struct waiter *waiter = promise__malloc(sizeof *waiter);
    promise_t *p;

    if (!waiter) return promise__settled(loop, promise__nomem());
    *waiter = (struct waiter){.side = side, .link = side->tail, .through = through};
    p = promise_new(loop, &waiter->resolver);
    promise_on_cancel(waiter->resolver, waiter_stop, waiter);
    *side->tail = waiter;
    side->tail = &waiter->next;
    if (!promise_resolver_is_pending(waiter->resolver)) promise_abandon(take_out(waiter)); /* out of memory */
    else if (start(side) < 0) wake_all(side, promise_throw_errno_at(NULL, errno, "fd %d", side->watch->fd));
    return p;
}

/* ---- waiting ---- */

/* What poll(2) says now: libevent would take a number below 0 and never call, and warn of those that epoll refuses: closed
 * ones, and files that are always ready. */
static int look(int fd, int direction) {
    struct pollfd p = {.fd = fd, .events = direction == READING ? POLLIN : POLLOUT};

    if (fd < 0) return POLLNVAL;
    return poll(&p, 1, 0) == 1 ? p.revents : 0;
}

static promise_t *wait_for(promise_loop_t *loop, int fd, int direction, const promise_fd_t *through) {
    struct event_base *base = promise_loop_base(loop);
    int seen = look(fd, direction);
    struct watch *w;
    struct fds *fds;
    promise_t *p;

    if (seen & POLLNVAL) {
        if (fd >= 0) reject_waiters(find_watch(loop, fd), NULL, promise_throw_errno_at(NULL, EBADF, "fd %d", fd));
        return promise__settled(loop, promise_throw_errno_at(NULL, EBADF, "fd %d", fd));
    }
    if (seen) {
        w = find_watch(loop, fd);
        if (w) wake_all(&w->sides[direction], promise_void());
        if (w) tidy(w);
        return promise__settled(loop, promise_void());
    }
    fds = fds_of(loop);
    w = fds ? watch_of(fds, base, fd) : NULL;
    if (!w) return promise__settled(loop, promise__nomem());
    p = add_waiter(loop, &w->sides[direction], through);
    tidy(w);
    return p;
}

static promise_t *wait_on(promise_loop_t *loop, int fd, int direction, const promise_fd_t *through, const char *function) {
    loop = promise__loop_arg(loop, function);
    if (loop->dying) return promise__settled(loop, promise__canceled());
    if (!promise_loop_base(loop))
        return promise__settled(loop, promise_throw_errno_at(NULL, ENOSYS, "%s: the loop is not on libevent", function));
    return wait_for(loop, fd, direction, through);
}

promise_t *promise_readable(promise_loop_t *loop, int fd) { return wait_on(loop, fd, READING, NULL, __func__); }
promise_t *promise_writable(promise_loop_t *loop, int fd) { return wait_on(loop, fd, WRITING, NULL, __func__); }

/* ---- the object ---- */

static void end_waits(promise_fd_t *f, promise_loop_t *loop) {
    if (f->fd < 0) return;
    reject_waiters(find_watch(loop, f->fd), f->owned ? NULL : f,
                   promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "fd %d was closed", f->fd));
    if (f->owned) close(f->fd);
}

static void fd_gone(struct promise_source *source) {
    promise_fd_t *f = (promise_fd_t *)(void *)source;

    end_waits(f, f->loop);
    promise__free(f);
}

/* On a loop that goes there is no object either: what is asked of it comes back cancelled, as from the loop itself. */
static promise_fd_t *fd_new(promise_loop_t *loop, int fd, bool owned, const char *function) {
    bool open = fcntl(fd, F_GETFD) >= 0;
    promise_fd_t *f;

    loop = promise__loop_arg(loop, function);
    f = promise__malloc(sizeof *f);
    if (f) *f = (promise_fd_t){.loop = loop, .fd = open ? fd : -1, .number = fd, .owned = owned};
    if (f && promise_source_add(loop, &f->source, fd_gone) == 0) return f;
    promise__free(f);
    if (open && owned) close(fd);
    return promise_source_nomem(loop);
}

promise_fd_t *promise_fd_new(promise_loop_t *loop, int fd) { return fd_new(loop, fd, true, __func__); }
promise_fd_t *promise_fd_borrow(promise_loop_t *loop, int fd) { return fd_new(loop, fd, false, __func__); }

void promise_fd_close(void *arg) {
    promise_fd_t *f = arg;

    if (!f || promise_source_nomem_loop(f)) return;
    promise__check_thread(f->loop, __func__);
    promise_source_remove(&f->source);
    end_waits(f, f->loop);
    promise__free(f);
}

static promise_t *wait_through(const promise_fd_t *f, int direction, const char *function) {
    promise_loop_t *loop;

    if (!f) promise__stop("%s: f is NULL", function);
    loop = promise_source_nomem_loop(f);
    if (loop) return promise__settled(loop, loop->dying ? promise__canceled() : promise__nomem());
    if (f->fd < 0) return promise__settled(f->loop, promise_throw_errno_at(NULL, EBADF, "fd %d", f->number));
    return wait_on(f->loop, f->fd, direction, f, function);
}

promise_t *promise_fd_readable(promise_fd_t *f) { return wait_through(f, READING, __func__); }
promise_t *promise_fd_writable(promise_fd_t *f) { return wait_through(f, WRITING, __func__); }

int promise_fd_number(const promise_fd_t *f) {
    if (!f) promise__stop("promise_fd_number: f is NULL");
    return promise_source_nomem_loop(f) ? -1 : f->fd;
}
