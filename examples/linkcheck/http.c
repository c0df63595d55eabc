#include "http.h"

#include <errno.h>
#include <event2/dns.h>
#include <stdlib.h>

const struct promise_domain http_errors = {"http", fetch_describe};
const struct promise_domain dns_errors = {"dns", evutil_gai_strerror};

/* ---- GET: a callback API that can be cancelled ---- */

struct exchange {
    promise_resolver_t *resolver;
    struct evhttp_connection *connection;
    struct evhttp_request *request; /* NULL once it belongs to the value */
    enum evhttp_request_error error;
};

static void free_request(void *request) { evhttp_request_free(request); }

static void exchange_free(void *arg) {
    struct exchange *x = arg;
    if (x->connection) evhttp_connection_free(x->connection);
    if (x->request) evhttp_request_free(x->request);
    free(x);
}

static void on_error(enum evhttp_request_error error, void *arg) {
    struct exchange *x = arg;
    x->error = error; /* on_answer(NULL) comes next */
}

static void on_answer(struct evhttp_request *answered, void *arg) {
    struct exchange *x = arg;
    int code = fetch_result(x->request, answered, x->error);
    promise_value_t v = code ? promise_throw(&http_errors, code, NULL) : promise_box(x->request, free_request);
    if (!code) x->request = NULL;
    promise_resolve(x->resolver, v);
}

/* evhttp calls nobody when a connection with a request is freed, which is what a cancel needs. */
static void stop(void *arg) {
    struct exchange *x = arg;
    evhttp_connection_free(x->connection);
    x->connection = NULL;
    promise_abandon(x->resolver);
}

static int start(struct exchange *x, const struct site *site, const char *url) {
    x->connection = site_connection(site);
    x->request = site_request(site, on_answer, on_error, x);
    if (!x->connection || !x->request) return -1;
    promise_on_cancel(x->resolver, stop, x);
    return evhttp_make_request(x->connection, x->request, EVHTTP_REQ_GET, site_path(site, url));
}

promise_t *http_get(promise_loop_t *loop, const struct site *site, const char *url) {
    struct exchange *x = calloc(1, sizeof *x);
    if (!x) return promise_from(loop, promise_throw_errno(ENOMEM, "GET %s", url));
    promise_t *p = promise_new(loop, &x->resolver);
    if (start(x, site, url) < 0) promise_reject(x->resolver, promise_throw_errno(ENOMEM, "GET %s", url));
    return promise_attach(p, x, exchange_free); /* frees in the drain, never inside evhttp's callback */
}

struct evhttp_request *http_answer(promise_value_t v) {
    return promise_as_box(v);
}

/* ---- lookup: one that calls back also after it was cancelled ---- */

static void free_addresses(void *list) { evutil_freeaddrinfo(list); }

static void on_addresses(int error, struct evutil_addrinfo *list, void *resolver) {
    if (!error && !list) error = EVUTIL_EAI_NODATA;
    promise_resolve(resolver, error ? promise_throw(&dns_errors, error, NULL) : promise_box(list, free_addresses));
}

static void stop_lookup(void *query) { evdns_getaddrinfo_cancel(query); } /* on_addresses lets go of the resolver */

promise_t *http_lookup(promise_loop_t *loop, const struct site *site) {
    static const struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    promise_resolver_t *resolver;
    promise_t *p = promise_new(loop, &resolver);
    void *query = evdns_getaddrinfo(site->dns, site->host, NULL, &hints, on_addresses, resolver);
    if (query) promise_on_cancel(resolver, stop_lookup, query); /* else it has called back already */
    return p;
}

const struct evutil_addrinfo *http_addresses(promise_value_t v) { return promise_as_box(v); }
