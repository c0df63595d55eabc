/*
 * What crosses threads: a mailbox, and remotes that post into it.
 *
 * Mails are pushed on a lock-free stack by any thread, and taken all at once by the loop, which turns them round. Whoever
 * pushes on an empty stack wakes the loop, by a descriptor that the base watches. While the loop is at it there is AWAKE at
 * the bottom of the stack: it will look again, and nobody needs to wake it. When the loop goes it puts CLOSED in the place of
 * the stack: from then on pushing fails, and who tried keeps what it had.
 */
#include <promise/remote.h>

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#if HAVE_SYS_EVENTFD_H
#include <sys/eventfd.h>
#endif

#include "loop.h"
#include "mail.h"

enum { ROUNDS = 16 }; /* of mails and what comes of them, before the base has its turn */

enum action { RESOLVE, REJECT, ABANDON };

struct post {
    struct mail mail; /* first in each, so that one is the other */
    promise_fn *fn;
    promise_value_t value;
};

struct promise_remote {
    struct mail mail;
    enum action action;
    promise_value_t value;
    promise_mailbox_t *mailbox;
    /* the loop's thread only: */
    promise_resolver_t *resolver; /* NULL once the loop is gone */
    promise_remote_t *next, **link;
};

struct promise_mailbox {
    atomic_size_t refs; /* one is the loop's */
    atomic_size_t life; /* what keeps the memory: one for all refs, one for each push that may still have to write */
    _Atomic(struct mail *) stack;
    int wake_read, wake_write; /* one and the same where there is eventfd(2) */
    struct nudge {
        struct mail mail; /* brings a reference back to the loop, so that it sees that nobody is left */
        promise_mailbox_t *mailbox;
        atomic_bool sent;
    } nudge;
    promise_remote_t *remotes; /* the loop's thread only: those that have not been used */
};

static struct mail closed, awake;
#define CLOSED (&closed)
#define AWAKE (&awake)

static promise_remote_t ignored; /* stands for a remote that could not be made */

/* ---- any thread ---- */

static void unpin(promise_mailbox_t *m) {
    if (atomic_fetch_sub_explicit(&m->life, 1, memory_order_acq_rel) != 1) return;
    close(m->wake_read);
    if (m->wake_write != m->wake_read) close(m->wake_write);
    promise__free(m);
}

void promise__mailbox_release(promise_mailbox_t *m) {
    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1) unpin(m);
}

static void wake(promise_mailbox_t *m) {
    const uint64_t one = 1; /* what an eventfd takes, and a pipe as well */
    ssize_t written;

    do written = write(m->wake_write, &one, sizeof one); /* a full pipe will do as well */
    while (written < 0 && errno == EINTR);
}

/* -1 when the loop is gone: then what it did to the mail is seen here, as by acquire. The reference that goes with a mail,
 * and the mailbox with it, may be gone as soon as it is on the stack: who has to write then keeps it alive. */
int promise__mail_send(promise_mailbox_t *m, struct mail *mail) {
    struct mail *top = atomic_load_explicit(&m->stack, memory_order_acquire);
    bool pinned = false;

    do {
        if (top == CLOSED) break;
        if (!top && !pinned) {
            pinned = true;
            atomic_fetch_add_explicit(&m->life, 1, memory_order_relaxed);
        }
        mail->next = top;
    } while (!atomic_compare_exchange_weak_explicit(&m->stack, &top, mail, memory_order_acq_rel, memory_order_acquire));
    if (!top) wake(m);
    if (pinned) unpin(m);
    return top == CLOSED ? -1 : 0;
}

promise_mailbox_t *promise_mailbox_ref(promise_mailbox_t *m) {
    if (!m) promise__stop("promise_mailbox_ref: the mailbox is NULL");
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

/* The last reference but the loop's goes by mail: the loop no longer needs to wait for us. */
void promise_mailbox_unref(void *arg) {
    promise_mailbox_t *m = arg;
    size_t refs;

    if (!m) return;
    refs = atomic_load_explicit(&m->refs, memory_order_relaxed);
    while (refs > 2)
        if (atomic_compare_exchange_weak_explicit(&m->refs, &refs, refs - 1, memory_order_acq_rel, memory_order_relaxed))
            return;
    if (atomic_exchange(&m->nudge.sent, true) || promise__mail_send(m, &m->nudge.mail) < 0) promise__mailbox_release(m);
}

/* One reference of our own that may leave for another thread (H3). */
static promise_value_t take_to_cross(promise_value_t v, const char *function) {
    v = promise__take(v);
    if (promise__type(v) == &promise_type_promise)
        promise__stop("%s: expected a value that may cross threads, got a promise", function);
#ifdef PROMISE_DEBUG
    if (promise__type(v) && promise__type(v)->free) {
        size_t refs = ((struct cell *)v.as.pointer)->refs;
        if (refs != 1 && refs != CELL_STATIC)
            promise__stop("%s: expected a value with one reference, got a %s with %zu", function, promise_type_name(v), refs);
    }
#endif
    return v;
}

static void use(promise_remote_t *remote, enum action action, promise_value_t v, const char *function) {
    promise_mailbox_t *m;

    if (!remote) promise__stop("%s: the remote is NULL", function);
    v = take_to_cross(v, function);
    if (remote == &ignored) {
        promise__release(v);
        return;
    }
    m = remote->mailbox;
    remote->action = action;
    remote->value = v;
    if (promise__mail_send(m, &remote->mail) == 0) return; /* the reference to the mailbox goes with it */
    promise__release(v);
    promise__free(remote);
    promise__mailbox_release(m);
}

void promise_remote_resolve(promise_remote_t *remote, promise_value_t v) { use(remote, RESOLVE, v, __func__); }
void promise_remote_reject(promise_remote_t *remote, promise_value_t reason) { use(remote, REJECT, reason, __func__); }
void promise_remote_abandon(promise_remote_t *remote) { use(remote, ABANDON, promise_void(), __func__); }

/* As by promise_try, but with a value. */
static void open_post(struct mail *mail, promise_loop_t *loop) {
    promise_fn *fn = ((struct post *)mail)->fn;
    promise_value_t v = ((struct post *)mail)->value;

    promise__free(mail);
    if (loop->dying) promise__release(v);
    else promise_unref(promise_then_catch(promise__settled(loop, v), fn, fn, NULL));
}

int promise_post(promise_mailbox_t *m, promise_fn *fn, promise_value_t v) {
    struct post *post;

    if (!m) promise__stop("promise_post: the mailbox is NULL");
    if (!fn) promise__stop("promise_post: fn is NULL");
    v = take_to_cross(v, __func__);
    post = promise__malloc(sizeof *post);
    if (post) {
        *post = (struct post){{.open = open_post}, fn, v};
        if (promise__mail_send(m, &post->mail) == 0) return 0;
    }
    promise__free(post);
    promise__release(v);
    return -1;
}

/* ---- the loop's thread ---- */

/* The base waits for mail as long as some may come (J3). -1 when out of memory. */
static int watch(struct event_host *h) {
    bool wanted = h->mailbox->remotes || atomic_load_explicit(&h->mailbox->refs, memory_order_acquire) > 1;

    if (!wanted) return event_del(h->mail);
    return event_pending(h->mail, EV_READ, NULL) ? 0 : event_add(h->mail, NULL);
}

static void remote_unlink(promise_remote_t *remote) {
    *remote->link = remote->next;
    if (remote->next) remote->next->link = remote->link;
}

static void open_remote(struct mail *mail, promise_loop_t *loop) {
    promise_remote_t *remote = (promise_remote_t *)mail;
    promise_mailbox_t *m = remote->mailbox;
    promise_resolver_t *resolver = remote->resolver;
    enum action action = remote->action;
    promise_value_t v = remote->value;

    (void)loop;
    if (resolver) remote_unlink(remote);
    promise__free(remote);
    if (!resolver) promise__release(v);
    else if (action == RESOLVE) promise_resolve(resolver, v);
    else if (action == REJECT) promise_reject(resolver, v);
    else promise_abandon(resolver);
    promise__mailbox_release(m);
}

static void open_nudge(struct mail *mail, promise_loop_t *loop) {
    struct nudge *nudge = (struct nudge *)mail;

    (void)loop;
    atomic_store(&nudge->sent, false);
    promise__mailbox_release(nudge->mailbox);
}

/* The last came on top. False when there was none. */
static bool open_all(struct event_host *h, struct mail *mail) {
    struct mail *oldest = NULL, *next;
    bool any;

    for (; mail && mail != AWAKE; mail = next) {
        next = mail->next;
        mail->next = oldest;
        oldest = mail;
    }
    any = oldest != NULL;
    for (; oldest; oldest = next) {
        next = oldest->next;
        oldest->open(oldest, h->loop);
    }
    return any;
}

void promise__after_drain(promise_loop_t *loop, struct mail *mail) {
    struct event_host *h = promise__event_host(loop);

    mail->next = NULL;
    if (h->later) h->later_last->next = mail;
    else h->later = mail;
    h->later_last = mail;
}

void promise__drain_has_ended(struct event_host *h) {
    struct mail *mail = h->later, *next;

    h->later = NULL;
    for (; mail; mail = next) {
        next = mail->next;
        mail->open(mail, h->loop);
    }
}

/* Nothing is left to be opened, or it waits for the next turn; from now on who pushes on an empty stack wakes us. */
static void rest(struct event_host *h) {
    promise_mailbox_t *m = h->mailbox;
    struct mail *top = AWAKE;

    h->opening = false;
    if (!atomic_compare_exchange_strong_explicit(&m->stack, &top, NULL, memory_order_acq_rel, memory_order_relaxed)) wake(m);
    watch(h);
}

static void mail_due(evutil_socket_t fd, short what, void *arg) {
    struct event_host *h = arg;
    uint64_t bytes[8];
    bool more = true;

    (void)what;
    h->depth++;
    h->opening = true;
    while (read(fd, bytes, sizeof bytes) == sizeof bytes) {} /* before the stack is taken: what comes later writes anew */
    for (unsigned round = 0; more && round < ROUNDS; round++) {
        h->loop->woken = true;
        more = open_all(h, atomic_exchange_explicit(&h->mailbox->stack, AWAKE, memory_order_acq_rel));
        if (promise__host_run_jobs(h) || !h->loop) more = false;
    }
    if (h->loop) rest(h);
    promise__host_leave(h);
}

promise_mailbox_t *promise__mail_expect(promise_loop_t *loop) {
    struct event_host *h = promise__event_host(loop);

    if (!h->expected && !promise__loop_mailbox(loop, "promise_work")) return NULL;
    h->expected++;
    return h->mailbox;
}

/* Once the loop goes each has a reference of its own. */
void promise__mail_came(promise_loop_t *loop) {
    struct event_host *h = promise__event_host(loop);

    if (!h->closing && --h->expected) return;
    promise__mailbox_release(h->mailbox);
    if (!h->closing && !h->opening) watch(h);
}

void promise__mailbox_close(struct event_host *h) {
    promise_mailbox_t *m = h->mailbox;

    if (!m) return;
    for (promise_remote_t *remote = m->remotes; remote; remote = remote->next) {
        promise_abandon(remote->resolver);
        remote->resolver = NULL; /* before CLOSED is seen: then the remote is its thread's to free */
    }
    m->remotes = NULL;
    promise__drain_has_ended(h);
    h->closing = true;
    if (h->expected) atomic_fetch_add_explicit(&m->refs, h->expected - 1, memory_order_relaxed);
    open_all(h, atomic_exchange_explicit(&m->stack, CLOSED, memory_order_acq_rel));
    event_free(h->mail);
    h->mailbox = NULL;
    promise__mailbox_release(m);
}

/* 0, or -1. */
static int open_wake(promise_mailbox_t *m) {
    int ends[2];

#if HAVE_SYS_EVENTFD_H
    m->wake_read = m->wake_write = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (m->wake_read >= 0) return 0;
#endif
    if (pipe(ends) < 0) return -1;
    for (int i = 0; i < 2; i++) {
        evutil_make_socket_nonblocking(ends[i]);
        evutil_make_socket_closeonexec(ends[i]);
    }
    m->wake_read = ends[0];
    m->wake_write = ends[1];
    return 0;
}

static promise_mailbox_t *mailbox_new(void) {
    promise_mailbox_t *m = promise__malloc(sizeof *m);

    if (!m) return NULL;
    memset(m, 0, sizeof *m);
    if (open_wake(m) < 0) {
        promise__free(m);
        return NULL;
    }
    atomic_init(&m->refs, 1);
    atomic_init(&m->life, 1);
    atomic_init(&m->stack, NULL);
    atomic_init(&m->nudge.sent, false);
    m->nudge.mail.open = open_nudge;
    m->nudge.mailbox = m;
    return m;
}

/* The loop's mailbox, made when there is none, or NULL; not a new reference. */
static promise_mailbox_t *the_mailbox(struct event_host *h) {
    if (h->mailbox) return h->mailbox;
    h->mailbox = mailbox_new();
    if (!h->mailbox) return NULL;
    h->mail = event_new(h->base, h->mailbox->wake_read, EV_READ | EV_PERSIST, mail_due, h);
    if (h->mail) return h->mailbox;
    promise__mailbox_release(h->mailbox);
    return h->mailbox = NULL;
}

static struct event_host *host_of(promise_loop_t *loop, const char *function) {
    struct event_host *h = promise__event_host(loop);

    if (!h) promise__stop("%s: expected a loop of promise_loop_new, got one of promise_loop_new_hosted", function);
    if (loop->thread != &promise__current) promise__stop("%s: expected the thread of the loop, called on another", function);
    return h;
}

promise_mailbox_t *promise__loop_mailbox(promise_loop_t *loop, const char *function) {
    struct event_host *h = host_of(loop, function);

    if (!the_mailbox(h)) return NULL;
    promise_mailbox_ref(h->mailbox);
    if (watch(h) == 0) return h->mailbox;
    promise__mailbox_release(h->mailbox);
    return NULL;
}

promise_mailbox_t *promise_loop_mailbox(promise_loop_t *loop) {
    return promise__loop_mailbox(promise__loop_arg(loop, __func__), __func__);
}

void promise__mailbox_give_back(promise_loop_t *loop, promise_mailbox_t *m) {
    struct event_host *h = promise__event_host(loop);

    promise__mailbox_release(m);
    if (h->mailbox && !h->opening) watch(h);
}

/* NULL when out of memory. */
static promise_remote_t *remote_add(struct event_host *h, promise_resolver_t *resolver) {
    promise_remote_t *remote = promise__malloc(sizeof *remote);

    if (!remote) return NULL;
    *remote = (promise_remote_t){.mail.open = open_remote, .mailbox = promise_mailbox_ref(h->mailbox), .resolver = resolver};
    remote->next = h->mailbox->remotes;
    remote->link = &h->mailbox->remotes;
    if (remote->next) remote->next->link = &remote->next;
    h->mailbox->remotes = remote;
    if (watch(h) == 0) return remote;
    remote_unlink(remote);
    promise__free(remote);
    promise__mailbox_release(h->mailbox);
    return NULL;
}

promise_remote_t *promise_remote_new(promise_resolver_t *resolver) {
    promise_t *p = promise__check_resolver(resolver, __func__);
    promise_loop_t *loop = promise__loop(p);
    struct event_host *h;
    promise_remote_t *remote;

    if (loop->dead) {
        promise_abandon(resolver);
        return &ignored;
    }
    h = host_of(loop, __func__);
    remote = the_mailbox(h) ? remote_add(h, resolver) : NULL;
    if (remote) return remote;
    promise_reject(resolver, promise__nomem());
    return &ignored;
}
