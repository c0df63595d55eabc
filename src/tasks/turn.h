/*
 * Turns: the one queue of all locks.
 *
 * Who asks for a lock gets a promise of KIND_TURN, whose slot is its place in the queue: nothing else is allocated. It waits as
 * a root; a cancel takes it out (K2). When its turn comes, the lock is taken for it, and it becomes a job of its own: cancelled
 * until that is run, or with nobody left to hear of it, it gives the lock back, and the next one's turn has come (K6). The job
 * settles it and runs what waits for it, so that nothing can come between.
 */
#ifndef PROMISE_SRC_TASKS_TURN_H
#define PROMISE_SRC_TASKS_TURN_H

#include <promise/source.h>

#include "core.h"

struct turns;

struct turns_type {
    const char *name;                                         /* "mutex" */
    bool owned;                                               /* what a with-form wants is marked as its own */
    bool (*take)(struct turns *t, uintptr_t want);            /* true: it is taken */
    void (*give)(struct turns *t, uintptr_t want);            /* gives back what take took */
    promise_value_t (*told)(struct turns *t, uintptr_t want); /* what the promise is fulfilled with; NULL: void */
};

struct turn_list {
    promise_t *first, **tail; /* linked by turn_next */
    size_t count;
};

struct turns { /* the first field of each lock */
    struct promise_source source;
    promise_loop_t *loop;
    const struct turns_type *type;
    struct turn_list waiting; /* the first one cannot have what it wants, or it would not wait */
    struct turn_list granted; /* whose job is still to run */
    size_t held;              /* by those who can still give it back: the type counts it, and it keeps our memory */
    size_t refs;              /* others that keep it */
    bool closed;              /* no longer the user's */
};

/* What a with-form of an owned lock wants: this, and the address of what it knows. */
#define TURN_WITH ((uintptr_t)1)

/* size bytes, zero behind struct turns; or the tagged pointer of promise_source_nomem(). */
void *promise__turns_new(promise_loop_t *loop, const struct turns_type *type, size_t size, const char *function);
/* The lock behind an argument; stops the program where it is none. */
void *promise__turns_check(const void *lock, const struct turns_type *type, const char *function);
/* Rejects who waits with PROMISE_ECLOSED; the memory goes with the last who holds it. */
void promise__turns_free(void *lock, const struct turns_type *type, const char *function);

/* Of a lock for which there was no memory, the rejected promise; else NULL. */
promise_t *promise__turns_refuse(const void *lock);
/* A new one at the end of the queue. */
promise_t *promise__turn(struct turns *t, uintptr_t want);
/* Without waiting: not before others who do. */
bool promise__turn_try(struct turns *t, uintptr_t want);
/* Gives back what a turn took, to whose turn it is now. t may be gone afterwards. */
void promise__turn_end(struct turns *t, uintptr_t want);
/* Gives their turn to those who can have it. */
void promise__turns_serve(struct turns *t);
/* Calls fn(void, arg) in its turn, which ends when what that gives has settled. */
promise_t *promise__turn_with(struct turns *t, uintptr_t want, promise_fn *fn, void *arg);

/* Another one that keeps t's memory. */
static inline void promise__turns_ref(struct turns *t) { t->refs++; }
void promise__turns_unref(struct turns *t);

#endif
