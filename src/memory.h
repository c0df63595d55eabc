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
#define PROMISE_INLINE inline __attribute__((__always_inline__))
#else
#define PROMISE_LIKELY(x) (x)
#define PROMISE_UNLIKELY(x) (x)
#define PROMISE_COLD
#define PROMISE_NOINLINE
#define PROMISE_INLINE inline
#endif

/* Under the address sanitizer: memory that is the slab's, but in nobody's use. */
#if defined __has_feature
#if __has_feature(address_sanitizer)
#define PROMISE_ASAN
#endif
#elif defined __SANITIZE_ADDRESS__
#define PROMISE_ASAN
#endif
#ifdef PROMISE_ASAN
#include <sanitizer/asan_interface.h>
#define PROMISE_POISON(address, size) ASAN_POISON_MEMORY_REGION((address), (size))
#define PROMISE_UNPOISON(address, size) ASAN_UNPOISON_MEMORY_REGION((address), (size))
#else
#define PROMISE_POISON(address, size) ((void)0)
#define PROMISE_UNPOISON(address, size) ((void)0)
#endif

#endif
