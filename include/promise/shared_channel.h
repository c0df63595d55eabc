/*
 * promise_shared_channel_t: values from thread to thread, in order: between loops, and threads that have none.
 *
 *     promise_shared_channel_t *work = promise_shared_channel_new(16);              // up to 16 items wait in it
 *
 *     promise_shared_send(loop, work, promise_string("item"));                      // on one loop
 *     promise_each(promise_shared_channel_items(other, work), 4, handle, NULL);     // on another, and its thread
 *
 *     while (promise_shared_receive_wait(work, UINT64_MAX, &v) == 0 && !promise_is_end(v)) use(v);   // on a thread without one
 *
 * The verbs are those of <promise/channel.h>. This one belongs to no loop: it is counted, with atomics, and each call names the
 * loop whose promise it gives (NULL inside a handler: the running one). Both sides wait in a queue, first come, first served.
 * What one thread sends arrives in its order, and each item at one receiver.
 *
 * Items are moved (H3); what somebody else holds is copied or refused as by promise_call(), see <promise/remote.h>: so what a
 * receive has put into a variable is sent on as promise_value_move(&v).
 *
 * A receive takes its item when its promise is settled, on the thread of its loop. Cancelled before that, it takes none (K6),
 * also when it was woken already: the item is for the next one who waits. A send that is cancelled before its item is in the
 * channel, or with a receiver, is taken back. A loop that waits at a channel does not end; one that is freed leaves it.
 *
 * A channel that is NULL, as one is for which there was no memory, rejects with ENOMEM.
 */
#ifndef PROMISE_SHARED_CHANNEL_H
#define PROMISE_SHARED_CHANNEL_H

#include <promise/iterator.h>
#include <promise/promise.h>

PROMISE_BEGIN

typedef struct promise_shared_channel promise_shared_channel_t;

PROMISE_API extern const struct promise_type promise_type_shared_channel;

/* ---- make, own: on any thread ---- */

/* With room for capacity items that nobody has received yet, and one reference; with 0, a send waits for its receiver. The
 * memory grows with what is in it, so that SIZE_MAX is a channel without a limit. NULL when out of memory. */
PROMISE_API PROMISE_MUST_USE promise_shared_channel_t *promise_shared_channel_new(size_t capacity);
/* One more reference, for one more thread; returns ch. */
PROMISE_API promise_shared_channel_t *promise_shared_channel_ref(promise_shared_channel_t *ch);
/* The last one closes the channel, and what is in it goes. What waits holds no reference, iterators do. NULL
 * is fine. This and close take a void *, for promise_attach() and promise_defer(). */
PROMISE_API void promise_shared_channel_unref(void *ch);
/* As a value, to go through a channel or promise_call(): it takes one reference over; as_shared_channel lends it. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_shared_channel_value(promise_shared_channel_t *ch);
PROMISE_API promise_shared_channel_t *promise_as_shared_channel(promise_value_t v);

/* ---- on a loop: each borrows ch ---- */

/* Void once v is in the channel, or with a receiver. Rejects with PROMISE_ECLOSED when the channel is closed, before or while
 * it waits; a v that is a rejection rejects with it; the end, a promise and a thenable are no items: EINVAL. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_shared_send(promise_loop_t *loop, promise_shared_channel_t *ch,
                                                            promise_value_t v);
/* The next item, or the end once the channel is closed and empty. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_shared_receive(promise_loop_t *loop, promise_shared_channel_t *ch);
/* The items until the end, for promise_each() and its kin, or by promise_next(). It holds a reference. Closing it leaves the
 * channel open. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_shared_channel_items(promise_loop_t *loop,
                                                                              promise_shared_channel_t *ch);

/* ---- on a thread without a loop: the same, but they wait ---- */

/* 0, or -1 with the rejection in *outcome: as above, or PROMISE_ETIMEDOUT after timeout_ms (0: without waiting, which a send
 * to a channel without room always has to, as its receiver takes the item when it runs; UINT64_MAX: never). *outcome lets go
 * of what it held, and is as from an await; NULL for who does not ask. v is released when it was not sent. In a handler,
 * which would hold up its loop, a timeout_ms other than 0 stops the program. */
PROMISE_API int promise_shared_send_wait(promise_shared_channel_t *ch, promise_value_t v, uint64_t timeout_ms,
                                         promise_value_t *outcome);
/* The item, or the end, is in *item. */
PROMISE_API PROMISE_MUST_USE int promise_shared_receive_wait(promise_shared_channel_t *ch, uint64_t timeout_ms,
                                                             promise_value_t *item);

/* ---- on any thread ---- */

/* From either side, as often as you like: who waits for an item gets the end, what waits to be sent is rejected with
 * PROMISE_ECLOSED, what is in the channel is still received. NULL is fine. */
PROMISE_API void promise_shared_channel_close(void *ch);
/* As of now: the items that are in it; how many it has room for; whether nothing more can be sent. */
PROMISE_API size_t promise_shared_channel_size(promise_shared_channel_t *ch);
PROMISE_API size_t promise_shared_channel_capacity(const promise_shared_channel_t *ch);
PROMISE_API bool promise_shared_channel_is_closed(promise_shared_channel_t *ch);

PROMISE_END

#endif
