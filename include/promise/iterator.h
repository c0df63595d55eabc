/*
 * promise_iterator_t: many things, one after the other, each when it is asked for; and what can be done with all of them.
 *
 *     promise_t *p = promise_map(promise_strings(loop, n, urls), 8, fetch, NULL);     // at most 8 at a time
 *     p = promise_then(p, show_all, NULL);                                            // gets the list of results
 *
 * An iterator ends with promise_end(), or with a rejection. It is owned: promise_iterator_close() or a call that consumes
 * it lets go of it. What cannot be made is an iterator that rejects (O2).
 */
#ifndef PROMISE_ITERATOR_H
#define PROMISE_ITERATOR_H

#include <promise/promise.h>

PROMISE_BEGIN

typedef struct promise_iterator promise_iterator_t;

/* ---- make ---- */

/* Of n values, each of them an argument as V2 says. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_items(promise_loop_t *loop, size_t n, const promise_value_t *items);
/* Of n texts, which are copied, as string values. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_strings(promise_loop_t *loop, size_t n, char *const *strings);
/* Of the elements of a list; elements that are pushed to it meanwhile come too. A rejected list rejects. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_list_items(promise_loop_t *loop, promise_value_t list);
/* Of what fn(void, arg) gives, call by call, from the drain: a value or a promise (promise_adopt) of one is an item, the
 * end or a rejection the last. There is one call at a time. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_pull(promise_loop_t *loop, promise_fn *fn, void *arg);
/* Frees object with free_object when the iterator is let go of and no call of its function is under way; several are freed
 * last first. A free_object that is NULL stops the program. Returns it. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_iterator_attach(promise_iterator_t *it, void *object,
                                                                         void (*free_object)(void *object));

/* ---- use one by one ---- */

/* The promise of the next item, or of the end. Borrows the iterator. Several may be asked for at once: they come in order.
 * After the end, or a rejection, comes the end. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_next(promise_iterator_t *it);
/* Lets go of the iterator: what was asked for and has not come is cancelled. NULL is fine. Takes a void *, for
 * promise_attach() and promise_defer(). */
PROMISE_API void promise_iterator_close(void *it);

/*
 * ---- use all: each consumes the iterator ----
 * fn gets the items; they start in their order, at most limit at a time (0: no limit), and an item lives until what fn
 * gave for it has settled. The first rejection, of fn's or of the iterator's, rejects: the others are cancelled and waited
 * for (T5), the iterator is closed. Cancelling the promise does the same. But what a generator leaves with after that, other
 * than PROMISE_ECANCELED, takes the place of that rejection (<promise/generator.h>).
 */

/* The list of what fn gave, in the order of the items. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_map(promise_iterator_t *it, size_t limit, promise_fn *fn, void *arg);
/* Void, when all is done. Memory does not grow with the number of items, which may be endless. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_each(promise_iterator_t *it, size_t limit, promise_fn *fn, void *arg);
/* The list of the items for which fn gave a promise_int() other than 0. Another type than int is an EINVAL rejection. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_filter(promise_iterator_t *it, size_t limit, promise_fn *fn, void *arg);
/* One by one: fn gets a list of two, what it gave last (initial at first) and the item. The promise of what it gave last. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_reduce(promise_iterator_t *it, promise_value_t initial, promise_fn *fn,
                                                       void *arg);

/* Calls fn again and again, each time when what it gave before has settled, with that value (void at first), until it gives
 * the end or a rejection. Fulfilled with the value before the end. Memory does not grow with the number of turns. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_repeat(promise_loop_t *loop, promise_fn *fn, void *arg);

PROMISE_END

#endif
