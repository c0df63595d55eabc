#include "tasks/context.h"

#include <stdint.h>
#include <stdlib.h>

static void trampoline(unsigned a, unsigned b, unsigned c, unsigned d) {
    void (*entry)(void *) = (void (*)(void *))(((uintptr_t)a << 32) | b);
    entry((void *)(((uintptr_t)c << 32) | d));
}

void promise__context_make(struct promise__context *context, void *base, size_t size, void (*entry)(void *arg), void *arg) {
    uintptr_t e = (uintptr_t)entry, g = (uintptr_t)arg;

    getcontext(&context->at);
    context->at.uc_stack.ss_sp = base;
    context->at.uc_stack.ss_size = size;
    context->at.uc_link = NULL;
    makecontext(&context->at, (void (*)(void))trampoline, 4, (unsigned)(e >> 32), (unsigned)e, (unsigned)(g >> 32),
                (unsigned)g);
}
void promise__context_switch(struct promise__context *from, struct promise__context *to) { swapcontext(&from->at, &to->at); }
_Noreturn void promise__context_leave(struct promise__context *from, struct promise__context *to) {
    swapcontext(&from->at, &to->at);
    abort();
}
