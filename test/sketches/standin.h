/* What the sketches use that is not in the library: a reader of JSON. */
#ifndef SKETCHES_STANDIN_H
#define SKETCHES_STANDIN_H

#include <stddef.h>

/* A copy of the string under that key in a flat object, or NULL. */
char *json_get_string(const char *json, size_t size, const char *key);

#endif
