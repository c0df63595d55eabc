/*
 * Stacks of coroutines: mapped, with a guard below, and kept for the next one. Memory is taken page by page as it is touched.
 */
#ifndef PROMISE_SRC_TASKS_STACK_H
#define PROMISE_SRC_TASKS_STACK_H

#include <stddef.h>

#define STACK_DEFAULT_SIZE ((size_t)256 * 1024)

struct promise__stack {
    void *base;  /* the lowest address that may be used; the guard is below */
    size_t size; /* of what may be used */
};

/* A stack of at least size bytes (0: the default), from the thread's pool or mapped. 0, or -1 when there is no memory.
 * describe(arg, buffer, size) writes who runs on it, for the message when it overflows: async-signal-safe. */
int promise__stack_take(struct promise__stack *stack, size_t size, void (*describe)(void *arg, char *buffer, size_t size),
                        void *arg);
/* Gives it back to the pool. */
void promise__stack_give(struct promise__stack *stack);

#endif
