/*
 * Many promises made one.
 *
 *     promise_t *p = promise_all_of(loop, load_user(loop), load_orders(loop), NULL);
 *     p = promise_then(p, show, NULL);                   // gets a list of two
 *
 * Each consumes the promises (not the array). As soon as the outcome is known, the branches in which nobody else has an
 * interest are cancelled, and the promise settles when these have settled (T5): nothing outlives its combinator. Branches
 * that others hold (promise_ref) are only let go of. Cancelling the promise cancels the branches in the same way.
 *
 * A NULL in an array is an EINVAL rejection that names it; a promise of another loop stops the program.
 */
#ifndef PROMISE_COMBINE_H
#define PROMISE_COMBINE_H

#include <promise/promise.h>

PROMISE_BEGIN

/* The list of all values, in the order of the promises; the first rejection rejects. None: the empty list. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_all(promise_loop_t *loop, size_t n, promise_t *const *promises);
/* The list of all outcomes, the rejections among them marked: ask promise_is_rejection(). None: the empty list. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_all_settled(promise_loop_t *loop, size_t n, promise_t *const *promises);
/* The first value; when all reject, PROMISE_EAGGREGATE with their reasons in the order of the promises. None: rejected so. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_any(promise_loop_t *loop, size_t n, promise_t *const *promises);
/* The first outcome. None: pending until cancelled, as in ECMAScript. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_race(promise_loop_t *loop, size_t n, promise_t *const *promises);
/* The list of the first k values, in the order in which they came; when that has become impossible, PROMISE_EAGGREGATE with
 * the reasons in the order in which they came. k 0: the empty list. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_some(promise_loop_t *loop, size_t k, size_t n, promise_t *const *promises);

/* The same, with the promises as arguments and NULL after the last. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_all_of(promise_loop_t *loop, ...) PROMISE_SENTINEL;
PROMISE_API PROMISE_MUST_USE promise_t *promise_all_settled_of(promise_loop_t *loop, ...) PROMISE_SENTINEL;
PROMISE_API PROMISE_MUST_USE promise_t *promise_any_of(promise_loop_t *loop, ...) PROMISE_SENTINEL;
PROMISE_API PROMISE_MUST_USE promise_t *promise_race_of(promise_loop_t *loop, ...) PROMISE_SENTINEL;
PROMISE_API PROMISE_MUST_USE promise_t *promise_some_of(promise_loop_t *loop, size_t k, ...) PROMISE_SENTINEL;

/*
 * The same, giving a keyed list: promise_get(v, "user").
 *
 *     const struct promise_entry entries[] = {{"user", load_user(loop)}, {"orders", load_orders(loop)}};
 *     promise_t *p = promise_all_keyed(loop, 2, entries);
 */
struct promise_entry {
    const char *name;
    promise_t *promise;
};
PROMISE_API PROMISE_MUST_USE promise_t *promise_all_keyed(promise_loop_t *loop, size_t n, const struct promise_entry *entries);
PROMISE_API PROMISE_MUST_USE promise_t *promise_all_settled_keyed(promise_loop_t *loop, size_t n,
                                                                  const struct promise_entry *entries);

PROMISE_END

#endif
