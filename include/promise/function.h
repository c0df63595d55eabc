/*
 * Functions by name, bytes in and bytes out, so that it does not matter where they run: in the loop, on a thread, in another
 * process (<promise/process_pool.h>), on another machine (<promise/executor.h>).
 *
 *     static promise_value_t hash(promise_value_t bytes, void *arg) {
 *         size_t size;
 *         const char *data = promise_as_bytes(bytes, &size);
 *         ...
 *         return promise_bytes(sum, sizeof sum);
 *     }
 *     static const struct promise_function functions[] = {{"hash", hash}, {NULL, NULL}};
 *
 * Such a function gets bytes, lent, and NULL as its arg: a string that was given arrives as bytes, too, to be read by
 * promise_as_bytes(). It gives bytes, a string (of which its caller gets the bytes) or void
 * (no bytes), or a rejection, which travels as promise_error_pack() has it: domain, code, message, place and causes.
 *
 * What is below is for those who write an engine, which takes names and bytes from one place to another.
 */
#ifndef PROMISE_FUNCTION_H
#define PROMISE_FUNCTION_H

#include <promise/error.h>

PROMISE_BEGIN

/* A table of them ends in {NULL, NULL}. It is borrowed as long as what was given it lives. */
struct promise_function {
    const char *name;
    promise_fn *run;
};

/* The one of that name, or NULL; a table that is NULL has none, and there is none whose name is NULL. */
PROMISE_API const struct promise_function *promise_function_find(const struct promise_function *functions, const char *name);
/* Calls it, on any thread, with bytes, a string or void: its bytes, or its rejection; EINVAL when it gives, or is given,
 * anything else, or name is NULL, and ENOENT when there is none of that name. bytes that is a rejection is what comes back. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_function_call(const struct promise_function *functions, const char *name,
                                                                   promise_value_t bytes);

/* A rejection as bytes, in a form that does not depend on the machine; its cause too, and so on, 64 deep. A reason that is no
 * error travels as its text. The ENOMEM rejection when out of memory. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_error_pack(promise_value_t rejection);
/* The rejection again. A domain is found by its name: among domains (ending in NULL; NULL: none), which should have all that
 * the program makes itself, and the library's own. Of others the name is kept, as a domain that lasts as long as the program;
 * there is room for 64 such. Bytes that are no rejection, and what is no bytes,
 * are EPROTO; a rejection is what comes back. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_error_unpack(promise_value_t bytes,
                                                                  const struct promise_domain *const *domains);

PROMISE_END

#endif
