/* A thread with a loop: what runs on it. */
#include "loops.h"

#include <promise/timer.h>

#include <errno.h>
#include <stdio.h>

#include "loop.h"
#include "thread.h"

static _Thread_local struct loops_thread *myself;

struct loops_thread *promise__loops_myself(void) {
    return myself;
}

/* ---- init ---- */

static promise_value_t run_init(promise_value_t v, void *arg) {
    const struct loops_thread *t = arg;

    (void)v;
    return t->loops->options.init(promise_int((int64_t)t->number), t->loops->options.arg);
}

promise_value_t promise__loops_give_init(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return myself->init ? promise_adopt(promise_ref(myself->init)) : promise_void();
}

/* ---- the end ---- */

static void end(struct loops_thread *t) {
    promise_resolver_t *over = t->over;

    t->over = NULL;
    if (over) promise_resolve(over, promise_void());
}

void promise__loops_open_end(struct mail *mail, promise_loop_t *loop) {
    (void)loop;
    end((struct loops_thread *)((char *)mail - offsetof(struct loops_thread, end)));
}

static void graceful_end(void *arg) { end(arg); }

/* ---- stopping: stop runs, then no call is under way, then it ends; or the deadline comes first ---- */

static void all_done(struct tally *tally) {
    struct loops_thread *t = (struct loops_thread *)tally;
    promise_resolver_t *idle = t->idle;

    if (!idle || !promise__tally_close_if_idle(tally)) return; /* others are on their way */
    t->idle = NULL;
    promise_resolve(idle, promise_void());
}

static void forget_idle(void *arg) {
    struct loops_thread *t = arg;

    promise_abandon(t->idle);
    t->idle = NULL;
}

static promise_value_t run_stop(promise_value_t v, void *arg) {
    const struct loops_thread *t = arg;

    (void)v;
    return t->loops->options.stop(promise_int((int64_t)t->number), t->loops->options.arg);
}

static promise_value_t wait_for_calls(promise_value_t v, void *arg) {
    struct loops_thread *t = arg;
    promise_t *p;

    if (promise_is_rejection(v)) promise_unref(promise_from(NULL, v)); /* of stop, or of init meanwhile: is reported (J7) */
    if (promise__tally_close_if_idle(&t->tally)) return promise_void();
    p = promise_new(NULL, &t->idle);
    promise_on_cancel(t->idle, forget_idle, t);
    return promise_adopt(p);
}

/* Where init failed there is nothing to stop; where it has not ended, it comes first. */
static promise_t *begin_stop(struct loops_thread *t, promise_loop_t *loop) {
    enum promise_state state = t->init ? promise_get_state(t->init) : PROMISE_FULFILLED;

    if (!t->loops->options.stop || state == PROMISE_REJECTED) return promise_from(loop, promise_void());
    return state == PROMISE_PENDING ? promise_then(promise_ref(t->init), run_stop, t) : promise_try(loop, run_stop, t);
}

/* The end comes also without memory: it is attached. */
static void end_after(struct loops_thread *t, promise_t *p) {
    p = promise_attach(p, t, graceful_end);
    promise__handled(p);
    promise_unref(p);
}

void promise__loops_open_stop(struct mail *mail, promise_loop_t *loop) {
    struct loops_thread *t = (struct loops_thread *)((char *)mail - offsetof(struct loops_thread, stop));

    if (loop->dying) return;
    end_after(t, promise_then_catch(begin_stop(t, loop), wait_for_calls, wait_for_calls, t));
    if (t->loops->timeout_ms < UINT64_MAX) end_after(t, promise_sleep(loop, t->loops->timeout_ms));
}

/* ---- the thread ---- */

/* Its loop is NULL now. */
static void loop_gone(struct promise_source *source) {
    struct loops_thread *t = (struct loops_thread *)((char *)source - offsetof(struct loops_thread, source));

    atomic_store(&t->gone, true);
}

/* Also where it is gone already. */
static void close_loop(struct loops_thread *t, promise_t *over) {
    promise_resolver_t *resolver = t->over;

    t->over = NULL; /* the mail that ends it may be on its way */
    if (resolver) promise_resolve(resolver, promise_void());
    promise_unref(over);
    promise_unref(t->init);
    promise_loop_free(t->source.loop);
}

/* Why there is none: what is lacking, descriptors or memory. */
static int lacking(void) { return errno == EMFILE || errno == ENFILE ? errno : ENOMEM; }

/* 0, or errno. */
static int open_loop(struct loops_thread *t, promise_t **over) {
    promise_loop_t *loop;
    int error = 0;

    *over = NULL;
    errno = 0;
    loop = promise_loop_new(NULL);
    if (!loop) return lacking();
    t->tally.idle = all_done;
    promise_source_add(loop, &t->source, loop_gone);
    t->mailbox = promise_loop_mailbox(loop);
    if (!t->mailbox) error = lacking();
    *over = promise_new(loop, &t->over);
    if (!error && promise_resolver_is_pending(t->over)) return 0;
    promise_mailbox_unref(t->mailbox);
    t->mailbox = NULL;
    close_loop(t, *over);
    return error ? error : ENOMEM;
}

/* Until it is told to end. Whoever breaks it off does not end it; a handler that frees it does. */
static void run(struct loops_thread *t, promise_t *over) {
    promise_value_t v = {0};

    while (promise_get_state(over) == PROMISE_PENDING) promise_loop_run(t->source.loop, promise_ref(over), &v);
    promise_value_clear(&v);
    atomic_fetch_add(&t->loops->cut_off, atomic_fetch_or(&t->tally.calls, TALLY_CLOSED) & ~TALLY_CLOSED);
}

void *promise__loops_thread(void *arg) {
    struct loops_thread *t = arg;
    promise_t *over;
    char name[16];
    int error;

    snprintf(name, sizeof name, "%.10s-%u", t->loops->name, (unsigned)t->number % 10000);
    promise__thread_name(name);
    myself = t;
    error = open_loop(t, &over);
    if (promise__loops_report(t, error)) {
        if (t->loops->options.init) t->init = promise_try(t->source.loop, run_init, t);
        run(t, over);
    }
    if (!error) close_loop(t, over);
    promise__loops_ended(t);
    return NULL;
}
