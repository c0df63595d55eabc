/*
 * Channels that cross threads, from the inside. One lock guards all of a channel; nothing of the user's runs under it.
 *
 *     channel ─ ring:      items in the buffer
 *             ─ senders:   S1 ── S2              their items wait with them
 *             ─ receivers: R1 ── R2              there is nothing for them
 *             ─ ports:     one for each loop that has somebody here
 *                  port ─ called: R3 ── R4       there is something for as many as are called: they take it on their thread
 *                       ─ done:   S3 ── S4       their items are taken, or were refused
 *
 * A receiver that is called takes the first item there is, when its port is opened on its own thread, and not before: a cancel
 * there comes before or after, and finds an item that is the channel's, or a promise that is settled (K6). As the port's
 * receivers are served in their order, so are the items of each sender. A port has one mail, whatever is to be told through it.
 */
#ifndef PROMISE_SRC_TASKS_SHARED_H
#define PROMISE_SRC_TASKS_SHARED_H

#include <pthread.h>
#include <stdatomic.h>

#include <promise/shared_channel.h>

#include "core.h"
#include "mail.h"

struct shared_list {
    struct shared_waiter *first, *last;
};

struct shared_waiter {
    struct shared_waiter *next, *prev;
    struct shared_list *in; /* or NULL */
    enum shared_state { WAITS, CALLED, DONE, REFUSED } state;
    promise_value_t value;    /* a sender's; what a receiver got */
    struct shared_port *port; /* NULL: of a thread that sleeps */
    pthread_cond_t *wake;     /* of that */
    /* of a loop, on its thread: */
    promise_resolver_t *resolver;
    struct shared_items *items; /* the iterator that asked, or NULL */
    struct shared_waiter *items_next, **items_link;
};

struct shared_port {
    struct mail mail;                  /* first, so that one is the other */
    promise_shared_channel_t *channel; /* one life */
    promise_mailbox_t *mailbox;        /* a reference */
    struct shared_port *next, **link;  /* among the channel's */
    struct shared_port *next_to_tell;
    bool told;      /* the mail is out, or about to be */
    size_t waiters; /* of this loop, in whichever list */
    struct shared_list called, done;
};

struct promise_shared_channel {
    atomic_size_t refs; /* the users' */
    atomic_size_t life; /* what keeps the memory: one for all refs, one for each port */
    size_t capacity;
    pthread_mutex_t lock; /* for all below */
    bool closed;
    promise_value_t *ring; /* size slots, a power of two or 0 */
    size_t size, first, count;
    struct shared_list senders, receivers;
    size_t sending; /* senders */
    size_t called;  /* receivers that were, and have not taken */
    struct shared_port *ports;
};

/* What is to be told once the lock is free. */
struct shared_news {
    struct shared_port *ports;
};

/* ---- shared_queue.c: with the lock, but for the last ---- */

/* Is there an item for somebody who has not been called? */
bool promise__shared_has_more(const promise_shared_channel_t *ch);
/* Nothing is in it, and nothing will come. */
bool promise__shared_is_over(const promise_shared_channel_t *ch);
enum shared_put { SHARED_PUT, SHARED_CLOSED, SHARED_FULL, SHARED_NOMEM };
enum shared_put promise__shared_put(promise_shared_channel_t *ch, promise_value_t v, struct shared_news *news);
bool promise__shared_take(promise_shared_channel_t *ch, promise_value_t *v, struct shared_news *news);
/* One more sender, with its value, or receiver, at the end. */
void promise__shared_wait(promise_shared_channel_t *ch, struct shared_waiter *w, bool sends, struct shared_news *news);
/* A receiver that was called, and is in no list any more, is served: true when it is done, with its value; false when there
 * was nothing after all: then it is to wait on, after that one, or as the first (NULL). */
bool promise__shared_serve(promise_shared_channel_t *ch, struct shared_waiter *w, struct shared_news *news);
void promise__shared_wait_on(promise_shared_channel_t *ch, struct shared_waiter *w, struct shared_waiter *after);
void promise__shared_leave(promise_shared_channel_t *ch, struct shared_waiter *w, struct shared_news *news);
void promise__shared_append(struct shared_list *list, struct shared_waiter *w);
void promise__shared_remove(struct shared_waiter *w); /* from its list, if it is in one */
void promise__shared_close(promise_shared_channel_t *ch, struct shared_news *news);
void promise__shared_tell(struct shared_news *news);

/* ---- shared_port.c ---- */

void promise__shared_port_lost(struct shared_port *port); /* its mail could not be sent: its loop is gone */

/* ---- shared_channel.c ---- */

void promise__shared_drop_life(promise_shared_channel_t *ch);
promise_value_t promise__shared_closed(const char *function); /* the rejection */
/* What a send does first: v, an argument, is taken over, and may cross; or *v is the rejection that says why not. */
bool promise__shared_accepts(promise_value_t *v, const char *function);

#endif
