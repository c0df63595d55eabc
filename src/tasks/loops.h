/* Loops on threads from the inside: loops.c is what other threads see of them, loops_thread.c runs on each. */
#ifndef PROMISE_SRC_TASKS_LOOPS_H
#define PROMISE_SRC_TASKS_LOOPS_H

#include <pthread.h>

#include <promise/loops.h>
#include <promise/source.h>

#include "call.h"
#include "mail.h"

struct loops_thread {
    struct tally tally; /* first, so that one is the other: of the calls that it was given */
    struct mail stop;   /* the graceful end begins */
    struct mail end;    /* ends at once */
    promise_loops_t *loops;
    size_t number;
    pthread_t thread;
    promise_mailbox_t *mailbox; /* from when it has reported to when the loops are freed */
    atomic_bool gone;           /* a handler has freed the loop, or it has ended */
    /* its thread only: */
    struct promise_source source; /* loop is NULL once it is gone */
    promise_t *init;
    promise_resolver_t *over; /* ends the thread; NULL when it is to end */
    promise_resolver_t *idle; /* for when no call is under way; or NULL */
};

struct stopper {      /* who waits for the end of all */
    struct mail mail; /* first */
    struct stopper *next;
    promise_loops_t *loops;       /* a reference */
    promise_mailbox_t *mailbox;   /* a reference */
    promise_resolver_t *resolver; /* on the thread of its loop; NULL once it is cancelled */
};

struct promise_loops {
    atomic_size_t refs; /* the user's, one for each stopper */
    struct promise_loops_options options;
    char name[16];
    size_t count;
    int error;        /* why they could not be started */
    size_t failed_at; /* which of them */
    atomic_size_t turn;
    atomic_bool closed;
    atomic_size_t cut_off; /* calls that were under way when their loop ended */
    uint64_t timeout_ms;  /* since stop was sent */
    pthread_mutex_t lock;  /* for all below */
    pthread_cond_t changed;
    size_t starting, running; /* threads that have not reported; that have not ended */
    bool decided; /* all have reported: they begin, or end if there is an error */
    bool stopping, ending, joined;
    struct stopper *stoppers;
    struct loops_thread threads[];
};

/* ---- loops_thread.c ---- */

void *promise__loops_thread(void *thread);
/* For the calling thread, or NULL. */
struct loops_thread *promise__loops_myself(void);
void promise__loops_open_stop(struct mail *mail, promise_loop_t *loop);
void promise__loops_open_end(struct mail *mail, promise_loop_t *loop);
promise_fn promise__loops_give_init; /* a call's, on the thread */

/* ---- loops.c ---- */

/* A thread has a loop, or could not have one (errno): true when all have one, and it is to begin. */
bool promise__loops_report(struct loops_thread *t, int error);
/* It has ended. */
void promise__loops_ended(struct loops_thread *t);

#endif
