/* Node-API in the few shapes that the other two files need. */
#include "addon.h"

#include <stdio.h>
#include <stdlib.h>

void must_be_ok(napi_status status, const char *call) {
    const napi_extended_error_info *info = NULL;

    if (status == napi_ok) return;
    napi_get_last_error_info(js, &info);
    fprintf(stderr, "conformance addon: %s: %s\n", call, info && info->error_message ? info->error_message : "failed");
    abort();
}

napi_value undefined(void) {
    napi_value value;
    must(napi_get_undefined(js, &value));
    return value;
}

bool is_a(napi_value value, napi_valuetype type) {
    napi_valuetype found;
    must(napi_typeof(js, value, &found));
    return found == type;
}

napi_value take_exception(void) {
    napi_value exception;
    must(napi_get_and_clear_last_exception(js, &exception));
    return exception;
}

/* ---- values that are held: in an array, of which there is a reference ---- */

struct held {
    napi_ref array;
};
static size_t count;

struct held *hold(size_t n, const napi_value *values) {
    struct held *held = malloc(sizeof *held);
    napi_value array;

    if (!held) abort();
    must(napi_create_array_with_length(js, n, &array));
    for (size_t i = 0; i < n; i++) must(napi_set_element(js, array, (uint32_t)i, values[i]));
    must(napi_create_reference(js, array, 1, &held->array));
    count++;
    return held;
}

napi_value held_get(const struct held *held, uint32_t index) {
    napi_value array, value;

    must(napi_get_reference_value(js, held->array, &array));
    must(napi_get_element(js, array, index, &value));
    return value;
}

void held_free(void *object) {
    struct held *held = object;

    must(napi_delete_reference(js, held->array));
    free(held);
    count--;
}

size_t held_count(void) { return count; }
