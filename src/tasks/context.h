/* The switch from one stack to another. */
#ifndef PROMISE_SRC_TASKS_CONTEXT_H
#define PROMISE_SRC_TASKS_CONTEXT_H

#include <stddef.h>
#include <ucontext.h>

struct promise__context {
    ucontext_t at;
};

/* Makes *context one that calls entry(arg) on the stack of size bytes at base when it is first switched to. entry must
 * not return: it ends by promise__context_leave(). */
void promise__context_make(struct promise__context *context, void *base, size_t size, void (*entry)(void *arg), void *arg);
/* Leaves for *to, and keeps in *from where to go on: returns when somebody switches to *from. */
void promise__context_switch(struct promise__context *from, struct promise__context *to);
/* The last switch of a context, which never comes back: its stack may be given away by whoever goes on. */
_Noreturn void promise__context_leave(struct promise__context *from, struct promise__context *to);

#endif
