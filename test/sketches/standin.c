#include "standin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

promise_t *promise_file_write(promise_loop_t *loop, const char *name, promise_value_t bytes) {
    FILE *file = fopen(name, "w");
    size_t size;
    const char *data = promise_as_bytes(bytes, &size);
    bool written = file && fwrite(data, 1, size, file) == size;

    if (file && fclose(file) != 0) written = false;
    return promise_from(loop, written ? promise_void() : promise_throw_errno(errno, "%s", name));
}

char *json_get_string(const char *json, size_t size, const char *key) {
    char wanted[64];
    const char *start, *end;

    (void)size; /* a NUL follows */
    snprintf(wanted, sizeof wanted, "\"%s\": \"", key);
    start = strstr(json, wanted);
    if (!start) return NULL;
    start += strlen(wanted);
    end = strchr(start, '"');
    return end ? strndup(start, (size_t)(end - start)) : NULL;
}
