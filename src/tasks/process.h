/*
 * A process pool from the inside, as its sources share it: process_pool.c (what is asked of it), process_work.c (who runs
 * what, and who is started), process_call.c (one worker and its call), process_link.c (the starter, from here),
 * process_starter.c and process_worker.c (what runs in the other processes), and process_frame.c (what goes between).
 *
 *      program ──orders, reports──▶ starter ──forks──▶ worker, worker, ...
 *         └───────────────calls, results──────────────────┘
 *
 * The starter is a process with one thread and nothing of ours open: forked from us while we had one thread, or our program
 * executed anew. It forks the workers, those that replace others too, whatever we have become meanwhile; and it waits for
 * them, by their numbers (R25). One that has ended stays a zombie until we said that we know (ORDER_REAP): so its number is
 * nobody else's, and we may kill it ourselves at any time.
 */
#ifndef PROMISE_SRC_TASKS_PROCESS_H
#define PROMISE_SRC_TASKS_PROCESS_H

#include <promise/process_pool.h>

#include <sys/types.h>
#include <sys/uio.h>

#include <event2/event_struct.h>

#include "../waiting.h"

/* ---- frames, between us and a worker: one call, one answer ---- */

enum frame_kind { FRAME_CALL, FRAME_VALUE, FRAME_REJECTION, FRAME_KINDS };
enum { FRAME_NAME = 255, FRAME_BLOCK = 4096 };

struct frame_head {
    uint32_t magic, kind;
    uint64_t id;   /* an answer's is that of the call */
    uint64_t size; /* of the bytes, which come behind the name */
    uint32_t name_size, unused;
};

struct frame_reader {
    struct frame_head head;
    size_t have;   /* of the head, the name and the bytes together */
    uint64_t most; /* bytes that it may be */
    char name[FRAME_NAME + 1];
    promise_value_t bytes; /* as far as they have come, once the head is there; ENOMEM: they are dropped as they come */
};

struct frame_head promise__frame_head(enum frame_kind kind, uint64_t id, size_t size, size_t name_size);
void promise__frame_start(struct frame_reader *r, uint64_t most);
void promise__frame_drop(struct frame_reader *r); /* what it has */
/* Where what comes is to be put: a place of its own, and a block behind it, which is only used until promise__frame_got(). */
void promise__frame_room(struct frame_reader *r, char block[FRAME_BLOCK], struct iovec room[2]);
/* So much has come there: 1 when that is all, 0 when there is more to come, or -1 with errno: EPROTO where it is no frame, or
 * goes on behind its end, EMSGSIZE where it is too large. */
int promise__frame_got(struct frame_reader *r, const char block[FRAME_BLOCK], size_t size);
/* The bytes, which are the caller's from then on. */
promise_value_t promise__frame_take(struct frame_reader *r);

/* ---- orders to a starter, and its reports: each is one packet ---- */

enum { PROCESS_VERSION = 1, PROCESS_TITLE = 16, STARTER_FD = 3 };
#define PROCESS_MARK "PROMISE_PROCESS_WORKER" /* in the environment of one that was executed */

struct order {
    enum { ORDER_START, ORDER_REAP } kind;
    uint32_t number; /* START, with a socket: which worker */
    pid_t pid;       /* REAP */
    uint32_t cpu_seconds;
    uint64_t memory, most;
    char title[PROCESS_TITLE];
};

struct report {
    enum { REPORT_HELLO, REPORT_STARTED, REPORT_FAILED, REPORT_ENDED } kind;
    uint32_t version; /* HELLO */
    uint32_t number;
    pid_t pid;
    int error;        /* FAILED: errno */
    int code, status; /* ENDED: as in siginfo_t */
};

/* process_starter.c: what the starter does, until we are gone. */
PROMISE_NORETURN void promise__starter_run(int fd, const struct promise_function *functions);
/* process_worker.c: what a worker does, in the same way. */
PROMISE_NORETURN void promise__worker_run(int fd, const struct promise_function *functions, const struct order *order);

/* ---- the pool ---- */

enum worker_state {
    WORKER_NONE,     /* there is no process */
    WORKER_STARTING, /* the starter was asked for it */
    WORKER_IDLE,
    WORKER_BUSY,    /* it runs a call; that may have been cancelled */
    WORKER_LEAVING, /* it was told to end, or killed */
    WORKER_STATES
};

struct worker {
    promise_process_pool_t *pool;
    enum worker_state state;
    unsigned number; /* from 1 */
    pid_t pid;
    int fd;       /* our end of its socket, or -1 */
    int their_fd; /* until it is sent to the starter, or -1 */
    bool to_reap; /* it has ended, and the starter is still to be told that we know */
    bool watched; /* reading is added */
    bool cut_off; /* its socket has ended, or cannot be used */
    bool unread;  /* and it had not read the call to its end: so it has not begun */
    bool used;    /* the place has had a process before */
    struct event reading, writing;
    struct waiters task; /* the one that it runs, unless that was cancelled */
    struct frame_head head;
    size_t sent; /* of head, name and bytes of the task */
    struct frame_reader reader;
    size_t done; /* calls */
    void *timer; /* of the task, or until one that was cut off is killed */
};

struct task {
    struct waiter waiter;
    promise_process_pool_t *pool;
    promise_value_t bytes;
    bool again; /* it has been given to a worker that ended before it began */
    size_t name_size;
    char name[];
};

struct starter {
    pid_t pid; /* 0: there is none */
    int fd;
    bool ready, ending;    /* it has said hello; it was told to end */
    bool watched, stuffed; /* reading is added; so is writing: orders have to wait */
    struct event reading, writing;
    void *timer; /* until it is ready */
};

struct promise_process_pool {
    struct promise_source source;
    promise_loop_t *loop;
    struct promise_process_options options; /* its texts are ours */
    struct starter starter;
    struct worker *workers; /* options.workers of them */
    size_t counts[WORKER_STATES];
    struct waiters queue, closers;
    size_t queued, restarts;
    uint64_t next_id;
    unsigned failures;      /* starts that failed, one after the other */
    uint64_t not_before;    /* the next start, on the loop's clock */
    void *retry, *deadline; /* timers */
    bool closing;
    promise_value_t refused; /* why it can do nothing; void: it can */
};

/* process_link.c */

/* Starts it: 0, or errno, and what it was about in detail. */
enum { PROCESS_DETAIL = 400 };
int promise__starter_start(promise_process_pool_t *pool, char detail[PROCESS_DETAIL]);
/* Whether that is safe now: void, or the EBUSY rejection. */
promise_value_t promise__starter_may_start(const promise_process_pool_t *pool);
/* Sends the orders that the workers are waiting for. */
void promise__starter_tell(promise_process_pool_t *pool);
/* Reads what it has reported: calls promise__worker_reported() for each, and promise__starter_ended() at the end. */
void promise__starter_hear(promise_process_pool_t *pool);
void promise__starter_watch(promise_process_pool_t *pool, bool on);
/* Tells it to end, when it has killed all workers. */
void promise__starter_dismiss(promise_process_pool_t *pool);
/* Waits until it has, and lets go of it; how it ended, as a value of promise_type_exit, or void where that is not known. */
promise_value_t promise__starter_bury(promise_process_pool_t *pool);

/* process_work.c */

/* Gives tasks to workers, and starts workers, as far as possible. */
void promise__pool_work(promise_process_pool_t *pool);
void promise__worker_reported(promise_process_pool_t *pool, const struct report *r);
/* How it ended, as promise__starter_bury() has it, which it takes over; whether it had said hello, and was told to end. */
void promise__starter_ended(promise_process_pool_t *pool, promise_value_t how, bool ready, bool asked);
/* Rejects what waits and what runs with why, which is borrowed; who runs it is killed. */
void promise__pool_reject(promise_process_pool_t *pool, promise_value_t why);

/* process_call.c: one worker and its call */

void promise__worker_init(promise_process_pool_t *pool, struct worker *w, unsigned number);
void promise__worker_set_state(struct worker *w, enum worker_state state);
/* Gives it the first of those that wait. */
void promise__worker_give(struct worker *w);
/* What it has sent, as far as that has come. */
void promise__worker_read(struct worker *w);
void promise__worker_watch(struct worker *w, bool on);
void promise__worker_kill(struct worker *w);
/* Its process has ended; how, and by which process it was started, or void: puts its call back, or rejects it. */
void promise__worker_lost(struct worker *w, promise_value_t how, const char *who);
/* Lets go of all that it has. */
void promise__worker_gone(struct worker *w);

/* Timers of the loop's: replaces one that is set. False when out of memory. */
bool promise__pool_set_timer(promise_process_pool_t *pool, void **timer, uint64_t ms, void (*fire)(void *arg), void *arg);
void promise__pool_stop_timer(promise_process_pool_t *pool, void **timer);

#endif
