/*
 * Where the library's memory comes from: malloc(3), unless the program says otherwise.
 */
#ifndef PROMISE_MEMORY_H
#define PROMISE_MEMORY_H

#include <stddef.h>

#include <promise/export.h>

PROMISE_BEGIN

/* Replaces the three functions, for the whole program; all NULL sets malloc(3) and its kin again. To be called while the
 * library holds no memory: before the first value or loop is made, or after the last is gone. Returns 0, or -1 when only
 * some are NULL: then nothing changes. */
PROMISE_API int promise_set_allocator(void *(*alloc)(size_t size), void *(*resize)(void *block, size_t size),
                                      void (*release)(void *block));

/* The functions in use, for those who write sources; NULL when out of memory, as malloc(3), realloc(3) and free(3) do it. */
PROMISE_API PROMISE_MUST_USE void *promise_memory_alloc(size_t size);
PROMISE_API PROMISE_MUST_USE void *promise_memory_resize(void *block, size_t size);
PROMISE_API void promise_memory_free(void *block);

PROMISE_END

#endif
