/*
 * What may cross threads (H2): promise_remote_t settles a promise from any thread, promise_mailbox_t runs functions on the
 * loop's thread. Everything else belongs to one thread.
 *
 *     // on the loop's thread
 *     promise_resolver_t *resolver;
 *     promise_t *p = promise_new(loop, &resolver);
 *     start_thread(promise_remote_new(resolver));
 *     // on the other one
 *     promise_remote_resolve(remote, promise_string("done"));
 *
 * Values that cross are moved (H3): whoever gives one away must have had the only reference; builds with --enable-debug
 * check that. promise_value_move() gives what a variable or a slot has without leaving one there.
 *
 * libevent is touched from the loop's thread only: no evthread_use_pthreads() is needed, but where several threads ask name
 * servers (<promise/dns.h>) and the C library has no arc4random(3), as glibc before 2.36: libevent then has random numbers of
 * its own, for all threads, which that locks. The loop does not end while a remote has not been used, or a mailbox is held.
 */
#ifndef PROMISE_REMOTE_H
#define PROMISE_REMOTE_H

#include <promise/promise.h>

PROMISE_BEGIN

typedef struct promise_remote promise_remote_t;
typedef struct promise_mailbox promise_mailbox_t;

/* On the loop's thread: consumes the resolver, and gives its right to settle to any one thread. Never NULL: what cannot be
 * made has rejected the promise, and ignores what it is told. Only for loops of promise_loop_new(). */
PROMISE_API PROMISE_MUST_USE promise_remote_t *promise_remote_new(promise_resolver_t *resolver);
/* On any thread: each consumes the remote, and never fails. After the loop is gone they only release the value. */
PROMISE_API void promise_remote_resolve(promise_remote_t *remote, promise_value_t v);
PROMISE_API void promise_remote_reject(promise_remote_t *remote, promise_value_t reason);
PROMISE_API void promise_remote_abandon(promise_remote_t *remote);

/* On the loop's thread: a reference to the loop's mailbox, which outlives the loop as long as somebody holds it. NULL when
 * out of memory. */
PROMISE_API PROMISE_MUST_USE promise_mailbox_t *promise_loop_mailbox(promise_loop_t *loop);
/* On any thread. unref: NULL is fine; takes a void *, for promise_attach(). */
PROMISE_API promise_mailbox_t *promise_mailbox_ref(promise_mailbox_t *mailbox);
PROMISE_API void promise_mailbox_unref(void *mailbox);
/* On any thread: fn(v, NULL) runs on the loop's thread, as by promise_try(): posts of one thread in their order, and a
 * rejection that it gives is reported as unhandled. 0, or -1 when the loop is gone or memory is out: then v is released. */
PROMISE_API int promise_post(promise_mailbox_t *mailbox, promise_fn *fn, promise_value_t v);

/*
 * From one loop to another, as promise_post(), but what comes of it comes back: fn(v, NULL) runs on the mailbox's loop, and
 * the promise, of loop, gets its outcome; what fn gives is waited for there.
 *
 *     static promise_value_t lookup(promise_value_t key, void *arg) { return table_get(promise_as_string(key)); }
 *     p = promise_then(promise_call(loop, owner_of_the_table, lookup, promise_string("ann")), found, NULL);
 *
 * v on its way there, and the outcome on its way back, are moved where nobody else holds them. Of what somebody does, strings,
 * bytes, lists and errors are copied, with all that is in them; of another type (a box, a type of one's own with `free`) it
 * does not cross: the promise is rejected with EBUSY, as it is with EINVAL when there is a promise in it. Types that count
 * themselves (retain, release) must do so with atomics, and always cross.
 *
 * Cancelling it cancels there; an outcome that was on its way is released, so what must not be lost is best a box. When that
 * loop is freed before it begins, the rejection is PROMISE_ECLOSED; later, what the cancelled promise makes of it there,
 * mostly PROMISE_ECANCELED. When loop is freed, so is the outcome. Both loops go on until then.
 */
PROMISE_API PROMISE_MUST_USE promise_t *promise_call(promise_loop_t *loop, promise_mailbox_t *mailbox, promise_fn *fn,
                                                     promise_value_t v);

/* A mailbox as a value, which takes one reference over, and may be given to any thread; NULL is the ENOMEM rejection. And the
 * mailbox in one, borrowed. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_mailbox_value(promise_mailbox_t *mailbox);
PROMISE_API promise_mailbox_t *promise_as_mailbox(promise_value_t v);

PROMISE_END

#endif
