/* The attributes that the other headers use. Nothing here is meant to be called. */
#ifndef PROMISE_EXPORT_H
#define PROMISE_EXPORT_H

#if defined __GNUC__ || defined __clang__
#define PROMISE_API __attribute__((__visibility__("default")))
#define PROMISE_MUST_USE __attribute__((__warn_unused_result__))
#define PROMISE_FORMAT(text, first) __attribute__((__format__(__printf__, text, first)))
#define PROMISE_SENTINEL __attribute__((__sentinel__))
#define PROMISE_NORETURN __attribute__((__noreturn__))
#else
#define PROMISE_API
#define PROMISE_MUST_USE
#define PROMISE_FORMAT(text, first)
#define PROMISE_SENTINEL
#define PROMISE_NORETURN
#endif

#ifdef __cplusplus
#define PROMISE_BEGIN extern "C" {
#define PROMISE_END }
#define PROMISE_ALIGNAS(n) alignas(n)
#else
#define PROMISE_BEGIN
#define PROMISE_END
#define PROMISE_ALIGNAS(n) _Alignas(n)
#endif

/* "file:line" of where it stands: errors and promises remember it. */
#define PROMISE_STRINGIFY_(x) #x
#define PROMISE_STRINGIFY(x) PROMISE_STRINGIFY_(x)
#define PROMISE_HERE __FILE__ ":" PROMISE_STRINGIFY(__LINE__)

#endif
