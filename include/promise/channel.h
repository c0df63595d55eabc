/*
 * promise_channel_t: values from task to task of one loop, in order; and select, which waits for several channels at once.
 *
 *     promise_channel_t *work = promise_channel_new(loop, 16);          // up to 16 items wait in it; 0: none does
 *
 *     promise_send(work, promise_string("item"));                       // void: it is in the channel, or somebody has it
 *     promise_receive(work);                                            // the item; promise_end() when all is over (N2)
 *     promise_channel_close(work);                                      // nothing comes any more
 *     promise_each(promise_channel_items(work), 4, handle, NULL);       // four consumers
 *
 * Both sides wait in a queue, first come, first served, in chains and in coroutines alike. An item goes to one receiver.
 *
 * An item is taken when somebody sees it: a handler gets it, an await returns it, a combinator or promise_loop_run() has it,
 * promise_peek() shows it. Until then it is the channel's: a receive that is cancelled, timed out or let go of after the item
 * came, but before anybody saw it, gives it back, in front of all that came later (K6). That holds through whatever passes a
 * value by (timeout, attach, shield, finally, catch, adopting), as long as there is one way for it to go: what is waited for
 * twice (promise_ref), what goes through a promise_new(), and what a finally's promise holds up, counts as seen.
 *
 * A channel belongs to its loop's thread; the one that crosses threads is another type. A channel that is NULL stops the
 * program, but where it is said to be fine.
 */
#ifndef PROMISE_CHANNEL_H
#define PROMISE_CHANNEL_H

#include <promise/iterator.h>
#include <promise/promise.h>

PROMISE_BEGIN

typedef struct promise_channel promise_channel_t;

PROMISE_API extern const struct promise_type promise_type_channel;

/* ---- make, own ---- */

/* A channel with room for capacity items that nobody has received yet; with 0, a send waits for its receiver. The memory
 * grows with what is in it, so that SIZE_MAX is a channel without a limit. With one reference. Never NULL (O2): out of
 * memory, what is asked of it is rejected. */
PROMISE_API PROMISE_MUST_USE promise_channel_t *promise_channel_new(promise_loop_t *loop, size_t capacity);
/* One more reference; returns ch. Borrows ch. */
PROMISE_API promise_channel_t *promise_channel_ref(promise_channel_t *ch);
/* The last one closes the channel, and releases what is in it. What waits holds no reference. NULL is fine. This and
 * close take a void *, for promise_attach() and promise_defer(). */
PROMISE_API void promise_channel_unref(void *ch);
/* A channel as a value, to go through a channel itself: the value takes one reference over; as_channel lends it.
 * NULL is an EINVAL rejection. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_channel_value(promise_channel_t *ch);
PROMISE_API promise_channel_t *promise_as_channel(promise_value_t v);

/* ---- send and receive: each borrows ch ---- */

/* Void once a receiver has v, or it is in the buffer. v is an argument as V2 says. Rejects with PROMISE_ECLOSED when the
 * channel is closed, before or while it waits: then v is released. A cancel takes v back out, and releases it; letting go of
 * the promise does not (K4). A v that is a rejection rejects with it (V3); the end, a promise and a thenable are no items:
 * EINVAL. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_send(promise_channel_t *ch, promise_value_t v);
/* The next item, or the end once the channel is closed and empty. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_receive(promise_channel_t *ch);
/* The items until the end, for promise_each() and its kin, or by promise_next(); several iterators share the items. It holds
 * a reference to the channel. Closing it leaves the channel open. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_channel_items(promise_channel_t *ch);
/* Without waiting: true when v was sent. False when it would have to wait, the channel is closed, v is no item, or memory is
 * out: v is released in any case (keep it by promise_value_set() to try again). */
PROMISE_API bool promise_channel_try_send(promise_channel_t *ch, promise_value_t v);
/* Without waiting: true when *v is the next item, or the end once the channel is closed and empty; false when there is none
 * yet: *v is void. The end comes again and again, so that a loop over what there is asks for that as well: `while
 * (promise_channel_try_receive(ch, &v) && !promise_is_end(v))`. *v lets go of what it held; then it is as from an await
 * (held). */
PROMISE_API PROMISE_MUST_USE bool promise_channel_try_receive(promise_channel_t *ch, promise_value_t *v);
/* From either side, as often as you like: who waits for an item gets the end, what waits to be sent is rejected with
 * PROMISE_ECLOSED, what is in the buffer is still received. NULL is fine. */
PROMISE_API void promise_channel_close(void *ch);

/* ---- query ---- */

/* The items that are in it. Those that came back may be above the capacity. */
PROMISE_API size_t promise_channel_size(const promise_channel_t *ch);
PROMISE_API size_t promise_channel_capacity(const promise_channel_t *ch);
/* Nothing more can be sent; there may be items left. */
PROMISE_API bool promise_channel_is_closed(const promise_channel_t *ch);

/*
 * ---- select: one of several ----
 *
 *     const promise_case_t cases[] = {
 *         {.channel = work},                                            // receive
 *         {.channel = log, .send = true, .value = promise_int(1)},      // send
 *     };
 *     p = promise_then(promise_select(2, cases), got_one, NULL);        // promise_select_index(v), promise_select_value(v)
 */

/* channel NULL: never ready, so that a case can be switched off. */
typedef struct promise_case {
    promise_channel_t *channel;
    bool send;             /* value; else it receives */
    promise_value_t value; /* an argument, as of promise_send(): a fresh one is taken over by each promise_select() */
} promise_case_t;

/*
 * Does exactly one of them: of those that can be done at once any, each as likely; or the first that can be done later. The
 * others have no effect, and their values are released; when it is cancelled none has (K6), as above. The cases are copied.
 *   - A receive from a closed and empty channel can be done: the value is the end.
 *   - A send to a closed channel can be done, too: the select rejects with PROMISE_ECLOSED, whose message has the index.
 *   - A send does not meet a receive of the same select.
 *   - n 0, or no case with a channel: it stays pending, as promise_race() of nothing; the loop is the running one.
 * cases NULL with an n, and a value that cannot be sent, reject with EINVAL; channels of two loops stop the program.
 */
PROMISE_API PROMISE_MUST_USE promise_t *promise_select(size_t n, const promise_case_t *cases);
/* Which case it was, and what was received (lent as long as v lives; void for a send). v is what a select gave: anything
 * else stops the program. */
PROMISE_API size_t promise_select_index(promise_value_t v);
PROMISE_API promise_value_t promise_select_value(promise_value_t v);

PROMISE_END

#endif
