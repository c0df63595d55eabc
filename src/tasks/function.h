/* Named functions from the inside: what their callers check, each in the same words. */
#ifndef PROMISE_SRC_TASKS_FUNCTION_H
#define PROMISE_SRC_TASKS_FUNCTION_H

#include <promise/function.h>

#include "../cell.h"

/* bytes for the bytes, a string or void that a function is given or gives, which is ours; rejections pass by, of anything else
 * comes EINVAL, which says what was to have them. */
promise_value_t promise__function_bytes(promise_value_t v, const char *what);
/* The ENOENT rejection. */
promise_value_t promise__function_unknown(const char *name);
/* The EINVAL rejection of what is given no name; instead of bytes, unless those are a rejection. */
promise_value_t promise__function_unnamed(promise_value_t bytes, const char *function);

#endif
