/*
 * Stacks of coroutines: mapped, with a guard below, and kept for the next one. Memory is taken page by page as it is touched.
 *
 * A thread has a pool of its own, and gives it back when it ends. A stack is best given back by the thread that took it, but
 * may be by any. stack.c has the pool, stack_guard.c what happens at the end of a stack.
 */
#ifndef PROMISE_SRC_TASKS_STACK_H
#define PROMISE_SRC_TASKS_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../memory.h"

#define STACK_DEFAULT_SIZE ((size_t)256 * 1024)
#define STACK_MIN_SIZE ((size_t)16 * 1024)

/* Who runs on a stack, for the message when it overflows, as "the coroutine NAME": writes that into buffer, with an end.
 * It is called by a signal handler: no locks, no memory, no printf. */
typedef void promise__stack_describe(void *arg, char *buffer, size_t size);

struct promise__stack {
    void *base;             /* the lowest address that may be used; the guard is below */
    size_t size;            /* of what may be used */
    void *slot;             /* the pool's */
    const uint64_t *canary; /* for want of a guard: what must not change; else NULL */
};

/* A stack of at least size bytes (0: the default), from the thread's pool or mapped. 0, or -1 when there is no memory.
 * What it holds is undefined. */
int promise__stack_take(struct promise__stack *stack, size_t size, promise__stack_describe *describe, void *arg);
/* Gives it back to the pool. Nobody runs on it any more. */
void promise__stack_give(struct promise__stack *stack);

#define STACK_CANARY UINT64_C(0x9ddfea08eb382d69)
PROMISE_NORETURN void promise__stack_died(const struct promise__stack *stack);

/* At each suspension: stops when the canary of a stack without a guard is dead, as other memory is damaged then. */
static inline void promise__stack_check(const struct promise__stack *stack) {
    if (PROMISE_UNLIKELY(stack->canary) && *stack->canary != STACK_CANARY) promise__stack_died(stack);
}

/* ---- between stack.c and stack_guard.c ---- */

/* How the end of a stack is guarded: the best that there is, or for tests what it is set to. */
enum promise__guard { GUARD_BEST, GUARD_MARKED, GUARD_PROTECTED, GUARD_CANARY };
extern enum promise__guard promise__guard_way;

/* Guards [address, address + size), and what it is guarded by. */
enum promise__guard promise__guard_set(void *address, size_t size);
/* Such a guard is unmapped. */
void promise__guard_gone(enum promise__guard guard);
/* The thread will run on stacks of ours: watches for their overflow. What to give to unwatch when it ends, or NULL. */
void *promise__guard_watch(void);
void promise__guard_unwatch(void *watch);
/* In a signal handler. The size of the stack of this thread's pool in whose guard the address is, described in buffer, or 0. */
size_t promise__stack_guarded(const void *address, char *buffer, size_t size);

#endif
