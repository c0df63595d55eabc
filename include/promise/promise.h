/*
 * promise_t, the consumer's side of something that settles later, and promise_resolver_t, the producer's side.
 *
 *     promise_t *p = fetch(loop, url);                      // whatever gives a promise
 *     p = promise_then(p, got_page, session);
 *     p = promise_catch(p, complain, session);
 *     p = promise_attach(p, session, session_free);
 *     int status = promise_loop_run(loop, p, NULL);
 *
 * How any callback becomes a promise:
 *
 *     promise_t *lookup(promise_loop_t *loop, const char *name) {
 *         promise_resolver_t *resolver;
 *         promise_t *p = promise_new(loop, &resolver);
 *         library_lookup(name, on_answer, resolver);      // on_answer: promise_resolve(resolver, promise_string(text))
 *         return p;
 *     }
 *
 * Ownership (O1): what takes a `promise_t *` consumes it, also when it fails, and gives a new one; what takes a
 * `const promise_t *`, and promise_ref(), only look. To use a promise twice, promise_ref() it first. Every promise that you
 * get ends in one of these: a consuming call, `return promise_adopt(p)`, promise_unref(p), promise_cancel(p).
 *
 * Nothing here returns NULL (O2): what cannot be started comes back rejecting with the reason, out of memory included.
 * Handlers never run inside a call (2.2.4 of Promises/A+), always from the loop's drain, in the order of the calls.
 * A NULL promise, handler (but in then_catch) or resolver is a bug of the program, and stops it with a message.
 * A promise belongs to the thread of its loop (H1).
 */
#ifndef PROMISE_PROMISE_H
#define PROMISE_PROMISE_H

#include <promise/value.h>

PROMISE_BEGIN

typedef struct promise_loop promise_loop_t;

/* Where a function takes a loop, NULL inside a handler means the loop that is running it; elsewhere NULL stops the program. */

/* ---- make ---- */

/* promise_new(loop, &resolver): a pending promise and the right to settle it, which is never NULL and must be used. */
#define promise_new(loop, resolver) promise_new_at(PROMISE_HERE, (loop), (resolver))
PROMISE_API PROMISE_MUST_USE promise_t *promise_new_at(const char *where, promise_loop_t *loop, promise_resolver_t **resolver);
/* A promise that is settled with v, or, where v is an adopted promise or a thenable, follows it. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_from(promise_loop_t *loop, promise_value_t v);
/* Calls fn(void, arg) from the loop's drain; the promise gets its result, as from a handler. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_try(promise_loop_t *loop, promise_fn *fn, void *arg);

/* ---- the producer's side ---- */

/* Settle the promise, and consume the resolver (O5). The first to settle wins; later ones, and those that come after a
 * cancel, only let go of the resolver and of v. resolve follows an adopted promise or a thenable, rejects with a rejection,
 * and fulfils with anything else; reject rejects with v as it is, marked or not. */
PROMISE_API void promise_resolve(promise_resolver_t *resolver, promise_value_t v);
PROMISE_API void promise_reject(promise_resolver_t *resolver, promise_value_t reason);
/* Lets go of the resolver. When it was the last one and nothing has settled the promise, it is rejected with
 * PROMISE_EABANDONED, naming the place where the promise was made: a lost callback is an error, never a hang. */
PROMISE_API void promise_abandon(promise_resolver_t *resolver);
/* One more reference, for one more producer: each is consumed on its own. Returns resolver. */
PROMISE_API promise_resolver_t *promise_resolver_ref(promise_resolver_t *resolver);
/* False once the promise is settled, cancelled, or following another: the work is no longer wanted. */
PROMISE_API bool promise_resolver_is_pending(const promise_resolver_t *resolver);
/* What stops the work when the promise is cancelled (K2): the promise is rejected first, then stop(arg) runs once. It
 * should stop the work and abandon the resolver. Replaces an earlier one; NULL takes it away. Borrows the resolver: set it
 * before the work is started, which may use the resolver up at once. */
PROMISE_API void promise_on_cancel(promise_resolver_t *resolver, void (*stop)(void *arg), void *arg);

/* ---- the consumer's side: each consumes p and gives the promise of what comes of it ---- */

/* fn gets the value when p is fulfilled; a rejection passes by. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_then(promise_t *p, promise_fn *fn, void *arg);
/* fn gets the rejection when p is rejected; a value passes by. `return v` passes the rejection on. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_catch(promise_t *p, promise_fn *fn, void *arg);
/* One of the two; either may be NULL: then what is for it passes by. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_then_catch(promise_t *p, promise_fn *fulfilled, promise_fn *rejected,
                                                           void *arg);
/* fn gets void in either case; p's outcome passes by, unless fn gives a rejection or a promise that rejects. A promise that
 * it gives is waited for, also when the chain is cancelled (K3). */
PROMISE_API PROMISE_MUST_USE promise_t *promise_finally(promise_t *p, promise_fn *fn, void *arg);
/* Frees object with free_object when p has settled, with everything that it adopted, on every path and exactly once (O3):
 * from the drain, after the links above and before those below. This is where the args of handlers belong. free_object is
 * called also when object is NULL, and must not be NULL. Without memory, it has a reserve; when that is used up as well, the
 * program stops. What ends an object of the library, as promise_stream_unref() or promise_listener_close(), takes a void * and
 * can be given as it is, here and to promise_defer(). */
PROMISE_API PROMISE_MUST_USE promise_t *promise_attach(promise_t *p, void *object, void (*free_object)(void *object));
/* A promise with p's outcome that no cancel passes: p goes on. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_shield(promise_t *p);
/* p as a value: what a handler returns, or a resolver is given, to wait for p. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_adopt(promise_t *p);

/* One more reference; returns p. Borrows p. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_ref(promise_t *p);
/* Lets it run without you: not a cancellation (K4). NULL is fine. */
PROMISE_API void promise_unref(promise_t *p);
/* Stops p, and above it whatever nobody else wants (K1): the topmost promise that it reaches gets PROMISE_ECANCELED, which
 * flows down as any rejection does: catch and finally run. Does nothing to a settled promise. NULL is fine. */
PROMISE_API void promise_cancel(promise_t *p);

/* ---- query ---- */

enum promise_state { PROMISE_PENDING, PROMISE_FULFILLED, PROMISE_REJECTED };

PROMISE_API enum promise_state promise_get_state(const promise_t *p);
/* The outcome, lent as long as p lives; void while it is pending. */
PROMISE_API promise_value_t promise_peek(const promise_t *p);
PROMISE_API promise_loop_t *promise_loop_of(const promise_t *p);
/* Names p, for messages; the text is copied, NULL takes the name away. Returns 0, or -1 when out of memory. */
PROMISE_API int promise_set_name(promise_t *p, const char *name);
/* Its name, or NULL. */
PROMISE_API const char *promise_get_name(const promise_t *p);

PROMISE_END

#endif
