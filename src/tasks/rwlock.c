/* Read-write locks. */
#include <promise/rwlock.h>

#include <errno.h>

#include "tasks/mutex.h"

#define READ ((uintptr_t)2) /* a writer wants as of a mutex: its coroutine, or a with-form's mark */

struct promise_rwlock {
    struct turns turns;
    bool written;
    uintptr_t owner;     /* while it is written */
    size_t with_readers; /* those readers that are with-forms, told or not */
};

static bool take(struct turns *t, uintptr_t want) {
    promise_rwlock_t *lock = (promise_rwlock_t *)t;
    bool read = want & READ;

    if (lock->written || (t->held && !read)) return false;
    t->held++;
    lock->written = !read;
    if (!read) lock->owner = want;
    else if (want & TURN_WITH) lock->with_readers++;
    return true;
}

static void give(struct turns *t, uintptr_t want) {
    promise_rwlock_t *lock = (promise_rwlock_t *)t;

    if (!t->held) return; /* the loop is gone */
    t->held--;
    lock->written = false;
    if (want & READ && want & TURN_WITH) lock->with_readers--;
}

static const struct turns_type type = {.name = "rwlock", .owned = true, .take = take, .give = give};

static promise_rwlock_t *check(const void *lock, const char *function) { return promise__turns_check(lock, &type, function); }

/* ---- make and free ---- */

promise_rwlock_t *promise_rwlock_new(promise_loop_t *loop) {
    return promise__turns_new(loop, &type, sizeof(promise_rwlock_t), __func__);
}

void promise_rwlock_free(void *lock) { promise__turns_free(lock, &type, __func__); }

/* ---- use ---- */

static promise_t *ask(promise_rwlock_t *lock, bool read, const char *function) {
    promise_t *refused = promise__turns_refuse(lock);
    uintptr_t task = (uintptr_t)promise__coroutine_current();

    if (refused) return refused;
    lock = check(lock, function);
    if (task && lock->written && lock->owner == task && !lock->turns.granted.first)
        return promise__settled(lock->turns.loop,
                                promise_throw_at(NULL, &promise_errno_errors, EDEADLK, "the coroutine writes already"));
    return promise__turn(&lock->turns, read ? READ : task);
}

promise_t *promise_rwlock_read(promise_rwlock_t *lock) { return ask(lock, true, __func__); }
promise_t *promise_rwlock_write(promise_rwlock_t *lock) { return ask(lock, false, __func__); }

static bool try_it(promise_rwlock_t *lock, uintptr_t want, const char *function) {
    return !promise_source_nomem_loop(lock) && promise__turn_try(&check(lock, function)->turns, want);
}

bool promise_rwlock_try_read(promise_rwlock_t *lock) { return try_it(lock, READ, __func__); }
bool promise_rwlock_try_write(promise_rwlock_t *lock) {
    return try_it(lock, (uintptr_t)promise__coroutine_current(), __func__);
}

/* The with-forms that read and were not told yet. */
static size_t untold_with_readers(const promise_rwlock_t *lock) {
    size_t n = 0;

    for (const promise_t *p = lock->turns.granted.first; p; p = p->turn_next) n += p->want & TURN_WITH;
    return n;
}

/* Those of promise_rwlock_read() that know of it, and can unlock. */
static size_t told_readers(const promise_rwlock_t *lock) {
    if (lock->written) return 0;
    return lock->turns.held - lock->turns.granted.count - (lock->with_readers - untold_with_readers(lock));
}

static void unlock(promise_rwlock_t *lock, const char *function) {
    struct turns *t = &lock->turns;

    if (lock->written && !t->granted.first) {
        promise__turns_check_owner(t, lock->owner, function);
        promise__turn_end(t, lock->owner);
        return;
    }
    if (!told_readers(lock))
        promise__stop("%s: expected an rwlock that was locked by hand, got one that %s", function,
                      !t->held           ? "is not locked"
                      : t->granted.first ? "the next holder has not heard of yet"
                                         : "a with function has, which unlocks it");
    promise__turn_end(t, READ);
}

void promise_rwlock_unlock(void *lock) {
    if (!promise_source_nomem_loop(lock)) unlock(check(lock, __func__), __func__);
}

static promise_t *with(promise_rwlock_t *lock, uintptr_t want, promise_fn *fn, void *arg, const char *function) {
    promise_t *refused;

    if (!fn) promise__stop("%s: fn is NULL", function);
    refused = promise__turns_refuse(lock);
    return refused ? refused : promise__turn_with(&check(lock, function)->turns, want, fn, arg);
}

promise_t *promise_rwlock_with_read(promise_rwlock_t *lock, promise_fn *fn, void *arg) {
    return with(lock, READ, fn, arg, __func__);
}
promise_t *promise_rwlock_with_write(promise_rwlock_t *lock, promise_fn *fn, void *arg) {
    return with(lock, 0, fn, arg, __func__);
}

/* ---- query ---- */

size_t promise_rwlock_readers(const promise_rwlock_t *lock) {
    if (promise_source_nomem_loop(lock)) return 0;
    lock = check(lock, __func__);
    return lock->written ? 0 : lock->turns.held;
}

bool promise_rwlock_is_written(const promise_rwlock_t *lock) {
    return !promise_source_nomem_loop(lock) && check(lock, __func__)->written;
}
