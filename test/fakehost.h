/*
 * A host with a clock that stands still until it is told otherwise: for tests of the core alone, and of exact times.
 *
 *     struct fakehost host;
 *     promise_loop_t *loop = fakehost_open(&host);
 *     promise_t *p = promise_sleep(loop, 10);
 *     fakehost_advance(&host, 9);              // nothing
 *     fakehost_advance(&host, 1);              // now it has fired
 *     promise_unref(p);
 *     fakehost_close(&host);                   // frees the loop; fails the case when anything stays behind
 */
#ifndef TEST_FAKEHOST_H
#define TEST_FAKEHOST_H

#include <promise.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fakehost_timer;

struct fakehost {
    promise_loop_t *loop;
    uint64_t now;                 /* ms */
    bool wanted;                  /* a drain is due */
    bool gone;                    /* the loop said so */
    unsigned wakes, again;        /* calls of wake so far, and those that came because a budget ran out */
    size_t timers;                /* armed now */
    struct fakehost_timer *first, *last; /* by the time they are due, then in the order of the calls */
    bool no_timers;               /* after gives NULL, as when out of memory */
    unsigned unhandled, late;     /* rejections reported so far, in place of a line on standard error; and handled after all */
    size_t live_before;           /* blocks of the library's when it was opened */
};

/* Zeroes host, and makes a loop on it. */
promise_loop_t *fakehost_open(struct fakehost *host);
/* The same without the three functions of the clock. */
promise_loop_t *fakehost_open_without_clock(struct fakehost *host);
/* The same with other functions, made of a copy of these. */
promise_loop_t *fakehost_open_with(struct fakehost *host, const struct promise_host *functions);
extern const struct promise_host *const fakehost_functions;
/* Frees the loop, if that has not been done, and fails the case when a timer or a block of memory stays behind. */
void fakehost_close(struct fakehost *host);

/* Drains, where that is wanted: gives what promise_loop_drain() gave. */
bool fakehost_drain_once(struct fakehost *host);
/* Drains until no drain is wanted. */
void fakehost_drain(struct fakehost *host);
/* Drains; then lets ms milliseconds pass: fires what is due on the way, each at its time, and drains after each. */
void fakehost_advance(struct fakehost *host, uint64_t ms);
/* The same, but what is due at the end fires without a drain in between. */
void fakehost_jump(struct fakehost *host, uint64_t ms);
/* Drains, and lets time pass until the next timer: false when there is none. */
bool fakehost_next_timer(struct fakehost *host);
/* Lets time pass from timer to timer until p, which is borrowed, settles: false when no timer is left and it has not. */
bool fakehost_settle(struct fakehost *host, const promise_t *p);

#endif
