/* HTTP requests, to a server of three pages that is on the same loop. */
#include "tour.h"

#include <stdio.h>
#include <string.h>

/* ---- the server ---- */

static const struct {
    const char *request, *response;
} pages[] = {
    {"GET /poem ", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 17\r\n\r\nroses are red ..."},
    {"GET /old ", "HTTP/1.1 301 Moved\r\nLocation: /poem\r\nContent-Length: 0\r\n\r\n"},
    {"PUT /poem ", "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"},
    {"", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"},
};

static promise_value_t answer(promise_value_t head, void *stream) {
    size_t i = 0;
    if (promise_is_end(head)) return head; /* the client has left */
    while (strncmp(promise_as_bytes(head, NULL), pages[i].request, strlen(pages[i].request)) != 0) i++;
    return promise_adopt(promise_stream_write(stream, promise_string(pages[i].response)));
}

static promise_value_t next_request(promise_value_t v, void *stream) {
    (void)v;
    return promise_adopt(promise_then(promise_stream_read_until(stream, promise_string("\r\n\r\n"), 4096), answer, stream));
}

static promise_value_t serve(promise_value_t v, void *arg) {
    (void)arg;
    return promise_adopt(promise_repeat(NULL, next_request, promise_as_stream(v)));
}

static promise_value_t ignore(promise_value_t reason, void *arg) {
    (void)reason, (void)arg;
    return promise_void();
}

static const char *url_of(promise_loop_t *loop, const char *path) {
    static char url[100];
    promise_listener_t *listener = promise_listener_new(loop, "127.0.0.1", 0);
    promise_unref(promise_catch(promise_each(promise_listener_accepted(listener), 0, serve, NULL), ignore, NULL));
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", (unsigned)promise_listener_port(listener), path);
    return url;
}

/* ---- the requests ---- */

/* region: get */
static promise_value_t got_page(promise_value_t response, void *arg) {
    size_t size;
    const char *body = promise_as_bytes(promise_http_body(response), &size);
    (void)arg;
    printf("get: %d, %s, %zu bytes: %s\n", promise_http_status(response), promise_http_header(response, "content-type"), size,
           body);
    return promise_void();
}

static promise_t *get(promise_loop_t *loop) {
    const char *url = url_of(loop, "/old"); /* http://127.0.0.1:PORT/old, which has moved */
    return promise_then(promise_http_get(loop, url), got_page, NULL);
}
/* end: get */

/* region: request */
static promise_value_t stored(promise_value_t response, void *arg) {
    (void)arg;
    printf("request: %d %s\n", promise_http_status(response), promise_http_reason_phrase(response));
    return promise_void();
}

static promise_t *request(promise_loop_t *loop) {
    static const char *const headers[] = {"Content-Type", "text/plain", "Authorization", "Bearer t0ken", NULL};
    static const struct promise_http_client_options options = {.max_connections_per_host = 2, .total_ms = 10000};
    promise_http_client_t *client = promise_http_client_new(loop, &options); /* goes with the loop, or by close */
    const struct promise_http_request request = {
        .method = "PUT", .url = url_of(loop, "/poem"), .headers = headers, .body = promise_string("violets are blue")};
    return promise_then(promise_http_client_request(client, &request), stored, NULL);
}
/* end: request */

/* region: stream */
static promise_value_t got_piece(promise_value_t piece, void *arg) {
    size_t size;
    (void)arg;
    promise_as_bytes(piece, &size);
    printf("stream: a piece of %zu bytes\n", size); /* a promise that is returned here makes the server wait */
    return promise_void();
}

static promise_value_t got_head(promise_value_t response, void *arg) {
    printf("stream: %s bytes are to come\n", promise_http_header(response, "Content-Length"));
    return promise_adopt(promise_each(promise_http_chunks(response), 1, got_piece, arg));
}

static promise_t *stream(promise_loop_t *loop) {
    const struct promise_http_request request = {.url = url_of(loop, "/poem"), .stream = true};
    return promise_then(promise_http_client_request(promise_http_client_default(loop), &request), got_head, NULL);
}
/* end: stream */

/* region: errors */
static promise_value_t complain(promise_value_t reason, void *arg) {
    (void)arg;
    if (promise_error_is(reason, &promise_http_errors, 404)) printf("errors: no such page\n");
    else if (promise_error_is(reason, &promise_http_errors, PROMISE_HTTP_ETIMEDOUT)) printf("errors: too slow\n");
    else return reason; /* another error */
    return promise_void();
}

static promise_t *errors(promise_loop_t *loop) {
    return promise_catch(promise_then(promise_http_get(loop, url_of(loop, "/new")), got_page, NULL), complain, NULL);
}
/* end: errors */

int main(void) {
    static tour_fn *const parts[] = {get, request, stream, errors};
    return tour(sizeof parts / sizeof *parts, parts);
}
