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
    bool running;         /* promise_loop_run or _turn is on the stack */
    struct event *drain;
    promise_mailbox_t *mailbox; /* made when it is first asked for */
    struct event *mail;         /* the mailbox's wake-up */
};

/* NULL for another host. */
struct event_host *promise__event_host(const promise_loop_t *loop);

/* remote.c: the loop is going: nothing comes through any more, and what is there is let go of. */
void promise__mailbox_close(struct event_host *h);

#endif
