/*
 * A child from the inside, as its sources share it: child.c (its states), child_spawn.c (starting the process), child_watch.c
 * (being told of its end), child_exit.c and child_command.c.
 *
 *      running ──▶ exited: the outcome is known ──▶ over: nothing is left to be killed or reaped
 *         └──── stopping: SIGTERM was sent, SIGKILL comes ────┘
 *
 * Where the group is the child's own, exited and over are two: as long as neither close nor stop came, the process stays a
 * zombie, so that nobody else gets its number, and the rest of the group can be killed by it. One that is closed lives until
 * it is over.
 */
#ifndef PROMISE_SRC_CHILD_H
#define PROMISE_SRC_CHILD_H

#include <promise/child.h>

#include <signal.h>

#include <event2/event_struct.h>

#include <promise/source.h>

#include "loop.h"

struct child_wait { /* a promise of promise_child_wait() */
    struct child_wait *next, **link;
    promise_child_t *child;
    promise_resolver_t *resolver;
};

struct promise_child {
    struct promise_source source;
    promise_loop_t *loop;
    promise_value_t error;   /* a rejection: it was not started; else void */
    promise_value_t outcome; /* void while it runs; an exit value, or a rejection when the exit was lost */
    pid_t pid;               /* -1 when it was not started */
    bool group;              /* the number of a group too */
    bool reaped, over, closed, stopping;
    bool watched; /* somebody looks for its end: */
    int pidfd;    /* by this, and event; or -1: by SIGCHLD, and these */
    struct event event;
    promise_child_t *next, **link;
    struct child_wait *waits, **waits_tail;
    promise_stream_t *streams[3];    /* NULL until they are asked for, where they are no pipes */
    uint64_t kill_after_ms, kill_at; /* on the host's clock */
    void *timer;                     /* while it is stopping */
    char name[];                     /* for messages */
};

/* child.c */
promise_child_t *promise__child_spawn(promise_loop_t *loop, const struct promise_child_options *options, const char *function);
void promise__child_look(promise_child_t *c); /* it may have ended: may free it, where it is closed */
void promise__child_stop(promise_child_t *c);

/* child_exit.c */
promise_value_t promise__exit_value(const siginfo_t *info);
promise_value_t promise__exit_failed(const char *name, promise_value_t exit, const char *said, size_t size); /* a rejection */

/* child_command.c: how the command of that result ended. */
promise_value_t promise__command_exit(promise_value_t v);

/* child_watch.c: has promise__child_look() called when it may have ended. -1 when out of memory. */
int promise__child_watch(promise_child_t *c);
void promise__child_unwatch(promise_child_t *c);

/* child_spawn.c: 0 and the process, and our ends of the pipes, -1 where there are none; or errno, and what it was about as
 * text in detail, or "". */
enum { CHILD_DETAIL = 320 };
int promise__child_start(const struct promise_child_options *options, pid_t *pid, int pipes[3], char detail[CHILD_DETAIL]);

/* What tests take away, as if the system did not have it. */
enum { CHILD_NO_PIDFD = 1, CHILD_NO_CLOSE_RANGE = 2, CHILD_NO_PROC = 4 };
extern unsigned promise__child_without;

#endif
