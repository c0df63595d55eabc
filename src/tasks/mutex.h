/* A mutex from the inside, for conditions, which let go of one and take it again. */
#ifndef PROMISE_SRC_TASKS_MUTEX_H
#define PROMISE_SRC_TASKS_MUTEX_H

#include <promise/mutex.h>

#include "tasks/coroutine.h"
#include "tasks/turn.h"

struct promise_mutex {
    struct turns turns;
    uintptr_t owner; /* while it is held: the coroutine, or NULL, a chain; or what a with-form wants */
};

promise_mutex_t *promise__mutex_check(const void *m, const char *function);
/* Stops the program where the running task does not hold it. False when the loop goes: then that may be so (J5). */
bool promise__mutex_is_mine(const promise_mutex_t *m, const char *function);
/* Stops the program where t is held by a coroutine, its owner, and another task calls. */
void promise__turns_check_owner(const struct turns *t, uintptr_t owner, const char *function);

#endif
