/*
 * Calling a function on another loop.
 *
 *     here                                        there
 *     promise_call ── mail: fn, value ──────────▶ open_task: a promise for what fn gives
 *     stop ────────── cancel ───────────────────▶ open_cancel: cancels it, if it is not settled
 *     open_outcome ◀─ mail: its outcome ───────── send_outcome, when it has settled and the drain has ended
 *
 * The call is freed by whoever uses up the second of two rights: the one to send `mail`, which goes there and back, and the
 * one to send `cancel`, which stays here until it is used, or until the outcome came first.
 */
#include "call.h"

#include "cross.h"
#include "mail.h"

struct call {
    struct mail mail; /* first, so that one is the other */
    struct cancel {
        struct mail mail;
        struct call *call;
    } cancel;
    atomic_uint rights;
    promise_mailbox_t *here, *there; /* a reference goes with the right to `mail`, and to `cancel` */
    struct tally *tally;
    const char *function;
    promise_fn *fn;
    promise_value_t value; /* the argument, then the outcome: goes with `mail` */
    /* on our thread: */
    promise_resolver_t *resolver; /* NULL once the call is cancelled */
    /* on the other one: */
    promise_t *running; /* NULL before it has begun, and after */
};

static void drop_right(struct call *call) {
    if (atomic_fetch_sub_explicit(&call->rights, 1, memory_order_acq_rel) == 1) promise__free(call);
}

/* ---- here ---- */

/* The right to cancel, which is no longer needed. */
static void drop_cancel(struct call *call) {
    promise_mailbox_unref(call->there);
    drop_right(call);
}

static void open_outcome(struct mail *mail, promise_loop_t *loop) {
    struct call *call = (struct call *)mail;
    promise_resolver_t *resolver = call->resolver;

    (void)loop;
    call->resolver = NULL;
    if (resolver) {
        promise_resolve(resolver, call->value);
        drop_cancel(call);
    } else {
        promise__release(call->value);
    }
    promise__mailbox_release(call->here);
    drop_right(call);
}

/* ---- there ---- */

static void send_outcome(struct call *call) {
    promise_mailbox_t *here = call->here;

    if (call->tally) atomic_fetch_sub_explicit(&call->tally->calls, 1, memory_order_relaxed);
    call->mail.open = open_outcome;
    if (promise__mail_send(here, &call->mail) == 0) return; /* the reference goes with it */
    promise__release(call->value);
    promise_mailbox_unref(here);
    drop_right(call);
}

static promise_value_t run(promise_value_t v, void *arg) {
    struct call *call = arg;
    promise_value_t value = call->value, result;

    (void)v;
    call->value = promise_void();
    result = promise__returned(call->fn(promise__mark(value, MARK_LENT), NULL));
    promise__release(value);
    return result;
}

/* The drain has ended: what it held of the outcome is let go of, so that what nobody keeps is moved. */
static void open_done(struct mail *mail, promise_loop_t *loop) {
    struct call *call = (struct call *)mail;
    struct tally *tally = call->tally;

    (void)loop;
    promise__release(call->value); /* of a call that was cancelled before it began */
    call->value = promise__copy(call->running->value);
    promise_unref(call->running);
    call->running = NULL;
    promise__cross(&call->value, call->function);
    send_outcome(call);
    if (tally && !--tally->running && tally->idle) tally->idle(tally);
}

static void done(void *arg) {
    struct call *call = arg;

    call->mail.open = open_done;
    promise__after_drain(promise__loop(call->running), &call->mail);
}

static promise_value_t gone(const char *function) {
    return promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "%s: the loop that was to run it is gone", function);
}

/* What has to happen when the promise has settled is attached: it comes also without memory (O3). */
static void open_task(struct mail *mail, promise_loop_t *loop) {
    struct call *call = (struct call *)mail;
    promise_t *p;

    if (loop->dying) {
        promise__release(call->value);
        call->value = gone(call->function);
        send_outcome(call);
        return;
    }
    if (call->tally) call->tally->running++;
    call->running = promise_try(loop, run, call);
    p = promise_attach(promise_ref(call->running), call, done);
    promise__handled(p); /* where it is asked for, it is reported */
    promise_unref(p);
}

/* After open_task, as it was sent after the task; the promise may have settled. */
static void open_cancel(struct mail *mail, promise_loop_t *loop) {
    struct call *call = ((struct cancel *)mail)->call;
    promise_mailbox_t *there = call->there;

    (void)loop;
    if (call->running) promise_cancel(promise_ref(call->running));
    drop_right(call);
    promise__mailbox_release(there);
}

/* ---- here again ---- */

/* K2: the promise was rejected first. */
static void stop(void *arg) {
    struct call *call = arg;
    promise_resolver_t *resolver = call->resolver;

    call->resolver = NULL;
    promise_abandon(resolver);
    if (promise__mail_send(call->there, &call->cancel.mail) < 0) drop_cancel(call);
}

static void refused(promise_loop_t *loop, struct call *call) {
    promise_resolver_t *resolver = call->resolver;

    promise_on_cancel(resolver, NULL, NULL);
    promise_reject(resolver, gone(call->function));
    promise__release(call->value);
    promise_mailbox_unref(call->there);
    promise__mailbox_give_back(loop, call->here);
    promise__free(call);
}

/* NULL when out of memory. */
static struct call *call_new(promise_loop_t *loop, promise_mailbox_t *there, const char *function) {
    struct call *call = promise__malloc(sizeof *call);

    if (!call) return NULL;
    *call = (struct call){.mail.open = open_task, .cancel = {{.open = open_cancel}, call}, .function = function};
    call->here = promise__loop_mailbox(loop, function);
    if (call->here) {
        call->there = promise_mailbox_ref(there);
        atomic_init(&call->rights, 2);
        return call;
    }
    promise__free(call);
    return NULL;
}

static promise_t *rejected(promise_loop_t *loop, promise_value_t v, promise_value_t why) {
    promise__release(v);
    return promise__settled(loop, why);
}

/* False when it takes no more. */
static bool tally_one(struct tally *tally) {
    size_t calls = tally ? atomic_load_explicit(&tally->calls, memory_order_relaxed) : TALLY_CLOSED;

    while (!(calls & TALLY_CLOSED))
        if (atomic_compare_exchange_weak(&tally->calls, &calls, calls + 1)) return true;
    return !tally;
}

promise_t *promise__call_on(promise_loop_t *loop, promise_mailbox_t *mailbox, struct tally *tally, promise_fn *fn,
                            promise_value_t v, const char *function) {
    struct call *call;
    promise_t *p;

    if (!promise__cross_argument(&v, function)) return promise__settled(loop, v);
    if (loop->dying) return rejected(loop, v, promise__canceled());
    call = call_new(loop, mailbox, function);
    if (!call) return rejected(loop, v, promise__nomem());
    call->tally = tally;
    call->fn = fn;
    call->value = v;
    p = promise_new(loop, &call->resolver);
    promise_on_cancel(call->resolver, stop, call);
    if (!promise_resolver_is_pending(call->resolver) || !tally_one(tally)) {
        refused(loop, call);
        return p;
    }
    if (promise__mail_send(call->there, &call->mail) == 0) return p;
    if (tally) atomic_fetch_sub_explicit(&tally->calls, 1, memory_order_relaxed);
    refused(loop, call);
    return p;
}

promise_t *promise_call(promise_loop_t *loop, promise_mailbox_t *mailbox, promise_fn *fn, promise_value_t v) {
    if (!mailbox) promise__stop("promise_call: the mailbox is NULL");
    if (!fn) promise__stop("promise_call: fn is NULL");
    return promise__call_on(promise__loop_arg(loop, __func__), mailbox, NULL, fn, v, __func__);
}

/* ---- a mailbox as a value ---- */

static void retain_mailbox(void *mailbox) { promise_mailbox_ref(mailbox); }
static void release_mailbox(void *mailbox) { promise_mailbox_unref(mailbox); }

static const struct promise_type mailbox_type = {
    sizeof(struct promise_type), "mailbox", NULL, retain_mailbox, release_mailbox, NULL, NULL};

promise_value_t promise_mailbox_value(promise_mailbox_t *mailbox) {
    return mailbox ? promise_object(&mailbox_type, mailbox) : promise__nomem();
}
promise_mailbox_t *promise_as_mailbox(promise_value_t v) { return promise__as_object_of(v, &mailbox_type, __func__); }
