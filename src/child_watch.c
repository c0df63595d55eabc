/*
 * Being told that a child has ended. By a descriptor of the process where the kernel has them (Linux 5.3): it cannot be
 * missed, and takes nothing away from others. Else by SIGCHLD: which says neither who nor how many, so that each child is
 * looked at, by its number (R25); and which others may have taken away: another event_base that has the signals, or a handler
 * of the program's. So they are looked at now and then, too.
 */
#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <event2/event.h>

/* ---- SIGCHLD ---- */

static const struct timeval now_and_then = {0, 50000};

struct sigchld { /* one in a loop, as long as it has children to look for */
    struct promise_source source;
    promise_child_t *children;
    struct event signal, timer;
    bool has_signal; /* else another event_base has the signals: they are not taken away from it */
};

/* The last of the children takes s away. */
static void look_at_all(evutil_socket_t fd, short what, void *arg) {
    struct sigchld *s = arg;
    promise_loop_t *loop = s->source.loop;
    promise_child_t *c = s->children, *next;

    (void)fd, (void)what;
    promise_source_enter(loop);
    for (; c; c = next) {
        next = c->next;
        promise__child_look(c);
    }
    promise_source_leave(loop);
}

static void sigchld_free(struct promise_source *source) {
    struct sigchld *s = (struct sigchld *)source; /* the first field */

    if (s->has_signal) {
        event_del(&s->signal);
        promise__signals_release();
    }
    event_del(&s->timer);
    promise__free(s);
}

static struct sigchld *sigchld_new(promise_loop_t *loop) {
    struct event_base *base = promise_loop_base(loop);
    struct sigchld *s = promise__malloc(sizeof *s);

    if (!s) return NULL;
    *s = (struct sigchld){.has_signal = promise__signals_acquire(base)};
    event_assign(&s->signal, base, SIGCHLD, EV_SIGNAL | EV_PERSIST, look_at_all, s);
    event_assign(&s->timer, base, -1, EV_PERSIST, look_at_all, s);
    if (s->has_signal) event_add(&s->signal, NULL); /* when that fails there is the timer */
    if (event_add(&s->timer, &now_and_then) == 0 && promise_source_add_single(loop, &s->source, sigchld_free) == 0) return s;
    sigchld_free(&s->source);
    return NULL;
}

static int watch_by_signal(promise_child_t *c) {
    struct promise_source *source = promise_source_find(c->loop, sigchld_free);
    struct sigchld *s = source ? (struct sigchld *)source : sigchld_new(c->loop);

    if (!s) return -1;
    c->next = s->children;
    c->link = &s->children;
    if (c->next) c->next->link = &c->next;
    s->children = c;
    return 0;
}

static void unwatch_by_signal(promise_child_t *c) {
    struct promise_source *source = promise_source_find(c->loop, sigchld_free);

    *c->link = c->next;
    if (c->next) c->next->link = c->link;
    if (((struct sigchld *)source)->children) return;
    promise_source_remove(source); /* or the loop would never end (J3) */
    sigchld_free(source);
}

/* ---- a descriptor of the process ---- */

/* Close-on-exec, as the kernel makes them. One that has none is asked once. */
static int open_pidfd(pid_t pid) {
#ifdef SYS_pidfd_open
    static atomic_bool unknown;
    int fd = -1;

    if (promise__child_without & CHILD_NO_PIDFD || atomic_load(&unknown)) return -1;
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0 && errno == ENOSYS) atomic_store(&unknown, true);
    return fd;
#else
    (void)pid;
    return -1;
#endif
}

static void on_end(evutil_socket_t fd, short what, void *arg) {
    promise_child_t *c = arg;
    promise_loop_t *loop = c->loop;

    (void)fd, (void)what;
    promise_source_enter(loop);
    promise__child_look(c);
    promise_source_leave(loop);
}

/* Without one, for want of descriptors too, by the signal. */
int promise__child_watch(promise_child_t *c) {
    struct event_base *base = promise_loop_base(c->loop);

    c->pidfd = open_pidfd(c->pid);
    c->watched = true;
    if (c->pidfd >= 0) {
        event_assign(&c->event, base, c->pidfd, EV_READ | EV_PERSIST, on_end, c);
        if (event_add(&c->event, NULL) == 0) return 0;
        close(c->pidfd);
        c->pidfd = -1;
    }
    if (watch_by_signal(c) == 0) return 0;
    c->watched = false;
    return -1;
}

void promise__child_unwatch(promise_child_t *c) {
    if (!c->watched) return;
    c->watched = false;
    if (c->pidfd < 0) {
        unwatch_by_signal(c);
        return;
    }
    event_del(&c->event); /* before the close: epoll would forget it by itself, libevent would not */
    close(c->pidfd);
    c->pidfd = -1;
}
