/* The host on libevent, as loop.c, clock.c, source.c and remote.c share it. */
#ifndef PROMISE_SRC_LOOP_H
#define PROMISE_SRC_LOOP_H

#include <promise/pool.h>
#include <promise/remote.h>
#include <promise/stream.h>

#include "core.h"
#include "mail.h"
#include "timerqueue.h"

struct event;

struct event_host {
    promise_loop_t *loop; /* NULL once it is gone */
    struct event_base *base;
    bool own_base;
    unsigned depth; /* how many of promise_loop_run, _turn and our event callbacks are on the stack */
    struct event *drain;
    promise_mailbox_t *mailbox; /* made when it is first asked for */
    struct event *mail;         /* the mailbox's wake-up */
    size_t expected;            /* mails that are to come; while there are any, one reference to the mailbox is theirs */
    bool opening, closing;      /* mails are being opened: the last time */
    struct works {              /* what promise_work knows of the loop, see tasks/work.c */
        promise_pool_t *pool;   /* that has work of the current drain, and is to be roused when that has ended; a reference */
        bool more;              /* than the one that it was roused for at once */
        struct mail rouse;      /* in later, as long as there is a pool */
        struct work *spare;     /* works to be used again, as long as others are under way */
        size_t spares;
    } works;
    struct mail *later, *later_last; /* what is to be opened when the drain has ended */
    struct timer_queue timers;
    struct event *alarm; /* the one event of all timers */
    uint64_t rings;      /* when the alarm is set for, in microseconds of the clock, not later than the first timer; or never */
    bool firing;         /* the alarm is ringing: it is set again at the end */
    promise_stream_t *streams;  /* those to be looked at when the drain has ended: there is something to send */
    char *block;                /* what streams read into */
};

/* NULL for another host. */
struct event_host *promise__event_host(const promise_loop_t *loop);

/* What each of our event callbacks ends with, having begun with ++depth: the loop's drain (J2). */
void promise__host_drain(struct event_host *h);
/* The two things that this is: the drain, true when the budget ran out, and --depth. */
bool promise__host_run_jobs(struct event_host *h);
void promise__host_leave(struct event_host *h);

/* clock.c: the clock and the timers of the host. */
int promise__clock_open(struct event_host *h);
void promise__clock_close(struct event_host *h); /* when no timer is left */
uint64_t promise__clock_now(void *host);
void *promise__clock_after(void *host, uint64_t ms, void (*fire)(void *arg), void *arg);
void *promise__clock_at(void *host, uint64_t ms, void (*fire)(void *arg), void *arg);
void promise__clock_cancel(void *host, void *timer);

/* signal.c: one event_base has all the signals of the process. False while another has them. */
bool promise__signals_acquire(struct event_base *base);
void promise__signals_release(void);

/* remote.c: the loop is going: nothing comes through any more, and what is there is let go of. */
void promise__mailbox_close(struct event_host *h);
void promise__drain_has_ended(struct event_host *h);

/* work.c: no mail is to come any more. */
void promise__works_close(struct event_host *h);

#endif
