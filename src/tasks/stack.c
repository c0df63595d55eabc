
#include "tasks/stack.h"

#include <sys/mman.h>

int promise__stack_take(struct promise__stack *stack, size_t size, void (*describe)(void *arg, char *buffer, size_t size),
                        void *arg) {
    (void)describe, (void)arg;
    if (!size) size = STACK_DEFAULT_SIZE;
    if (size > (size_t)1 << 40) return -1;
    size = (size + 4095) & ~(size_t)4095;
    stack->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    stack->size = size;
    return stack->base == MAP_FAILED ? -1 : 0;
}
void promise__stack_give(struct promise__stack *stack) { munmap(stack->base, stack->size); }
