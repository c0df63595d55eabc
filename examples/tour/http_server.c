/* An HTTP server, asked by the client on the same loop. */
#include "tour.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- asking: what comes is shown ---- */

static promise_value_t got_answer(promise_value_t response, void *arg) {
    (void)arg;
    printf("%d %s", promise_http_status(response), promise_as_bytes(promise_http_body(response), NULL));
    return promise_void();
}

static const char *url_of(promise_http_server_t *server, const char *path) {
    static char url[100];
    uint16_t port = promise_listener_port(promise_http_server_listener(server));
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", (unsigned)port, path);
    return url;
}

static promise_t *ask(promise_http_server_t *server, const char *path, const char *body) {
    struct promise_http_request request = {.url = url_of(server, path), .body = body ? promise_string(body) : promise_void()};
    promise_http_client_t *client = promise_http_client_default(NULL);
    return promise_then(promise_http_client_request(client, &request), got_answer, NULL);
}

/* region: serve */
static promise_value_t later(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_string("it took a while\n");
}

static promise_value_t serve(promise_value_t request, void *arg) {
    const char *path = promise_http_path(request);
    (void)arg;
    if (strcmp(path, "/hello") == 0) return promise_string("hello\n");
    if (strcmp(path, "/slow") == 0) return promise_adopt(promise_then(promise_sleep(NULL, 10), later, NULL));
    if (strcmp(path, "/made") == 0) {
        promise_value_t response = promise_http_response(201, promise_string("{}\n"));
        if (promise_http_add_header(response, "Content-Type", "application/json") < 0) promise_value_clear(&response);
        return response;
    }
    return promise_throw(&promise_http_errors, 404, "there is no %s here", path);
}

static promise_http_server_t *start(promise_loop_t *loop) {
    promise_http_server_t *server = promise_http_server_new(loop, "127.0.0.1", 0, serve, NULL, NULL);
    promise_value_t error = promise_listener_error(promise_http_server_listener(server));
    if (promise_is_rejection(error)) fprintf(stderr, "%s\n", promise_error_message(error));
    return server;
}
/* end: serve */

static promise_value_t ask_slow(promise_value_t v, void *server) {
    (void)v;
    return promise_adopt(ask(server, "/slow", NULL));
}
static promise_value_t ask_made(promise_value_t v, void *server) {
    (void)v;
    return promise_adopt(ask(server, "/made", NULL));
}
static promise_value_t ask_nothing(promise_value_t v, void *server) {
    (void)v;
    return promise_adopt(ask(server, "/nothing", NULL));
}

/* region: stop */
static promise_value_t stop(promise_value_t v, void *server) {
    (void)v;
    return promise_adopt(promise_then(promise_http_server_stop(server, 10000), show, "aborted"));
}
/* end: stop */

static promise_value_t ask_hello(promise_value_t v, void *server) {
    (void)v;
    return promise_adopt(ask(server, "/hello", NULL));
}

static promise_t *answers(promise_loop_t *loop) {
    promise_http_server_t *server = start(loop);
    promise_t *p = promise_try(loop, ask_hello, server);
    p = promise_then(p, ask_slow, server);
    p = promise_then(p, ask_made, server);
    p = promise_then(p, ask_nothing, server);
    return promise_attach(promise_finally(p, stop, server), server, promise_http_server_close);
}

/* region: stream */
static promise_value_t count_bytes(promise_value_t piece, void *arg) {
    size_t size;
    promise_as_bytes(piece, &size);
    *(size_t *)arg += size;
    return promise_void(); /* or a promise: then the client waits until it has settled */
}

static promise_value_t say_size(promise_value_t v, void *arg) {
    (void)v;
    return promise_stringf("%zu bytes\n", *(size_t *)arg);
}

static promise_value_t count_body(promise_value_t request, void *arg) {
    size_t *size = calloc(1, sizeof *size);
    (void)arg;
    if (!size) return promise_throw_errno(ENOMEM, "a number");
    promise_t *p = promise_each(promise_http_chunks(request), 1, count_bytes, size);
    return promise_adopt(promise_attach(promise_then(p, say_size, size), size, free));
}

static promise_http_server_t *start_counting(promise_loop_t *loop) {
    static const struct promise_http_server_options options = {.stream = true}; /* called as soon as the head is there */
    return promise_http_server_new(loop, "127.0.0.1", 0, count_body, NULL, &options);
}
/* end: stream */

static promise_value_t upload(promise_value_t v, void *server) {
    (void)v;
    return promise_adopt(ask(server, "/", "twenty bytes of body"));
}

static promise_t *counts(promise_loop_t *loop) {
    promise_http_server_t *server = start_counting(loop);
    return promise_attach(promise_finally(promise_try(loop, upload, server), stop, server), server, promise_http_server_close);
}

int main(void) {
    static tour_fn *const parts[] = {answers, counts};
    return tour(sizeof parts / sizeof *parts, parts);
}
