/*
 * The switch from one stack to another: what the ABI says a call must leave as it was (System V, AAPCS64) is kept on the
 * stack that is left, and the stack pointer in the context. No system call, no signal mask.
 *
 * context_x86_64.S and context_aarch64.S do it in a few instructions, context_ucontext.c by swapcontext(3), with two system
 * calls; configure chooses. What all of them share is here: the tools that follow a program's stack must be told that another
 * one begins (the address sanitizer its frames, the thread sanitizer the order of things). Valgrind is told by stack.c.
 */
#ifndef PROMISE_SRC_TASKS_CONTEXT_H
#define PROMISE_SRC_TASKS_CONTEXT_H

#include <stddef.h>

#include "../memory.h"

#if defined __has_feature
#if __has_feature(thread_sanitizer)
#define PROMISE_TSAN
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define PROMISE_TSAN
#endif
#if defined PROMISE_ASAN || defined PROMISE_TSAN
#define PROMISE_CONTEXT_TOLD
#endif

/* All zero for a stack that runs already, the thread's own: it can be switched from, and then back to. */
struct promise__context {
    void *sp; /* where its registers are kept, on its stack, while it does not run */
#ifdef PROMISE_CONTEXT_TOLD
    void (*entry)(void *arg);
    void *arg;
    struct promise__context *from; /* who switched to this one last */
    const void *bottom;            /* its stack; of the thread's own, once it has been left */
    size_t size;
    void *frames; /* the address sanitizer's: locals that it keeps elsewhere */
    void *fiber;  /* the thread sanitizer's */
    int left;     /* for good */
#endif
};

/* ---- what each way of doing it brings ---- */

#ifdef PROMISE_CONTEXT_ASM
#define promise__context_lay promise__asm_lay
#define promise__context_swap promise__asm_swap
#else
#define promise__context_lay promise__ucontext_lay
#define promise__context_swap promise__ucontext_swap
#endif

/* Puts at the end of the stack [base, base + size) what a swap to it needs to call entry(arg), with the control words of the
 * floating point unit as they are now. Gives the stack pointer to swap to. */
void *promise__context_lay(void *base, size_t size, void (*entry)(void *arg), void *arg);
/* Keeps the registers on this stack, and *from_sp where they are; goes on where to_sp was kept, whose swap gives value. */
int promise__context_swap(void **from_sp, void *to_sp, int value);

/* ---- telling the sanitizers ---- */

#ifdef PROMISE_CONTEXT_TOLD
void promise__context_told(struct promise__context *context, void *base, size_t size, void (*entry)(void *arg), void *arg);
void promise__context_begin(void *context);
void promise__context_departs(struct promise__context *from, struct promise__context *to, int for_good);
void promise__context_arrives(struct promise__context *context);
#endif

/* ---- for coroutine.c ---- */

/* Makes *context one that calls entry(arg) on the stack of size bytes at base when it is first switched to. entry must
 * not return: it ends by promise__context_leave(). */
static inline void promise__context_make(struct promise__context *context, void *base, size_t size, void (*entry)(void *arg),
                                         void *arg) {
#ifdef PROMISE_CONTEXT_TOLD
    promise__context_told(context, base, size, entry, arg);
    entry = promise__context_begin;
    arg = context;
#endif
    context->sp = promise__context_lay(base, size, entry, arg);
}

/* Leaves for *to, and keeps in *from where to go on: returns when somebody switches to *from, with what they bring. On one
 * thread. As the last thing that a function does this is a jump, and whoever switches back returns to the function's caller:
 * that is one return less, of those that the processor predicts wrongly after a switch. */
static inline int promise__context_bring(struct promise__context *from, struct promise__context *to, int value) {
#ifdef PROMISE_CONTEXT_TOLD
    promise__context_departs(from, to, 0);
    value = promise__context_swap(&from->sp, to->sp, value);
    promise__context_arrives(from);
    return value;
#else
    return promise__context_swap(&from->sp, to->sp, value);
#endif
}

static inline void promise__context_switch(struct promise__context *from, struct promise__context *to) {
    (void)promise__context_bring(from, to, 0);
}

/* The last switch of a context, which never comes back: *from and its stack may be given away by whoever goes on. */
_Noreturn static inline void promise__context_leave(struct promise__context *from, struct promise__context *to) {
#ifdef PROMISE_CONTEXT_TOLD
    promise__context_departs(from, to, 1);
#endif
    promise__context_swap(&from->sp, to->sp, 0);
    __builtin_unreachable();
}

#endif
