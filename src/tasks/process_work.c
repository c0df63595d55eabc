/* Who runs what, and who is started: everything that happens in a pool ends in promise__pool_work(). */
#include "tasks/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"

enum {
    FIRST_WAIT_MS = 10, /* between starts that fail */
    LONGEST_WAIT_MS = 5000,
    PATIENCE = 3 /* starters that end before calls are told */
};

/* ---- timers ---- */

void promise__pool_stop_timer(promise_process_pool_t *pool, void **timer) {
    if (*timer) pool->loop->host->cancel_after(pool->loop->host_data, *timer);
    *timer = NULL;
}

bool promise__pool_set_timer(promise_process_pool_t *pool, void **timer, uint64_t ms, void (*fire)(void *arg), void *arg) {
    promise__pool_stop_timer(pool, timer);
    *timer = pool->loop->host->after(pool->loop->host_data, ms, fire, arg);
    return *timer;
}

static uint64_t now(const promise_process_pool_t *pool) { return pool->loop->host->now(pool->loop->host_data); }

/* ---- rejecting ---- */

void promise__pool_reject(promise_process_pool_t *pool, promise_value_t why) {
    promise__waiters_settle(&pool->queue, why);
    pool->queued = 0;
    for (size_t i = 0; i < pool->options.workers; i++) {
        struct worker *w = &pool->workers[i];
        if (w->state != WORKER_BUSY) continue;
        promise__waiters_settle(&w->task, why);
        promise__worker_kill(w);
    }
}

/* ---- starts that fail ---- */

static void try_again(void *arg) {
    promise_process_pool_t *pool = arg;

    pool->retry = NULL;
    promise__pool_work(pool);
}

static void back_off(promise_process_pool_t *pool) {
    uint64_t wait = pool->failures < 9 ? (uint64_t)FIRST_WAIT_MS << pool->failures : LONGEST_WAIT_MS;

    pool->failures++;
    pool->not_before = now(pool) + wait;
}

/* Takes why over. Calls wait for another worker while there is one; else they are told. */
static void start_failed(promise_process_pool_t *pool, promise_value_t why) {
    size_t alive = pool->counts[WORKER_STARTING] + pool->counts[WORKER_IDLE] + pool->counts[WORKER_BUSY];

    back_off(pool);
    if (!alive) {
        promise__waiters_settle(&pool->queue, why);
        pool->queued = 0;
    }
    promise__release(why);
}

/* ---- starting ---- */

/* Void, or the rejection. */
static promise_value_t start_starter(promise_process_pool_t *pool) {
    promise_value_t why = promise__starter_may_start(pool);
    char detail[PROCESS_DETAIL];
    int error;

    if (!promise_is_void(why)) return why;
    error = promise__starter_start(pool, detail);
    return error ? promise_throw_errno_at(NULL, error, "%s: start %s", pool->options.name, detail) : promise_void();
}

static promise_value_t start_worker(promise_process_pool_t *pool, struct worker *w) {
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return promise_throw_errno_at(NULL, errno, "%s: start worker %u", pool->options.name, w->number);
    w->fd = ends[0];
    w->their_fd = ends[1];
    promise__worker_set_state(w, WORKER_STARTING);
    return promise_void();
}

static struct worker *find(promise_process_pool_t *pool, enum worker_state state) {
    if (!pool->counts[state]) return NULL;
    for (size_t i = 0; i < pool->options.workers; i++)
        if (pool->workers[i].state == state && !pool->workers[i].to_reap) return &pool->workers[i];
    return NULL;
}

/* As many as are waited for. */
static void start_workers(promise_process_pool_t *pool) {
    promise_value_t why = promise_void();
    uint64_t time = pool->failures ? now(pool) : 0;
    struct worker *w;

    if (pool->failures && time < pool->not_before) {
        if (!pool->retry && !promise__pool_set_timer(pool, &pool->retry, pool->not_before - time, try_again, pool))
            start_failed(pool, promise__nomem());
        return;
    }
    if (!pool->starter.pid) why = start_starter(pool);
    while (promise_is_void(why) && pool->queued > pool->counts[WORKER_STARTING] && (w = find(pool, WORKER_NONE)))
        why = start_worker(pool, w);
    if (!promise_is_void(why)) start_failed(pool, why);
    promise__starter_tell(pool);
}

/* ---- the whole ---- */

static bool is_at_work(const promise_process_pool_t *pool) {
    const struct starter *s = &pool->starter;

    return pool->queue.first || pool->counts[WORKER_STARTING] || pool->counts[WORKER_BUSY] || pool->counts[WORKER_LEAVING] ||
           (s->pid && (!s->ready || s->ending));
}

/* One that has nothing to do does not keep the base (J3). */
static void watch(promise_process_pool_t *pool) {
    promise__starter_watch(pool, is_at_work(pool));
    for (size_t i = 0; i < pool->options.workers; i++) {
        struct worker *w = &pool->workers[i];
        promise__worker_watch(w, w->state == WORKER_BUSY && !w->cut_off);
    }
}

static void all_gone(promise_process_pool_t *pool) {
    promise__pool_stop_timer(pool, &pool->deadline);
    promise__waiters_settle(&pool->closers, promise_void());
}

void promise__pool_work(promise_process_pool_t *pool) {
    struct worker *w;

    if (pool->loop->dying || !promise_is_void(pool->refused)) return;
    while (pool->queue.first && (w = find(pool, WORKER_IDLE))) promise__worker_give(w);
    if (pool->queued > pool->counts[WORKER_STARTING]) start_workers(pool);
    if (pool->closing && !pool->queue.first && !pool->counts[WORKER_BUSY]) {
        if (pool->starter.pid) promise__starter_dismiss(pool);
        else all_gone(pool);
    }
    watch(pool);
}

/* ---- what the starter says ---- */

/* It was idle when it ended, and nobody told it to: when it has done nothing before, then the next might not either. */
static void ended_by_itself(promise_process_pool_t *pool, const struct worker *w, promise_value_t how) {
    char text[64];

    if (w->done) return;
    promise_print(how, text, sizeof text);
    start_failed(pool, promise_throw_at(NULL, &promise_exit_errors, 0, "%s worker %u: %s at its start", pool->options.name,
                                        w->number, text));
}

static void worker_ended(promise_process_pool_t *pool, struct worker *w, const struct report *r) {
    siginfo_t info = {.si_code = r->code};
    promise_value_t how;
    size_t queued = pool->queued;

    info.si_status = r->status;
    how = promise__exit_value(&info);
    promise__worker_lost(w, how, NULL);
    if (pool->queued > queued) back_off(pool); /* it had not begun */
    if (w->state == WORKER_IDLE) ended_by_itself(pool, w, how);
    kill(-w->pid, SIGKILL); /* who is left of its group */
    promise__worker_gone(w);
    w->to_reap = true;
    promise__starter_tell(pool);
}

void promise__worker_reported(promise_process_pool_t *pool, const struct report *r) {
    struct worker *w;

    if (!r->number || r->number > pool->options.workers) return;
    w = &pool->workers[r->number - 1];
    if (r->kind == REPORT_ENDED && r->pid == w->pid) worker_ended(pool, w, r);
    if (w->state != WORKER_STARTING) return;
    if (r->kind == REPORT_STARTED) {
        w->pid = r->pid;
        if (w->used) pool->restarts++;
        w->used = true;
        promise__worker_set_state(w, WORKER_IDLE);
    } else if (r->kind == REPORT_FAILED) {
        promise__worker_gone(w);
        start_failed(pool, promise_throw_errno_at(NULL, r->error, "%s: start worker %u", pool->options.name, w->number));
    }
}

void promise__starter_ended(promise_process_pool_t *pool, promise_value_t how, bool ready, bool asked) {
    const struct promise_process_options *o = &pool->options;
    const char *file = o->program ? o->program : "the program, executed anew";
    char text[64] = "is gone", who[300];
    int code = 0;

    if (!promise_is_void(how)) {
        promise_print(how, text, sizeof text);
        code = promise_exit_signal(how) ? 128 + promise_exit_signal(how) : promise_exit_status(how);
    }
    snprintf(who, sizeof who, "%.200s: the process that starts its workers", o->name);
    for (size_t i = 0; i < o->workers; i++) {
        struct worker *w = &pool->workers[i];
        if (w->state == WORKER_BUSY) promise__worker_lost(w, how, who);
        if (w->state != WORKER_NONE) promise__worker_gone(w);
        w->to_reap = false;
        w->pid = 0;
    }
    if (asked) all_gone(pool);
    else if (ready && pool->failures < PATIENCE) back_off(pool); /* what waits is none the worse for it */
    else if (ready) start_failed(pool, promise_throw_at(NULL, &promise_exit_errors, code, "%s: %s", who, text));
    else
        start_failed(pool, promise_throw_at(NULL, &promise_exit_errors, code,
                                            "%s: %s: %s, and was to call promise_process_worker() first in its main()", o->name,
                                            file, text));
}
