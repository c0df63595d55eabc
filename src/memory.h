/* The allocator in use, and how the library stops the program. */
#ifndef PROMISE_SRC_MEMORY_H
#define PROMISE_SRC_MEMORY_H

#include <stddef.h>

#include <promise/export.h>

void *promise__malloc(size_t size);
void *promise__realloc(void *block, size_t size);
void promise__free(void *block);

/* A bug of the program: a line on standard error, then abort(3). */
PROMISE_NORETURN void promise__stop(const char *format, ...) PROMISE_FORMAT(1, 2);

#if defined __GNUC__ || defined __clang__
#define PROMISE_LIKELY(x) __builtin_expect(!!(x), 1)
#define PROMISE_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PROMISE_COLD __attribute__((__cold__, __noinline__))
#define PROMISE_NOINLINE __attribute__((__noinline__))
#else
#define PROMISE_LIKELY(x) (x)
#define PROMISE_UNLIKELY(x) (x)
#define PROMISE_COLD
#define PROMISE_NOINLINE
#endif

#endif
