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
 * check that. libevent is touched from the loop's thread only: no evthread_use_pthreads() is needed. The loop does not end
 * while a remote has not been used, or a mailbox is held.
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
/* On any thread. */
PROMISE_API promise_mailbox_t *promise_mailbox_ref(promise_mailbox_t *mailbox);
PROMISE_API void promise_mailbox_unref(promise_mailbox_t *mailbox);
/* On any thread: fn(v, NULL) runs on the loop's thread, as by promise_try(): posts of one thread in their order, and a
 * rejection that it gives is reported as unhandled. 0, or -1 when the loop is gone or memory is out: then v is released. */
PROMISE_API int promise_post(promise_mailbox_t *mailbox, promise_fn *fn, promise_value_t v);

PROMISE_END

#endif
