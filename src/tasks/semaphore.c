/* Semaphores. */
#include <promise/semaphore.h>

#include "tasks/turn.h"

struct promise_semaphore {
    struct turns turns; /* held: the units that were acquired; released ones beyond those are new */
    size_t available;
};

static bool take(struct turns *t, uintptr_t want) {
    promise_semaphore_t *s = (promise_semaphore_t *)t;

    if (s->available < want) return false;
    s->available -= want;
    t->held += want;
    return true;
}

static void give(struct turns *t, uintptr_t want) {
    promise_semaphore_t *s = (promise_semaphore_t *)t;

    if (s->available > SIZE_MAX - want) promise__stop("promise_semaphore_release: more than SIZE_MAX units");
    s->available += want;
    t->held -= want < t->held ? want : t->held;
}

static const struct turns_type type = {.name = "semaphore", .take = take, .give = give};

static promise_semaphore_t *check(const void *s, const char *function) { return promise__turns_check(s, &type, function); }

/* ---- make and free ---- */

promise_semaphore_t *promise_semaphore_new(promise_loop_t *loop, size_t units) {
    promise_semaphore_t *s = promise__turns_new(loop, &type, sizeof *s, __func__);

    if (!promise_source_nomem_loop(s)) s->available = units;
    return s;
}

void promise_semaphore_free(void *s) { promise__turns_free(s, &type, __func__); }

/* ---- use ---- */

static promise_t *acquire(promise_semaphore_t *s, size_t units, const char *function) {
    promise_t *refused = promise__turns_refuse(s);

    return refused ? refused : promise__turn(&check(s, function)->turns, units);
}

promise_t *promise_semaphore_acquire(promise_semaphore_t *s) { return acquire(s, 1, __func__); }
promise_t *promise_semaphore_acquire_units(promise_semaphore_t *s, size_t units) { return acquire(s, units, __func__); }

bool promise_semaphore_try_acquire(promise_semaphore_t *s) {
    return !promise_source_nomem_loop(s) && promise__turn_try(&check(s, __func__)->turns, 1);
}

static void release(void *s, size_t units, const char *function) {
    if (!promise_source_nomem_loop(s)) promise__turn_end(&check(s, function)->turns, units);
}

void promise_semaphore_release(void *s) { release(s, 1, __func__); }
void promise_semaphore_release_units(promise_semaphore_t *s, size_t units) { release(s, units, __func__); }

promise_t *promise_semaphore_with(promise_semaphore_t *s, promise_fn *fn, void *arg) {
    promise_t *refused;

    if (!fn) promise__stop("promise_semaphore_with: fn is NULL");
    refused = promise__turns_refuse(s);
    return refused ? refused : promise__turn_with(&check(s, __func__)->turns, 1, fn, arg);
}

/* ---- query ---- */

size_t promise_semaphore_available(const promise_semaphore_t *s) {
    return promise_source_nomem_loop(s) ? 0 : check(s, __func__)->available;
}
size_t promise_semaphore_waiting(const promise_semaphore_t *s) {
    return promise_source_nomem_loop(s) ? 0 : check(s, __func__)->turns.waiting.count;
}
