/*
 * Who waits for what an event brings, and iterators over an object that may go before they do: as listeners and datagrams
 * share them.
 */
#ifndef PROMISE_SRC_WAITING_H
#define PROMISE_SRC_WAITING_H

#include <promise/source.h>

#include "loop.h"

/* The loop that a public function is to use, which must be one of promise_loop_new(). */
promise_loop_t *promise__event_loop_arg(promise_loop_t *loop, const char *function);

/* ---- a queue of promises ---- */

struct waiter { /* the first field of what is known of it */
    struct waiter *next, **link;
    struct waiters *list;
    promise_resolver_t *resolver;
};

struct waiters {
    struct waiter *first, **tail;
    void (*let_go)(struct waiter *w);       /* of what else it has, before it is freed; or NULL */
    void (*canceled)(struct waiters *list); /* one of them was, and is out; or NULL */
};

void promise__waiters_init(struct waiters *list, void (*let_go)(struct waiter *w), void (*canceled)(struct waiters *list));
/* One more, at the end, of that size, zero but for what is in struct waiter; *w is NULL when its promise came back rejected,
 * for want of memory or of a loop that goes on. */
promise_t *promise__wait_in(promise_loop_t *loop, struct waiters *list, size_t size, struct waiter **w);
/* Takes w out and frees it; the resolver is the caller's. */
promise_resolver_t *promise__waiter_take(struct waiter *w);
/* Puts w into another list, at the end or as the first. */
void promise__waiter_move(struct waiter *w, struct waiters *to, bool first);
/* Resolves all of them with v, which is borrowed. */
void promise__waiters_settle(struct waiters *list, promise_value_t v);

/* ---- iterators that borrow their object ---- */

struct feed { /* the first field of what is known of it; freed with its iterator */
    struct feed *next, **link;
    void *owner; /* NULL once it is closed: then fn should give the end */
};

/* fn gets the feed, a copy of that one, whose owner is set. */
promise_iterator_t *promise__feed_new(promise_loop_t *loop, struct feed **list, promise_fn *fn, const struct feed *feed,
                                      size_t size);
/* What fn gives for an operation: the end where that rejects with PROMISE_ECLOSED. */
promise_value_t promise__feed_from(promise_t *p);
void promise__feeds_end(struct feed **list);

#endif
