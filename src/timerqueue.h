/*
 * Timers in the order in which they are due, and those that are due together in the order of the calls. It knows no clock:
 * times are microseconds on whatever clock the caller has, which must not go back.
 *
 * Timers of one span are due in the order in which they were made, and so wait in a line: a new one goes to the end of it,
 * a cancelled one is taken out, both O(1). A heap holds the first of each line. A small table tells where the lines of the
 * spans used last end; a span that has dropped out of the table begins another line, so that many different spans cost
 * what a heap costs, O(log n). A line is nothing but its timers: it needs no memory of its own.
 */
#ifndef PROMISE_SRC_TIMERQUEUE_H
#define PROMISE_SRC_TIMERQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
    uint64_t due, sequence;
    struct timer *next, *prev; /* in its line; the first of a line has no prev */
    void (*fire)(void *arg);
    void *arg;
    uint32_t place; /* of the first of a line: in the heap */
    uint32_t set;   /* of the table, where its line may be found; TIMER_SETS: its line has no other */
};

enum { TIMER_BITS = 6, TIMER_SETS = 1 << TIMER_BITS, TIMER_WAYS = 4 };

struct timer_queue {     /* all zero is an empty one */
    struct timer_entry { /* with what is compared beside it: the timers themselves are far apart */
        uint64_t due;
        struct timer *timer;
    } * heap;
    uint32_t count, room;
    uint64_t sequence; /* of the next timer */
    struct timer_line {
        uint64_t span;
        struct timer *last;          /* NULL: not in use */
    } lines[TIMER_SETS][TIMER_WAYS]; /* in each set the one used last is the first */
};

/* fire(arg) is wanted at now + span; NULL when out of memory. */
struct timer *promise__timer_after(struct timer_queue *q, uint64_t now, uint64_t span, void (*fire)(void *arg), void *arg);
/* The same at a time, which must not be before that of an earlier call's now. */
struct timer *promise__timer_at(struct timer_queue *q, uint64_t due, void (*fire)(void *arg), void *arg);
/* Takes it out, and frees it. */
void promise__timer_remove(struct timer_queue *q, struct timer *t);
/* The one that is due first, or NULL. */
static inline struct timer *promise__timer_first(const struct timer_queue *q) { return q->count ? q->heap[0].timer : NULL; }
/* For an empty queue that is no longer used. */
void promise__timer_queue_free(struct timer_queue *q);

#endif
