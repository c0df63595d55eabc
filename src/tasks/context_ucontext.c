/*
 * The switch between stacks by <ucontext.h>, for what has no assembler here. POSIX took these functions out in 2008 for the
 * arguments of makecontext(), which are of type int: a pointer comes in two halves. They keep the signal mask, at the price of
 * a system call each.
 */
#include "context.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

void *promise__ucontext_lay(void *base, size_t size, void (*entry)(void *arg), void *arg);
int promise__ucontext_swap(void **from_sp, void *to_sp, int value);

struct first {
    ucontext_t context; /* first: a stack pointer of ours is the address of one of these */
    void (*entry)(void *arg);
    void *arg;
};

static void start(unsigned high, unsigned low) {
    const struct first *first = (const struct first *)(uintptr_t)((uint64_t)high << 32 | low); /* NOLINT: two halves */

    first->entry(first->arg);
    __builtin_unreachable();
}

/* The context is at the end of the stack, and what runs is below it. */
void *promise__ucontext_lay(void *base, size_t size, void (*entry)(void *arg), void *arg) {
    uintptr_t end = ((uintptr_t)base + size - sizeof(struct first)) & ~(uintptr_t)63;
    struct first *first = (struct first *)end;
    uint64_t address = end;

    memset(first, 0, sizeof *first);
    if (getcontext(&first->context)) promise__stop("getcontext: %s", strerror(errno));
    first->context.uc_stack.ss_sp = base;
    first->context.uc_stack.ss_size = end - (uintptr_t)base;
    first->entry = entry;
    first->arg = arg;
    makecontext(&first->context, (void (*)(void))start, 2, (unsigned)(address >> 32), (unsigned)address);
    return first;
}

int promise__ucontext_swap(void **from_sp, void *to_sp, int value) {
    static _Thread_local int brought;
    ucontext_t here;

    *from_sp = &here;
    brought = value;
    if (swapcontext(&here, to_sp)) promise__stop("swapcontext: %s", strerror(errno));
    return brought;
}
