/* HTTP servers and clients: on evhttp, and on libpromise. */
#include <stdio.h>
#include <stdlib.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include <promise.h>

#include "net.h"

/* ---- servers: a short page ---- */

static const char page[] = "hello, world\n";

static void on_request(struct evhttp_request *request, void *arg) {
    struct evbuffer *body = evbuffer_new();

    (void)arg;
    evbuffer_add(body, page, sizeof page - 1);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "text/plain");
    evhttp_send_reply(request, 200, "OK", body);
    evbuffer_free(body);
}

void net_http_event(int fd) {
    struct event_base *base = event_base_new();
    struct evhttp *http = evhttp_new(base);

    evhttp_set_gencb(http, on_request, NULL);
    if (evhttp_accept_socket(http, fd) < 0) net_fail("evhttp_accept_socket");
    event_base_dispatch(base);
}

static promise_value_t hello(promise_value_t request, void *arg) {
    promise_value_t response = promise_http_response(200, promise_bytes(page, sizeof page - 1));

    (void)request, (void)arg;
    if (promise_http_add_header(response, "Content-Type", "text/plain") < 0) net_fail("promise_http_add_header");
    return response;
}

void net_http_promise(int fd) {
    promise_loop_t *loop = promise_loop_new(NULL);

    promise_http_server_t *server = promise_http_server_on(promise_listener_adopt(loop, fd, NULL), hello, NULL, NULL);

    promise_loop_run(loop, NULL, NULL);
    promise_http_server_close(server);
    promise_loop_free(loop);
}

/* ---- clients: each connection with one request under way ---- */

struct event_client {
    struct event_base *base;
    unsigned left, done, requests;
};

struct event_connection {
    struct event_client *client;
    struct evhttp_connection *connection;
};

static void ask(struct event_connection *c);

static void on_response(struct evhttp_request *request, void *arg) {
    struct event_connection *c = arg;

    if (!request || evhttp_request_get_response_code(request) != 200) net_fail("evhttp client");
    if (++c->client->done == c->client->requests) event_base_loopbreak(c->client->base);
    else ask(c);
}

static void ask(struct event_connection *c) {
    struct evhttp_request *request;

    if (!c->client->left) return;
    c->client->left--;
    request = evhttp_request_new(on_response, c);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Host", "127.0.0.1");
    if (evhttp_make_request(c->connection, request, EVHTTP_REQ_GET, "/") < 0) net_fail("evhttp_make_request");
}

void net_client_event(uint16_t port, unsigned connections, unsigned requests) {
    struct event_client client = {event_base_new(), requests, 0, requests};
    struct event_connection *all = calloc(connections, sizeof *all);

    for (unsigned i = 0; i < connections; i++) {
        all[i] = (struct event_connection){&client, evhttp_connection_base_new(client.base, NULL, "127.0.0.1", port)};
        ask(&all[i]);
    }
    event_base_dispatch(client.base);
    for (unsigned i = 0; i < connections; i++) evhttp_connection_free(all[i].connection);
    event_base_free(client.base);
    free(all);
}

struct promise_client {
    promise_http_client_t *http;
    char url[64];
    unsigned left;
};

static promise_value_t next(promise_value_t v, void *arg) {
    struct promise_client *c = arg;

    (void)v;
    if (!c->left) return promise_end();
    c->left--;
    return promise_void();
}

static promise_value_t check(promise_value_t response, void *arg) {
    (void)arg;
    if (promise_http_status(response) != 200) net_fail("promise client");
    return promise_void();
}

static promise_value_t get(promise_value_t v, void *arg) {
    struct promise_client *c = arg;
    struct promise_http_request request = {.url = c->url};

    (void)v;
    return promise_adopt(promise_then(promise_http_client_request(c->http, &request), check, c));
}

void net_client_promise(uint16_t port, unsigned connections, unsigned requests) {
    promise_loop_t *loop = promise_loop_new(NULL);
    const struct promise_http_client_options options = {.max_connections_per_host = connections};
    struct promise_client c = {promise_http_client_new(loop, &options), "", requests};

    snprintf(c.url, sizeof c.url, "http://127.0.0.1:%u/", port);
    if (promise_loop_run(loop, promise_each(promise_pull(loop, next, &c), connections, get, &c), NULL) < 0) net_fail("each");
    promise_loop_free(loop);
}
