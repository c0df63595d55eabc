/* What the sketches use that is not in the library: files, which it has not yet, and a reader of JSON. */
#ifndef SKETCHES_STANDIN_H
#define SKETCHES_STANDIN_H

#include <promise.h>

promise_t *promise_file_write(promise_loop_t *loop, const char *name, promise_value_t bytes);

/* A copy of the string under that key in a flat object, or NULL. */
char *json_get_string(const char *json, size_t size, const char *key);

#endif
