/* The loop's host: Node's own queues run the drain, on a stack with nothing else on it (2.2.4). */
#include "addon.h"

#include <stdlib.h>

napi_env js;
promise_loop_t *loop;

static napi_ref functions;
static size_t blocks;

napi_value host_function(const char *name) {
    napi_value object, value;

    must(napi_get_reference_value(js, functions, &object));
    must(napi_get_named_property(js, object, name, &value));
    return value;
}

static napi_value drain(napi_env env, napi_callback_info info) {
    (void)env, (void)info;
    if (loop) promise_loop_drain(loop);
    return NULL;
}

/* A microtask comes before I/O and timers, an immediate after them. */
static void wake(void *data, bool again) {
    napi_handle_scope scope;
    napi_value job;

    (void)data;
    must(napi_open_handle_scope(js, &scope));
    must(napi_create_function(js, NULL, 0, drain, NULL, &job));
    must(napi_call_function(js, undefined(), host_function(again ? "immediate" : "microtask"), 1, &job, NULL));
    must(napi_close_handle_scope(js, scope));
}

static void gone(void *data) {
    (void)data;
    loop = NULL;
}

static const struct promise_host host = {.size = sizeof host, .wake = wake, .gone = gone};

static void ignore(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

/* ---- memory ---- */

static void *count_malloc(size_t size) {
    void *block = malloc(size);
    blocks += block != NULL;
    return block;
}

static void *count_realloc(void *block, size_t size) {
    void *moved = realloc(block, size);
    blocks += !block && moved;
    return moved;
}

static void count_free(void *block) {
    blocks -= block != NULL;
    free(block);
}

size_t host_blocks(void) { return blocks; }

void host_open(napi_value node_functions) {
    must(napi_create_reference(js, node_functions, 1, &functions));
    if (promise_set_allocator(count_malloc, count_realloc, count_free) < 0) abort();
    loop = promise_loop_new_hosted(&host, NULL);
    if (!loop) abort();
    promise_loop_on_unhandled(loop, ignore, NULL);
}
