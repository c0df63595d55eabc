#include "standin.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *describe(int code) { return code ? "the server said no" : "no answer"; }
const struct promise_domain promise_http_errors = {"http", describe};

/* ---- the server ---- */

static const struct page {
    const char *host, *uri, *sent; /* sent: the body that it wants, or NULL */
    int status;
    const char *body;
} pages[] = {
    {"api.example", "/login", "user=ann&password=secret", 200, "{\"token\": \"t0ken\"}"},
    {"api.example", "/profile?token=t0ken", NULL, 200, "{\"name\": \"Ann\", \"id\": \"17\"}"},
    {"api.example", "/orders?user=17", NULL, 200, "[{\"order\": 1}, {\"order\": 2}]\n"},
    {"files.example", "/one.txt", NULL, 200, "the first file\n"},
    {"files.example", "/two.txt", NULL, 200, "the second file\n"},
    {"mirror-a.example", "/dists/stable/Release", NULL, 503, ""},
    {"mirror-b.example", "/dists/stable/Release", NULL, 500, ""},
    {"archive.example", "/dists/stable/Release", NULL, 200, "Suite: stable\n"},
};

static bool is_asked_for(const struct page *page, struct evhttp_request *request) {
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    const char *host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");
    size_t size = page->sent ? strlen(page->sent) : 0;

    if (!host || strcmp(host, page->host) != 0 || strcmp(evhttp_request_get_uri(request), page->uri) != 0) return false;
    return evbuffer_get_length(body) == size && (!size || memcmp(evbuffer_pullup(body, -1), page->sent, size) == 0);
}

static void serve(struct evhttp_request *request, void *arg) {
    struct evbuffer *body = evbuffer_new();
    int status = 404;

    (void)arg;
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        if (!is_asked_for(&pages[i], request)) continue;
        status = pages[i].status;
        evbuffer_add(body, pages[i].body, strlen(pages[i].body));
        break;
    }
    evhttp_send_reply(request, status, NULL, body);
    evbuffer_free(body);
}

/* Runs while there are requests: a server that waits for more would keep the loop from ending. */
static struct server {
    struct evhttp *http;
    ev_uint16_t port;
    int users;
} server;

static int server_use(struct event_base *base) {
    struct evhttp_bound_socket *socket;
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;

    if (server.users++) return 0;
    server.http = evhttp_new(base);
    evhttp_set_gencb(server.http, serve, NULL);
    socket = evhttp_bind_socket_with_handle(server.http, "127.0.0.1", 0);
    if (!socket || getsockname(evhttp_bound_socket_get_fd(socket), (struct sockaddr *)&address, &size) < 0) return -1;
    server.port = ntohs(address.sin_port);
    return 0;
}

static void server_done(void) {
    if (--server.users) return;
    evhttp_free(server.http);
    server.http = NULL;
}

/* ---- the client ---- */

struct exchange {
    promise_resolver_t *resolver;
    struct evhttp_connection *connection;
};

static void exchange_free(void *arg) {
    struct exchange *x = arg;

    if (x->connection) evhttp_connection_free(x->connection);
    free(x);
    server_done();
}

static promise_value_t response(struct evhttp_request *request) {
    struct evbuffer *body = request ? evhttp_request_get_input_buffer(request) : NULL;
    int status = request ? evhttp_request_get_response_code(request) : 0;
    size_t size = body ? evbuffer_get_length(body) : 0;

    if (status == 0) return promise_throw(&promise_http_errors, 0, NULL);
    if (status >= 400) return promise_throw(&promise_http_errors, status, "the server answered %d", status);
    return promise_bytes(size ? (const void *)evbuffer_pullup(body, -1) : "", size);
}

static void answered(struct evhttp_request *request, void *arg) {
    promise_resolve(((struct exchange *)arg)->resolver, response(request));
}

static void stop(void *arg) {
    struct exchange *x = arg;

    evhttp_connection_free(x->connection);
    x->connection = NULL;
    promise_abandon(x->resolver);
}

static int start(struct event_base *base, struct exchange *x, const char *url, promise_value_t body) {
    struct evhttp_uri *uri = evhttp_uri_parse(url);
    struct evhttp_request *request = evhttp_request_new(answered, x);
    bool post = promise_is(body, &promise_type_string);
    char target[512];

    if (!uri || !evhttp_uri_get_host(uri) || !request || server_use(base) < 0) return -1;
    x->connection = evhttp_connection_base_new(base, NULL, "127.0.0.1", server.port);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Host", evhttp_uri_get_host(uri));
    if (post) evbuffer_add(evhttp_request_get_output_buffer(request), promise_as_string(body), strlen(promise_as_string(body)));
    snprintf(target, sizeof target, "%s%s%s", evhttp_uri_get_path(uri), evhttp_uri_get_query(uri) ? "?" : "",
             evhttp_uri_get_query(uri) ? evhttp_uri_get_query(uri) : "");
    evhttp_uri_free(uri);
    promise_on_cancel(x->resolver, stop, x);
    return evhttp_make_request(x->connection, request, post ? EVHTTP_REQ_POST : EVHTTP_REQ_GET, target);
}

static promise_t *request_to(promise_loop_t *loop, const char *url, promise_value_t body) {
    struct exchange *x = calloc(1, sizeof *x);
    promise_t *p;

    if (!x) abort();
    p = promise_new(loop, &x->resolver);
    if (start(promise_loop_base(promise_loop_of(p)), x, url, body) < 0)
        promise_reject(x->resolver, promise_throw_errno(EINVAL, "%s", url));
    promise_value_clear(&body);
    return promise_attach(p, x, exchange_free);
}

promise_t *promise_http_get(promise_loop_t *loop, const char *url) { return request_to(loop, url, promise_void()); }
promise_t *promise_http_post(promise_loop_t *loop, const char *url, promise_value_t body) { return request_to(loop, url, body); }
promise_value_t promise_http_body(promise_value_t v) { return v; }

/* ---- files and JSON ---- */

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
