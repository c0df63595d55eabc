/*
 * Rejections, and the errors in them.
 *
 * A rejection is a marked value (V1): a handler, an await and an element of all_settled get it as such, so `return v` in a
 * catch passes it on, and returning anything else recovers. Any value can be one; mostly it is an error: a domain, a code,
 * a message, the place where it was made, perhaps a cause.
 *
 *     static const char *store_describe(int code) { return code == STORE_EMISSING ? "missing" : "corrupt"; }
 *     static const struct promise_domain store = {"store", store_describe};
 *
 *     promise_value_t explain(promise_value_t v, void *key) {
 *         if (!promise_error_is(v, &promise_errno_errors, ENOENT)) return v;
 *         return promise_wrap(v, &store, STORE_EMISSING, "no entry for %s", (const char *)key);
 *     }
 *
 * The functions that look take a rejection or its reason, of any type.
 */
#ifndef PROMISE_ERROR_H
#define PROMISE_ERROR_H

#include <errno.h>

#include <promise/value.h>

PROMISE_BEGIN

/* Where codes are unique (N4). Compared by address: one constant in the program. describe gives the words for a code that
 * has no message of its own; it and its result may be NULL. */
struct promise_domain {
    const char *name;
    const char *(*describe)(int code);
};

PROMISE_API extern const struct promise_domain promise_errors;       /* the library's own: enum promise_error_code */
PROMISE_API extern const struct promise_domain promise_errno_errors; /* codes are errno's */
PROMISE_API extern const struct promise_domain promise_value_errors; /* a reason that is no error; its code is 0 */

enum promise_error_code {
    PROMISE_ECANCELED = 1, /* promise_cancel(), or its loop was freed */
    PROMISE_ETIMEDOUT,     /* promise_timeout() */
    PROMISE_EABANDONED,    /* the last resolver was let go of without settling */
    PROMISE_ECYCLE,        /* a promise was to wait for itself */
    PROMISE_ECLOSED,       /* what it was to come from is closed */
    PROMISE_ESTALLED,      /* promise_loop_run(): nothing is left that could settle it */
    PROMISE_ESTOPPED,      /* promise_loop_run(): the loop was broken off from outside */
    PROMISE_EAGGREGATE,    /* any, some: too many were rejected; promise_error_reasons() has them */
    PROMISE_EFULL          /* the queue that it was to wait in has reached its limit */
};

/* ---- make: the results are fresh; format may be NULL where the domain describes its codes ---- */

/* promise_throw(domain, code, format, ...): a rejection with a new error. domain NULL is an EINVAL rejection. */
#define promise_throw(domain, code, ...) promise_throw_at(PROMISE_HERE, (domain), (code), __VA_ARGS__)
/* promise_throw_errno(err, format, ...): the same in the errno domain; strerror's words follow the message after a colon. */
#define promise_throw_errno(err, ...) promise_throw_errno_at(PROMISE_HERE, (err), __VA_ARGS__)
/* promise_wrap(cause, domain, code, format, ...): a new error that came of another, which is an argument as V2 says. */
#define promise_wrap(cause, domain, code, ...) promise_wrap_at(PROMISE_HERE, (cause), (domain), (code), __VA_ARGS__)

PROMISE_API PROMISE_MUST_USE promise_value_t promise_throw_at(const char *where, const struct promise_domain *domain, int code,
                                                              const char *format, ...) PROMISE_FORMAT(4, 5);
PROMISE_API PROMISE_MUST_USE promise_value_t promise_throw_errno_at(const char *where, int err, const char *format, ...)
    PROMISE_FORMAT(3, 4);
PROMISE_API PROMISE_MUST_USE promise_value_t promise_wrap_at(const char *where, promise_value_t cause,
                                                             const struct promise_domain *domain, int code,
                                                             const char *format, ...) PROMISE_FORMAT(5, 6);

/* v as a rejection (JavaScript's `throw v`), and a rejection's reason as a plain value (JavaScript's `return e`). Whose it
 * is stays as it was; a value that is one already comes back unchanged. */
static inline promise_value_t promise_throw_value(promise_value_t v) {
    v.type |= 1;
    return v;
}
static inline promise_value_t promise_reason(promise_value_t v) {
    v.type &= ~(uintptr_t)1;
    return v;
}

/* ---- query ---- */

/* Is v, or one of its causes, an error of this domain and code? */
PROMISE_API bool promise_error_is(promise_value_t v, const struct promise_domain *domain, int code);
PROMISE_API bool promise_is_canceled(promise_value_t v);
PROMISE_API bool promise_is_timeout(promise_value_t v);

/* Never NULL: &promise_value_errors for a reason that is no error. */
PROMISE_API const struct promise_domain *promise_error_domain(promise_value_t v);
PROMISE_API int promise_error_code(promise_value_t v);
/* Never NULL: the error's message, a string's text, else the name of the type. Lives as long as v. */
PROMISE_API const char *promise_error_message(promise_value_t v);
/* The cause, lent and with its mark, or void where there is none. */
PROMISE_API promise_value_t promise_error_cause(promise_value_t v);
/* The reasons in a PROMISE_EAGGREGATE error, as a list, lent; else void. */
PROMISE_API promise_value_t promise_error_reasons(promise_value_t v);
/* "file:line" where the error was made, or NULL where that is not known. */
PROMISE_API const char *promise_error_where(promise_value_t v);

PROMISE_END

#endif
