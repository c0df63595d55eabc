/* The host on libevent, as loop.c and remote.c share it. */
#ifndef PROMISE_SRC_LOOP_H
#define PROMISE_SRC_LOOP_H

#include <promise/remote.h>

#include "core.h"

struct event;

struct event_host {
    promise_loop_t *loop; /* NULL once it is gone */
    struct event_base *base;
    bool own_base;
    unsigned depth; /* how many of promise_loop_run, _turn and our event callbacks are on the stack */
    struct event *drain;
    promise_mailbox_t *mailbox; /* made when it is first asked for */
    struct event *mail;         /* the mailbox's wake-up */
};

/* NULL for another host. */
struct event_host *promise__event_host(const promise_loop_t *loop);

/* What each of our event callbacks ends with, having begun with ++depth: the loop's drain (J2). */
void promise__host_drain(struct event_host *h);

/* remote.c: the loop is going: nothing comes through any more, and what is there is let go of. */
void promise__mailbox_close(struct event_host *h);

#endif
