/* What the sanitizers are told of switches between stacks. */
#include "context.h"

typedef int promise__no_empty_unit;

#ifdef PROMISE_CONTEXT_TOLD

#ifdef PROMISE_ASAN
void __sanitizer_start_switch_fiber(void **frames, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *frames, const void **bottom, size_t *size);
#endif
#ifdef PROMISE_TSAN
void *__tsan_create_fiber(unsigned flags);
void *__tsan_get_current_fiber(void);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
#endif

void promise__context_told(struct promise__context *context, void *base, size_t size, void (*entry)(void *arg), void *arg) {
    *context = (struct promise__context){.entry = entry, .arg = arg, .bottom = base, .size = size};
#ifdef PROMISE_TSAN
    context->fiber = __tsan_create_fiber(0);
#endif
}

/* Right before the swap. The thread sanitizer counts calls and returns, of each stack apart: from here to the end of the swap
 * there may be none that it sees. */
#ifdef PROMISE_TSAN
__attribute__((__no_sanitize__("thread")))
#endif
void promise__context_departs(struct promise__context *from, struct promise__context *to, int for_good) {
    to->from = from;
    from->left = for_good;
#ifdef PROMISE_ASAN
    /* Without a place to keep them, the frames that it kept elsewhere are freed. */
    __sanitizer_start_switch_fiber(for_good ? NULL : &from->frames, to->bottom, to->size);
#endif
#ifdef PROMISE_TSAN
    if (!from->fiber) from->fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

/* Right after it. Where a thread's own stack is, is learned when it is left. */
void promise__context_arrives(struct promise__context *context) {
    struct promise__context *from = context->from;

#ifdef PROMISE_ASAN
    __sanitizer_finish_switch_fiber(context->frames, &from->bottom, &from->size);
#endif
#ifdef PROMISE_TSAN
    if (from->left) __tsan_destroy_fiber(from->fiber);
#endif
    (void)from;
}

void promise__context_begin(void *arg) {
    struct promise__context *context = arg;

    promise__context_arrives(context);
    context->entry(context->arg);
    __builtin_unreachable();
}

#endif
