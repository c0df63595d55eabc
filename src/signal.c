/* Signals. Each that is waited for has a watch, with one event of libevent's for all who wait. */
#include <promise/signal.h>
#include <promise/source.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "loop.h"

struct waiter {
    struct waiter *next, **link;
    struct watch *watch;
    promise_resolver_t *resolver;
};

struct counter { /* of an iterator */
    struct counter *next, **link;
    struct watch *watch;          /* NULL once the loop is gone */
    int64_t count;                /* since the last item */
    promise_resolver_t *resolver; /* of who waits for the next, or NULL */
};

struct watch {
    struct signals *signals; /* NULL once the loop is gone */
    int signum;
    bool ringing; /* its callback is on the stack, and looks after it */
    struct event event;
    struct waiter *waiters, **last_waiter; /* in the order of the calls */
    struct counter *counters, **last_counter;
};

struct signals { /* one for each loop */
    struct promise_source source;
    struct event_base *base;
    struct watch *watches[NSIG];
    unsigned used;
};

/* ---- whose the signals of the process are ---- */

static _Atomic(struct event_base *) owner;
static unsigned holders; /* loops on that base, which are all on one thread */

bool promise__signals_acquire(struct event_base *base) {
    struct event_base *nobody = NULL;

    if (atomic_load(&owner) != base && !atomic_compare_exchange_strong(&owner, &nobody, base)) return false;
    holders++;
    return true;
}

void promise__signals_release(void) {
    if (!--holders) atomic_store(&owner, NULL);
}

/* ---- watches ---- */

static void signals_gone(struct promise_source *source);

static struct signals *signals_of(promise_loop_t *loop) {
    struct signals *s = (struct signals *)(void *)promise_source_find(loop, signals_gone);

    if (s) return s;
    s = promise__malloc(sizeof *s);
    if (!s) return NULL;
    *s = (struct signals){.base = promise_loop_base(loop)};
    if (promise_source_add_single(loop, &s->source, signals_gone) == 0) return s;
    promise__free(s);
    return NULL;
}

/* Where nobody wants it any more. */
static void tidy(struct watch *w) {
    if (w->ringing || w->waiters || w->counters) return;
    event_del(&w->event);
    event_debug_unassign(&w->event);
    if (w->signals) {
        w->signals->watches[w->signum] = NULL;
        if (!--w->signals->used) promise__signals_release();
    }
    promise__free(w);
}

static promise_resolver_t *take_out(struct waiter *waiter) {
    promise_resolver_t *resolver = waiter->resolver;

    *waiter->link = waiter->next;
    if (waiter->next) waiter->next->link = waiter->link;
    else waiter->watch->last_waiter = waiter->link;
    promise__free(waiter);
    return resolver;
}

static void wake(struct counter *c, promise_value_t v) {
    promise_resolver_t *resolver = c->resolver;

    if (!resolver) return;
    c->resolver = NULL;
    promise_resolve(resolver, v);
}

/* Called once for each that came. The watch stays until the handlers have run, so that who asks again misses none. */
static void came(evutil_socket_t signum, short what, void *arg) {
    struct watch *w = arg;
    promise_loop_t *loop = w->signals->source.loop;

    (void)what;
    w->ringing = true;
    promise_source_enter(loop);
    while (w->waiters) promise_resolve(take_out(w->waiters), promise_int(signum));
    for (struct counter *c = w->counters; c; c = c->next) {
        c->count++;
        wake(c, promise_void());
    }
    promise_source_leave(loop);
    w->ringing = false;
    tidy(w);
}

static void signals_gone(struct promise_source *source) {
    struct signals *s = (struct signals *)(void *)source;

    for (int signum = 0; signum < NSIG; signum++) {
        struct watch *w = s->watches[signum];
        if (!w) continue;
        while (w->waiters) promise_reject(take_out(w->waiters), promise__canceled());
        for (struct counter *c = w->counters; c; c = c->next) {
            wake(c, promise__canceled());
            c->watch = NULL;
        }
        w->counters = NULL;
        event_del(&w->event);
        w->signals = NULL;
        tidy(w);
    }
    if (s->used) promise__signals_release();
    promise__free(s);
}

/* ---- beginning ---- */

static promise_value_t cannot(int err, int signum) { return promise_throw_errno_at(NULL, err, "signal %d", signum); }

static int watch_new(struct signals *s, int signum) {
    struct watch *w = promise__malloc(sizeof *w);

    if (!w) return ENOMEM;
    *w = (struct watch){.signals = s, .signum = signum};
    w->last_waiter = &w->waiters;
    w->last_counter = &w->counters;
    evsignal_assign(&w->event, s->base, signum, came, w);
    errno = 0;
    if (event_add(&w->event, NULL) < 0) {
        int err = errno ? errno : ENOMEM;
        event_debug_unassign(&w->event);
        promise__free(w);
        return err;
    }
    s->watches[signum] = w;
    s->used++;
    return 0;
}

/* Gives void with *watch, or the rejection. */
static promise_value_t find_watch(promise_loop_t *loop, int signum, const char *function, struct watch **watch) {
    struct sigaction now;
    struct signals *s;
    int err = 0;

    if (loop->dying) return promise__canceled();
    if (signum == SIGKILL || signum == SIGSTOP || sigaction(signum, NULL, &now) < 0) return cannot(EINVAL, signum);
    if (!promise_loop_base(loop)) return promise_throw_errno_at(NULL, ENOSYS, "%s: the loop is not on libevent", function);
    s = signals_of(loop);
    if (!s) return promise__nomem();
    if (!s->used && !promise__signals_acquire(s->base))
        return promise_throw_errno_at(NULL, EBUSY, "signal %d: a loop on another event_base waits for signals", signum);
    if (!s->watches[signum]) err = watch_new(s, signum);
    if (err && !s->used) promise__signals_release();
    if (err) return err == ENOMEM ? promise__nomem() : cannot(err, signum);
    *watch = s->watches[signum];
    return promise_void();
}

/* ---- the next one ---- */

/* K2 */
static void waiter_stop(void *arg) {
    struct waiter *waiter = arg;
    struct watch *w = waiter->watch;

    promise_abandon(take_out(waiter));
    tidy(w);
}

static promise_t *add_waiter(promise_loop_t *loop, struct watch *w) {
    struct waiter *waiter = promise__malloc(sizeof *waiter);
    promise_t *p;

    if (!waiter) return promise__settled(loop, promise__nomem());
    *waiter = (struct waiter){.watch = w, .link = w->last_waiter};
    p = promise_new(loop, &waiter->resolver);
    promise_on_cancel(waiter->resolver, waiter_stop, waiter);
    *w->last_waiter = waiter;
    w->last_waiter = &waiter->next;
    if (!promise_resolver_is_pending(waiter->resolver)) promise_abandon(take_out(waiter)); /* out of memory */
    return p;
}

promise_t *promise_signal(promise_loop_t *loop, int signum) {
    promise_value_t why;
    struct watch *w;
    promise_t *p;

    loop = promise__loop_arg(loop, __func__);
    why = find_watch(loop, signum, __func__, &w);
    if (promise_is_rejection(why)) return promise__settled(loop, why);
    p = add_waiter(loop, w);
    tidy(w);
    return p;
}

/* ---- all of them ---- */

/* Counted here: what was cancelled before it came to this is still there for the next item (K6). */
static promise_value_t take_count(promise_value_t v, void *arg) {
    struct counter *c = arg;
    int64_t count = c->count;

    (void)v;
    c->count = 0;
    return promise_int(count);
}

static void counter_stop(void *arg) {
    struct counter *c = arg;
    promise_resolver_t *resolver = c->resolver;

    c->resolver = NULL;
    promise_abandon(resolver);
}

static promise_value_t next_count(promise_value_t v, void *arg) {
    struct counter *c = arg;
    promise_t *p;

    if (c->count) return take_count(v, c);
    if (!c->watch) return promise__canceled();
    p = promise_new(NULL, &c->resolver);
    promise_on_cancel(c->resolver, counter_stop, c);
    if (!promise_resolver_is_pending(c->resolver)) counter_stop(c); /* out of memory */
    return promise_adopt(promise_then(p, take_count, c));
}

static void counter_free(void *arg) {
    struct counter *c = arg;
    struct watch *w = c->watch;

    if (w) {
        *c->link = c->next;
        if (c->next) c->next->link = c->link;
        else w->last_counter = c->link;
        tidy(w);
    }
    promise__free(c);
}

promise_iterator_t *promise_signals(promise_loop_t *loop, int signum) {
    promise_value_t why;
    struct counter *c;
    struct watch *w;

    loop = promise__loop_arg(loop, __func__);
    why = find_watch(loop, signum, __func__, &w);
    if (promise_is_rejection(why)) return promise_list_items(loop, why);
    c = promise__malloc(sizeof *c);
    if (!c) {
        tidy(w);
        return promise_list_items(loop, promise__nomem());
    }
    *c = (struct counter){.watch = w, .link = w->last_counter};
    *w->last_counter = c;
    w->last_counter = &c->next;
    return promise_iterator_attach(promise_pull(loop, next_count, c), c, counter_free);
}
