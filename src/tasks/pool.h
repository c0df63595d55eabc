/*
 * Pools from the inside.
 *
 *     promise_work ──push──▶ inbox ──absorb──▶ ready ──▶ a worker's current ──mail──▶ the loop
 *                            (any thread)      (under the lock)
 *
 * A work belongs to the pool until a worker has made it its current one. Then it is whose hand empties `current`: the
 * worker's, when the function has ended: it sends the work home; the loop's, which cancels it; or that of who closes the pool
 * and waits no longer, who sends it home in the worker's place. The two others leave the worker with a result that nobody
 * wants.
 */
#ifndef PROMISE_SRC_TASKS_POOL_H
#define PROMISE_SRC_TASKS_POOL_H

#include <promise/work.h>

#include <pthread.h>
#include <stdatomic.h>

#include "loop.h"
#include "mail.h"

enum { MAX_THREADS = 1024, NAME_SIZE = 16, CACHE_LINE = 64 };

struct work {
    struct mail mail;         /* its way home; mail.next is also the inbox's link */
    struct work *next, *prev; /* ready; next is also the link of the spare ones */
    promise_pool_t *pool;     /* a reference */
    unsigned generation;      /* of the pool, when the work was given to it */
    promise_mailbox_t *mailbox;
    struct worker *worker;    /* who has taken it; NULL while it waits. Under the lock */
    promise_fn *fn;
    promise_value_t value;    /* what fn gets; on the way home: the outcome */
    /* the loop's thread only: */
    promise_resolver_t *resolver; /* NULL once it was cancelled */
    bool deferred;                /* until the drain has ended: not the pool's yet */
    enum withdrawal { NOT_TRIED, IN_TIME, RUNS, TOO_LATE } withdrawn;
};

struct worker { /* a place for a thread */
    _Alignas(CACHE_LINE) _Atomic(struct work *) current;
    promise_pool_t *pool;
    pthread_t thread;
    /* under the lock: */
    enum { FREE, ALIVE, LEFT, ABANDONED } state; /* LEFT: has ended, and is to be joined */
    bool wanted;                                 /* was taken from among the idle ones */
    bool busy;                                   /* has, or had a moment ago, a function to run */
    struct worker *next_idle;
    pthread_cond_t wake;
    struct worker *called; /* by this one, to be woken when the lock is free */
    promise_fn *fn; /* of the current work: which may be gone while it runs */
    promise_value_t value;
};

struct closing { /* who waits for the end of all threads */
    struct closing *next;
    promise_remote_t *remote;
};

struct promise_pool {
    _Alignas(CACHE_LINE) _Atomic(struct mail *) inbox; /* pushed by any thread */
    atomic_size_t accepted;                            /* waiting and running, where there is a limit */
    atomic_size_t refs;                                /* the owner's, one for each work, one for each abandoned thread */
    _Alignas(CACHE_LINE) atomic_size_t idle;           /* written under the lock, read anywhere, as are these: */
    atomic_size_t threads;                             /* that are alive */
    atomic_bool coming; /* one was called, and has not come yet: it calls the next, when there is more */
    atomic_bool closed;
    bool everybodys;
    /* constant: */
    char name[NAME_SIZE];
    size_t max_threads, capacity; /* capacity: of accepted; SIZE_MAX without a limit */
    uint64_t idle_ms;
    size_t stack_size;
    unsigned generation;    /* how often fork(2) has made it anew */
    struct worker *workers; /* max_threads of them */
    void *block;            /* the memory that it is in; NULL for everybody's */
    /* under the lock: */
    _Alignas(CACHE_LINE) pthread_mutex_t lock;
    struct work *ready, *ready_last;
    size_t ready_count;
    struct worker *idle_workers; /* the last to come is the first to go */
    pthread_cond_t left;         /* no thread is alive */
    struct closing *closings;
    promise_pool_t *next, **link; /* among all, for fork(2) */
};

/* ---- queue.c ---- */

/* Gives the work to the pool. Who is prompt sees to it that there is a thread for it; the others are to call _rouse soon. What
 * cannot be: a rejection that says why, and the work is still the caller's; else void. */
promise_value_t promise__pool_submit(promise_pool_t *pool, struct work *w, bool prompt);
/* IN_TIME and RUNS: the work is the caller's again, in the second case without its value; TOO_LATE: it is on its way home. */
enum withdrawal promise__pool_withdraw(promise_pool_t *pool, struct work *w);
/* Sends the works that wait home, with a rejection: errno's of a thread that could not be started; 0: the pool is closed. */
void promise__pool_refuse_all(promise_pool_t *pool, int error);
/* Sends it home, with the outcome, which is taken over. */
void promise__work_send(struct work *w, promise_value_t outcome);
/* One less of those that count for the limit. */
void promise__pool_done(promise_pool_t *pool);
promise_value_t promise__pool_closed_error(const promise_pool_t *pool);
/* Under the lock: the next one, unless the pool is closed; is there one; how many. */
struct work *promise__pool_take(promise_pool_t *pool);
bool promise__pool_has_ready(promise_pool_t *pool);
size_t promise__pool_count_ready(promise_pool_t *pool);

/* ---- worker.c ---- */

/* Is there a thread that could be called, or started? */
bool promise__pool_may_rouse(promise_pool_t *pool);
/* An idle thread, or a new one, when something waits; errno when there is none at all, or 0. */
int promise__pool_rouse(promise_pool_t *pool);
void promise__pool_wake_all(promise_pool_t *pool); /* under the lock */
/* For all that are alive to end: -1 when some are left at that time. */
int promise__pool_wait(promise_pool_t *pool, uint64_t until_ms);
/* Those that run go on without us; how many. */
size_t promise__pool_abandon(promise_pool_t *pool);
/* Tells who waits for it when no thread is alive. Under the lock. */
void promise__pool_nobody_left(promise_pool_t *pool);
void promise__pool_join(promise_pool_t *pool); /* those that have ended */
uint64_t promise__pool_now(void);              /* milliseconds of the monotonic clock */
bool promise__pool_is_mine(const promise_pool_t *pool); /* is this a thread of it? */

/* ---- pool_close.c ---- */

/* Nothing comes in any more, what waits goes home, and who is idle leaves. */
void promise__pool_begin_close(promise_pool_t *pool);

/* ---- pool_fork.c: what fork(2) must know of ---- */

void promise__pools_add(promise_pool_t *pool);
void promise__pools_remove(promise_pool_t *pool);

/* ---- pool.c ---- */

void promise__pool_make_conditions(promise_pool_t *pool); /* and the lock */
void promise__pool_ref(promise_pool_t *pool);
void promise__pool_unref(promise_pool_t *pool);
bool promise__pool_is_nomem(const promise_pool_t *pool); /* what promise_pool_new() gives out of memory */

#endif
