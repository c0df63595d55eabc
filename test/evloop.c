#include "evloop.h"

#include <string.h>

struct event_base *base;
size_t live;
char log_text[64];

void open_loop(int callers) {
    live = test_alloc_live();
    base = callers ? event_base_new() : NULL;
    loop = promise_loop_new(base);
    ck_assert_ptr_nonnull(loop);
    if (callers) ck_assert_ptr_eq(promise_loop_base(loop), base);
    else ck_assert_ptr_nonnull(promise_loop_base(loop));
}

void note(char c) {
    size_t size = strlen(log_text);

    ck_assert_uint_lt(size, sizeof log_text - 1);
    log_text[size] = c;
}

void note_free(void *letter) { note(*(const char *)letter); }
