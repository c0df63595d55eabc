/*
 * What is asked of files, on its way to a thread and back; and the order of what is asked of one object.
 *
 * A request by path goes to the pool as a value, and its result comes back as another: a cancel is promise_work()'s own. One
 * of an open object (a file, a directory that is being read) is in the object's queue. There the program's promise is not
 * the one of the work: a thread that has begun cannot be stopped, and the object must hear of its end, also when nobody else
 * wants to (K6, and a close that may not come before it).
 *
 *     promise_file_read_at ──▶ queue ──▶ promise_work ─ ─ the thread ─ ─▶ finished: settles the program's promise, begins
 *                                                                         what may begin now
 */
#ifndef PROMISE_SRC_FILE_REQUEST_H
#define PROMISE_SRC_FILE_REQUEST_H

#include <stdatomic.h>

#include <promise/source.h>

#include "core.h"

struct file_request;

/* What a thread works on: it must not go while the thread does, whatever becomes of the loop. */
struct file_hold {
    atomic_uint refs;
    void (*free)(struct file_hold *hold); /* on any thread */
};

struct file_action {
    const char *name; /* for messages: "read /x/y: ..." */
    /* On the thread. What it gives is its own, and moves to the loop. */
    promise_value_t (*run)(struct file_request *r);
    const char *two[2]; /* needs another path: how its arguments name both; else NULL */
    bool shared;        /* in a queue: may run beside others that may */
    bool always;        /* in a queue: is done also when it is cancelled */
    /* In a queue, on the loop's thread, each may be NULL. begin: its turn has come; true when it has its result without a
     * thread. done: gives the result that the program is to get. */
    bool (*begin)(struct file_request *r, promise_value_t *result);
    promise_value_t (*done)(struct file_request *r, promise_value_t result);
};

/* The arguments of an action, as each needs them. */
struct file_ask {
    const struct file_action *action;
    const char *path, *other;
    struct file_hold *on;
    promise_value_t data; /* bytes or a string that nobody else has, or void */
    uint64_t offset;
    size_t size;
    int flags;
    unsigned mode;
    int64_t atime_ns, mtime_ns;
};

enum { REQUEST_WAITS, REQUEST_RUNS, REQUEST_NEVER };

struct file_request {
    atomic_uint refs;       /* the loop's and the thread's */
    atomic_int state;       /* REQUEST_*: what was first, the thread or a cancel; or neither yet */
    struct file_ask ask;    /* the paths are behind the request; owns the rest */
    promise_value_t result; /* in a queue: the thread's */
    /* in a queue, on the loop's thread only: */
    struct file_queue *queue;
    struct file_request *next, **link; /* link is NULL once its turn has come */
    promise_resolver_t *resolver;      /* NULL when nobody wants to know any more */
    promise_t *work;                   /* a reference, while it runs */
    char text[];
};

/* The first field of an object that can be asked. */
struct file_queue {
    struct promise_source source;
    promise_loop_t *loop;
    promise_t *anchor;                  /* a reference of ours: the loop's memory stays as long as the object */
    size_t refs;                        /* one for each request too */
    struct file_request *first, **tail; /* those whose turn has not come */
    unsigned running;
    bool alone;                            /* the one that is running is not shared */
    struct file_hold *on;                  /* NULL once it is closed */
    promise_value_t refused;               /* why, then: a rejection */
    void (*destroy)(struct file_queue *q); /* what else it has, and its memory */
};

/* ---- by path ---- */

/* The promise of ask's result. Takes ask's data over, and copies its paths. loop as the program gave it. */
promise_t *promise__file_ask(promise_loop_t *loop, const char *function, struct file_ask ask);
/* A value that owns r, for a result: promise__file_request_of() reads it back. */
promise_value_t promise__file_request_value(struct file_request *r);
struct file_request *promise__file_request_of(promise_value_t v);

/* Bytes or a string as a value that may cross (H3): the only reference to it, or a copy; or a rejection. */
promise_value_t promise__file_data(promise_value_t v, const char *function);

/* ---- on an object ---- */

/* Takes over the hold, or where that is NULL the rejection why there is none; -1 when the loop is going. */
int promise__file_queue_init(struct file_queue *q, promise_loop_t *loop, struct file_hold *on, promise_value_t refused,
                             void (*destroy)(struct file_queue *q));
void promise__file_queue_unref(struct file_queue *q);
promise_t *promise__file_queue_ask(struct file_queue *q, struct file_ask ask);
/* Lets go of what it is about: what comes from now on is rejected with why, which is taken over. */
void promise__file_queue_end(struct file_queue *q, promise_value_t why);

/* ---- holds ---- */

void promise__file_hold_init(struct file_hold *hold, void (*free)(struct file_hold *hold));
struct file_hold *promise__file_hold_ref(struct file_hold *hold);
void promise__file_hold_unref(struct file_hold *hold); /* NULL is fine */

/* ---- on the thread ---- */

/* "what path: why", or where the action has two paths "what path to other: why". */
promise_value_t promise__file_failed(const struct file_request *r, const char *what, int error);

#endif
