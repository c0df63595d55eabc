/* Mutexes. */
#include "tasks/mutex.h"

#include <errno.h>
#include <stdio.h>

static bool take(struct turns *t, uintptr_t want) {
    if (t->held) return false;
    t->held = 1;
    ((promise_mutex_t *)t)->owner = want;
    return true;
}

/* A with-form whose condition could not get it back gives back what it has not. */
static void give(struct turns *t, uintptr_t want) {
    if (((promise_mutex_t *)t)->owner == want) t->held = 0;
}

static const struct turns_type type = {.name = "mutex", .owned = true, .take = take, .give = give};

promise_mutex_t *promise__mutex_check(const void *m, const char *function) { return promise__turns_check(m, &type, function); }

/* ---- whose it is ---- */

static const char *describe(uintptr_t task, char *buffer, size_t size) {
    const promise_t *p = (const promise_t *)task;
    const char *name = p && p->flags & FLAG_LIVE ? promise__name_of(p) : NULL;

    if (name) snprintf(buffer, size, "coroutine \"%s\"", name);
    else snprintf(buffer, size, "%s", p ? "coroutine without a name" : "chain");
    return buffer;
}

void promise__turns_check_owner(const struct turns *t, uintptr_t owner, const char *function) {
    uintptr_t task = (uintptr_t)promise__coroutine_current();
    char texts[2][128];

    if (owner & TURN_WITH)
        promise__stop("%s: expected a %s that was locked by hand, got one of a with function, which unlocks it", function,
                      t->type->name);
    if (!owner || owner == task) return;
    promise__stop("%s: expected the task that locked the %s, a %s, called by a %s", function, t->type->name,
                  describe(owner, texts[0], sizeof texts[0]), describe(task, texts[1], sizeof texts[1]));
}

bool promise__mutex_is_mine(const promise_mutex_t *m, const char *function) {
    const struct turns *t = &m->turns;

    if (t->loop->dying && (!t->held || (m->owner && m->owner != (uintptr_t)promise__coroutine_current()))) return false;
    if (!t->held) promise__stop("%s: expected a mutex that is locked, got one that is not", function);
    if (t->granted.first)
        promise__stop("%s: expected a mutex that is locked, got one whose next holder has not heard of it yet", function);
    return true;
}

/* ---- the public calls ---- */

promise_mutex_t *promise_mutex_new(promise_loop_t *loop) {
    return promise__turns_new(loop, &type, sizeof(promise_mutex_t), __func__);
}

void promise_mutex_free(void *m) { promise__turns_free(m, &type, __func__); }

promise_t *promise_mutex_lock(promise_mutex_t *m) {
    promise_t *refused = promise__turns_refuse(m);
    uintptr_t task = (uintptr_t)promise__coroutine_current();

    if (refused) return refused;
    m = promise__mutex_check(m, __func__);
    if (task && m->turns.held && m->owner == task && !m->turns.granted.first)
        return promise__settled(
            m->turns.loop, promise_throw_at(NULL, &promise_errno_errors, EDEADLK, "the coroutine holds the mutex already"));
    return promise__turn(&m->turns, task);
}

bool promise_mutex_try_lock(promise_mutex_t *m) {
    if (promise_source_nomem_loop(m)) return false;
    return promise__turn_try(&promise__mutex_check(m, __func__)->turns, (uintptr_t)promise__coroutine_current());
}

void promise_mutex_unlock(void *mutex) {
    promise_mutex_t *m;

    if (promise_source_nomem_loop(mutex)) return;
    m = promise__mutex_check(mutex, __func__);
    if (!promise__mutex_is_mine(m, __func__)) return;
    promise__turns_check_owner(&m->turns, m->owner, __func__);
    promise__turn_end(&m->turns, m->owner);
}

promise_t *promise_mutex_with(promise_mutex_t *m, promise_fn *fn, void *arg) {
    promise_t *refused;

    if (!fn) promise__stop("promise_mutex_with: fn is NULL");
    refused = promise__turns_refuse(m);
    return refused ? refused : promise__turn_with(&promise__mutex_check(m, __func__)->turns, 0, fn, arg);
}

bool promise_mutex_is_locked(const promise_mutex_t *m) {
    return !promise_source_nomem_loop(m) && promise__mutex_check(m, __func__)->turns.held;
}
