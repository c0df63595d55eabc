/* The HTTP client: its options, and the calls. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <promise/loop.h>
#include <promise/memory.h>
#include <promise/timer.h>

#include "http_exchange.h"

/* ---- make ---- */

static void fill_in(struct promise_http_client_options *o) {
    if (!o->max_connections) o->max_connections = 256;
    if (!o->max_connections_per_host) o->max_connections_per_host = 6;
    if (!o->max_header) o->max_header = 64 << 10;
    if (!o->max_body) o->max_body = 64 << 20;
    if (!o->max_redirects) o->max_redirects = 10;
    if (!o->connect_ms) o->connect_ms = 30000;
    if (!o->first_byte_ms) o->first_byte_ms = 60000;
    if (!o->idle_ms) o->idle_ms = 15000;
    if (!o->user_agent) o->user_agent = "libpromise/" PACKAGE_VERSION;
}

static void destroy(promise_http_client_t *c) {
    struct http_exchange *x;

    c->closed = true;
    while ((x = c->exchanges)) {
        promise_t *connecting = x->connecting;
        c->exchanges = x->next;
        x->client = NULL;
        x->next = NULL;
        x->link = NULL;
        x->connecting = NULL;
        promise_cancel(connecting);
    }
    promise__http_pool_close(&c->pool);
    promise_memory_free(c);
}

static promise_http_client_t *client_of(struct promise_source *source) {
    return (promise_http_client_t *)((char *)source - offsetof(promise_http_client_t, source));
}
static void gone(struct promise_source *source) { destroy(client_of(source)); }
static void default_gone(struct promise_source *source) { destroy(client_of(source)); }

static promise_http_client_t *client_new(promise_loop_t *loop, const struct promise_http_client_options *options) {
    struct promise_http_client_options all = {0};
    promise_http_client_t *c;
    size_t size;

    if (options) all = *options;
    fill_in(&all);
    size = strlen(all.user_agent) + 1;
    c = promise_memory_alloc(sizeof *c + size);
    if (!c) return NULL;
    *c = (promise_http_client_t){.options = all};
    memcpy(c->user_agent, all.user_agent, size);
    promise__http_pool_init(&c->pool, loop);
    c->pool.max = all.max_connections;
    c->pool.max_per_origin = all.max_connections_per_host;
    c->pool.idle_ms = all.idle_ms;
    return c;
}

/* A loop that is being freed rejects whatever is asked of it. */
static promise_http_client_t *add(promise_loop_t *loop, promise_http_client_t *c, bool is_default) {
    int failed = -1;

    if (c && is_default) failed = promise_source_add_single(loop, &c->source, default_gone);
    else if (c) failed = promise_source_add(loop, &c->source, gone);
    if (!failed) return c;
    promise_memory_free(c);
    return promise_source_nomem(loop);
}

static promise_loop_t *loop_or_current(promise_loop_t *loop, const char *function) {
    if (!loop) loop = promise_loop_current();
    if (loop) return loop;
    fprintf(stderr, "libpromise: %s: loop is NULL, and no handler is running\n", function);
    abort();
}

promise_http_client_t *promise_http_client_new(promise_loop_t *loop, const struct promise_http_client_options *options) {
    loop = loop_or_current(loop, __func__);
    return add(loop, client_new(loop, options), false);
}

promise_http_client_t *promise_http_client_default(promise_loop_t *loop) {
    struct promise_source *source;

    loop = loop_or_current(loop, __func__);
    source = promise_source_find(loop, default_gone);
    return source ? client_of(source) : add(loop, client_new(loop, NULL), true);
}

static const promise_http_client_t *check(const promise_http_client_t *client, const char *function) {
    if (client) return client;
    fprintf(stderr, "libpromise: %s: client is NULL\n", function);
    abort();
}

void promise_http_client_secure(promise_http_client_t *client, promise_secure_fn *secure, void *secure_arg) {
    if (promise_source_nomem_loop(check(client, __func__))) return;
    client->options.secure = secure;
    client->options.secure_arg = secure_arg;
}

void promise_http_client_close(void *arg) {
    promise_http_client_t *client = arg;

    if (!client || promise_source_nomem_loop(client)) return;
    promise_source_remove(&client->source);
    destroy(client);
}

size_t promise_http_client_active(const promise_http_client_t *client) {
    if (promise_source_nomem_loop(check(client, __func__))) return 0;
    return client->pool.connections - client->pool.idle;
}
size_t promise_http_client_idle(const promise_http_client_t *client) {
    return promise_source_nomem_loop(check(client, __func__)) ? 0 : client->pool.idle;
}

/* ---- a request ---- */

static const char *method_of(const struct promise_http_request *r) {
    if (r->method) return r->method;
    return r->body_stream || !promise_is_void(r->body) ? "POST" : "GET";
}

static const char *wrong_header(const char *name, const char *value) {
    if (!value) return "the value of a header is NULL";
    if (!promise__http_is_token(name, strlen(name))) return "the name of a header is no token";
    if (!promise__http_is_value(value, strlen(value))) return "a control character in a header";
    if (!strcasecmp(name, "content-length") || !strcasecmp(name, "transfer-encoding"))
        return "a header that frames the message";
    if (!strcasecmp(name, "connection") && strcasecmp(value, "close") != 0) return "a Connection header other than close";
    return NULL;
}

/* What is wrong with a request, but for its URL; or NULL. */
static const char *wrong_request(const struct promise_http_request *r) {
    const char *method = method_of(r), *wrong = NULL;

    if (!r->url) return "url is NULL";
    if (!promise__http_is_token(method, strlen(method))) return "the method is no token";
    if (!strcmp(method, "CONNECT")) return "the method is CONNECT";
    if (r->body_stream && !promise_is_void(r->body)) return "there are two bodies";
    if (!promise_is_void(r->body) && !promise_is(r->body, &promise_type_string) && !promise_is(r->body, &promise_type_bytes))
        return "the body is neither a string nor bytes";
    for (const char *const *h = r->headers; h && *h && !wrong; h += 2) wrong = wrong_header(h[0], h[1]);
    return wrong;
}

static size_t count_headers(const struct promise_http_request *r) {
    size_t n = 0;

    while (r->headers && r->headers[2 * n]) n++;
    return n;
}

static const char *put(char **at, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*at, text, size);

    *at += size;
    return copy;
}

/* Copies what is borrowed. */
static struct http_exchange *exchange_new(promise_http_client_t *client, const struct promise_http_request *r) {
    size_t n = count_headers(r), size = strlen(method_of(r)) + 1;
    struct http_exchange *x;
    char *at;

    for (size_t i = 0; i < 2 * n; i++) size += strlen(r->headers[i]) + 1;
    x = promise_memory_alloc(sizeof *x + (2 * n + 1) * sizeof *x->data + size);
    if (!x) return NULL;
    *x = (struct http_exchange){.client = client, .loop = client->pool.loop};
    at = (char *)(x->data + 2 * n + 1);
    x->headers = x->data;
    x->method = put(&at, method_of(r));
    for (size_t i = 0; i < 2 * n; i++) x->data[i] = put(&at, r->headers[i]);
    x->data[2 * n] = NULL;
    for (size_t i = 0; i < n; i++)
        if (!strcasecmp(x->data[2 * i], "connection")) x->closes = true;
    return x;
}

static uint64_t either(uint64_t ms, uint64_t otherwise) { return ms ? ms : otherwise; }

static promise_t *run(struct http_exchange *x) {
    promise_t *p = promise__http_attempt(x);

    if (x->total_ms) p = promise_timeout(p, x->total_ms);
    return promise_attach(promise_catch(p, promise__http_explain, x), x, promise__http_exchange_free);
}

/* x has the body already. */
static promise_t *start(struct http_exchange *x, const struct promise_http_request *r) {
    const struct promise_http_client_options *o = &x->client->options;
    const char *wrong;
    promise_t *p;

    x->connect_ms = either(r->connect_ms, o->connect_ms);
    x->first_byte_ms = either(r->first_byte_ms, o->first_byte_ms);
    x->total_ms = either(r->total_ms, o->total_ms);
    x->no_redirects = r->no_redirects || o->no_redirects;
    x->wants_stream = r->stream;
    x->url = promise__http_url_new(r->url, &wrong);
    if (!x->url) {
        p = promise_from(x->loop,
                         wrong ? promise_throw(&promise_http_errors, PROMISE_HTTP_EURL, "%s %s: %s", x->method, r->url, wrong)
                               : promise_out_of_memory());
        promise__http_exchange_free(x);
        return p;
    }
    x->link = &x->client->exchanges;
    x->next = x->client->exchanges;
    if (x->next) x->next->link = &x->next;
    x->client->exchanges = x;
    return run(x);
}

/* Lets go of the bodies. */
static promise_t *refuse(promise_loop_t *loop, const struct promise_http_request *r, promise_value_t why) {
    promise_value_t body = promise_void();

    if (r) {
        promise_value_set(&body, r->body);
        promise_value_clear(&body);
        promise_iterator_close(r->body_stream);
    }
    return promise_from(loop, why);
}

promise_t *promise_http_client_request(promise_http_client_t *client, const struct promise_http_request *r) {
    promise_loop_t *nomem = promise_source_nomem_loop(check(client, __func__));
    const char *wrong = r ? wrong_request(r) : "request is NULL";
    struct http_exchange *x;

    if (nomem) return refuse(nomem, r, promise_out_of_memory());
    if (r && promise_is_rejection(r->body)) {
        promise_iterator_close(r->body_stream);
        return promise_from(client->pool.loop, r->body);
    }
    if (client->closed) return refuse(client->pool.loop, r, promise__http_closed());
    if (wrong) return refuse(client->pool.loop, r, promise_throw_errno(EINVAL, "%s: %s", __func__, wrong));
    x = exchange_new(client, r);
    if (!x) return refuse(client->pool.loop, r, promise_out_of_memory());
    promise_value_set(&x->body, r->body);
    x->stream = r->body_stream;
    x->stream_size = r->body_size;
    x->was_streamed = r->body_stream;
    return start(x, r);
}

/* ---- in one line ---- */

static promise_value_t check_status(promise_value_t response, void *method) {
    int status = promise_http_status(response);

    if (status < 400) return response;
    return promise_wrap(response, &promise_http_errors, status, "%s %s: %d %s", (const char *)method,
                        promise_http_url(response), status, promise__http_reason(status));
}

promise_t *promise_http_get(promise_loop_t *loop, const char *url) {
    const struct promise_http_request request = {.url = url};
    return promise_then(promise_http_client_request(promise_http_client_default(loop), &request), check_status, "GET");
}

promise_t *promise_http_post(promise_loop_t *loop, const char *url, promise_value_t body) {
    static const char *const form[] = {"Content-Type", "application/x-www-form-urlencoded", NULL};
    const struct promise_http_request request = {
        .method = "POST", .url = url, .body = body, .headers = promise_is(body, &promise_type_string) ? form : NULL};
    return promise_then(promise_http_client_request(promise_http_client_default(loop), &request), check_status, "POST");
}
