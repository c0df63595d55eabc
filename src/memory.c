#include "memory.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <promise/memory.h>

static struct {
    void *(*alloc)(size_t size);
    void *(*resize)(void *block, size_t size);
    void (*release)(void *block);
} memory = {malloc, realloc, free};

int promise_set_allocator(void *(*alloc)(size_t size), void *(*resize)(void *block, size_t size),
                          void (*release)(void *block)) {
    bool none = !alloc && !resize && !release;

    if (!none && !(alloc && resize && release)) return -1;
    memory.alloc = none ? malloc : alloc;
    memory.resize = none ? realloc : resize;
    memory.release = none ? free : release;
    return 0;
}

void *promise__malloc(size_t size) { return memory.alloc(size); }
void *promise__realloc(void *block, size_t size) { return memory.resize(block, size); }
void promise__free(void *block) {
    if (block) memory.release(block);
}

void *promise_memory_alloc(size_t size) { return promise__malloc(size); }
void *promise_memory_resize(void *block, size_t size) { return promise__realloc(block, size); }
void promise_memory_free(void *block) { promise__free(block); }

PROMISE_COLD void promise__stop(const char *format, ...) {
    va_list args;

    fputs("libpromise: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}
