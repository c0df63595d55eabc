/* The server: it accepts, knows its connections, and ends. */
#include "http_connection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include <promise/memory.h>

enum { ACCEPT_AGAIN_MS = 100, LINGER_MS = 2000 };

/* ---- own ---- */

static bool is_nomem(const promise_http_server_t *s) { return promise_source_nomem_loop(s) != NULL; }

static void server_free(promise_http_server_t *s) {
    promise__http_deadlines_free(&s->deadlines);
    if (s->again) event_free(s->again);
    if (s->deadline) event_free(s->deadline);
    promise_value_clear(&s->blank);
    promise_memory_free(s->name);
    promise_memory_free(s);
}

void promise__http_server_unref(promise_http_server_t *s) {
    if (--s->refs == 0) server_free(s);
}

static struct timeval of_ms(uint64_t ms) {
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

    return tv;
}

const char *promise__http_server_date(promise_http_server_t *s) {
    time_t now = time(NULL);

    if (now != s->date_time || !*s->date) promise__http_date(s->date, now);
    s->date_time = now;
    return s->date;
}

/* ---- reports ---- */

static void print_report(promise_value_t request, promise_value_t reason) {
    const char *where = promise_error_where(reason);
    char text[256];

    promise_print(request, text, sizeof text);
    fprintf(stderr, "libpromise: http server: %s: %s %d: %s%s%s%s\n", text, promise_error_domain(reason)->name,
            promise_error_code(reason), promise_error_message(reason), where ? " (" : "", where ? where : "", where ? ")" : "");
}

void promise__http_server_report(promise_http_server_t *s, promise_value_t request, promise_value_t reason) {
    if (s->options.report) s->options.report(request, reason, s->options.report_arg);
    else print_report(request, reason);
}

/* ---- accepting ---- */

static void accept_next(promise_http_server_t *s);

/* Gives the promise back; false when the server was closed meanwhile, and is gone now, perhaps. */
static bool accepting_is_over(promise_http_server_t *s) {
    bool open = !s->closed;

    promise_unref(s->accepting);
    s->accepting = NULL;
    promise__http_server_unref(s);
    return open;
}

static promise_value_t accepted(promise_value_t v, void *arg) {
    promise_http_server_t *s = arg;

    if (!accepting_is_over(s)) return promise_void();
    s->refs++;
    if (!s->stopping) (void)promise__http_connection_new(s, promise_stream_ref(promise_as_stream(v)));
    if (!s->closed) accept_next(s);
    promise__http_server_unref(s);
    return promise_void();
}

static void accept_later(promise_http_server_t *s) {
    struct timeval soon = of_ms(ACCEPT_AGAIN_MS);

    event_add(s->again, &soon);
}

/* Out of memory, perhaps. A listener that is closed, or never was one, will not do better later. */
static promise_value_t not_accepted(promise_value_t reason, void *arg) {
    promise_http_server_t *s = arg;

    if (!accepting_is_over(s) || promise_is_canceled(reason) || promise_error_is(reason, &promise_errors, PROMISE_ECLOSED))
        return promise_void();
    if (promise_listener_fd(s->listener) >= 0) accept_later(s);
    return promise_void();
}

static void accept_next(promise_http_server_t *s) {
    promise_t *p;
    bool ends;

    if (s->accepting || s->stopping || s->closed || s->count >= s->options.max_connections) return;
    p = promise_listener_accept(s->listener);
    ends = promise_get_state(p) == PROMISE_REJECTED && promise_is_canceled(promise_peek(p)); /* the loop: J5 */
    p = promise_then_catch(p, accepted, not_accepted, s);
    if (ends) promise_unref(p);
    else if (promise_get_state(p) == PROMISE_PENDING) {
        s->accepting = p;
        s->refs++;
    } else {
        promise_unref(p);
        accept_later(s);
    }
}

static void accept_again(evutil_socket_t fd, short what, void *arg) {
    promise_http_server_t *s = arg;
    promise_loop_t *loop = s->loop;

    (void)fd, (void)what;
    promise_source_enter(loop);
    accept_next(s);
    promise_source_leave(loop);
}

/* ---- deadlines ---- */

static void look_at_deadlines(evutil_socket_t fd, short what, void *arg) {
    promise_http_server_t *s = arg;
    promise_loop_t *loop = s->loop;

    (void)fd, (void)what;
    promise_source_enter(loop);
    s->refs++;
    promise__http_deadlines_due(&s->deadlines, promise__http_connection_expired);
    promise__http_server_unref(s);
    promise_source_leave(loop);
}

static int init_deadlines(promise_http_server_t *s) {
    const struct promise_http_server_options *o = &s->options;
    uint64_t tick =
        o->body_ms == UINT64_MAX ? UINT64_MAX : o->body_ms / 4 + 1; /* four of them, and one that had begun before */
    const uint64_t ms[HTTP_WAITS] = {[HTTP_WAIT_IDLE] = o->idle_ms,
                                     [HTTP_WAIT_HEAD] = o->header_ms,
                                     [HTTP_WAIT_BODY] = tick,
                                     [HTTP_WAIT_LEAVE] = o->half_close_ms,
                                     [HTTP_WAIT_LINGER] = LINGER_MS};

    return promise__http_deadlines_init(&s->deadlines, s->loop, ms, look_at_deadlines, s);
}

/* ---- the graceful end ---- */

struct http_stop { /* who waits for it */
    struct http_stop *next, **link;
    promise_http_server_t *server; /* a reference of ours */
    promise_resolver_t *resolver;
};

static promise_resolver_t *stop_take(struct http_stop *stop) {
    promise_resolver_t *resolver = stop->resolver;

    *stop->link = stop->next;
    if (stop->next) stop->next->link = stop->link;
    promise__http_server_unref(stop->server);
    promise_memory_free(stop);
    return resolver;
}

static void stop_canceled(void *arg) { promise_abandon(stop_take(arg)); }

static void settle_stops(promise_http_server_t *s) {
    s->refs++;
    while (s->stops) promise_resolve(stop_take(s->stops), promise_int(s->aborted));
    promise__http_server_unref(s);
}

void promise__http_server_left(promise_http_server_t *s) {
    if (s->closed) return;
    if (s->stopping && !s->count) {
        event_del(s->deadline);
        settle_stops(s);
    } else accept_next(s);
}

/* One by one, from the start: what is cancelled may end others. The server stays, held by the caller. */
static void abort_all(promise_http_server_t *s) {
    while (s->connections) {
        s->aborted++;
        promise__http_connection_end(s->connections);
    }
}

static void deadline_passed(evutil_socket_t fd, short what, void *arg) {
    promise_http_server_t *s = arg;
    promise_loop_t *loop = s->loop;

    (void)fd, (void)what;
    promise_source_enter(loop);
    s->refs++;
    abort_all(s);
    promise__http_server_unref(s);
    promise_source_leave(loop);
}

static void close_idle(promise_http_server_t *s) {
    struct http_connection *next;

    for (struct http_connection *c = s->connections; c; c = next) {
        next = c->next;
        if (!promise__http_connection_is_idle(c)) continue;
        c->refs++;
        promise__http_connection_close(c, false);
        next = c->state == HTTP_CLOSED ? s->connections : c->next; /* it may have taken others along */
        promise__http_connection_unref(c);
    }
}

static void stop_accepting(promise_http_server_t *s) {
    promise_t *accepting = s->accepting;

    s->stopping = true;
    event_del(s->again);
    if (accepting) promise_cancel(promise_ref(accepting));
    promise__http_ignore(promise_listener_stop(s->listener, UINT64_MAX));
}

promise_t *promise_http_server_stop(promise_http_server_t *s, uint64_t timeout_ms) {
    struct http_stop *stop;
    struct timeval tv;
    promise_t *p;

    if (!s || is_nomem(s)) return promise_from(promise_source_nomem_loop(s), promise_out_of_memory());
    stop = promise_memory_alloc(sizeof *stop);
    if (!stop) return promise_from(s->loop, promise_out_of_memory());
    *stop = (struct http_stop){.next = s->stops, .link = &s->stops, .server = s};
    p = promise_new(s->loop, &stop->resolver);
    promise_on_cancel(stop->resolver, stop_canceled, stop);
    if (s->stops) s->stops->link = &stop->next;
    s->stops = stop;
    s->refs += 2; /* one is the stop's */
    if (!s->stopping) stop_accepting(s);
    close_idle(s);
    if (!timeout_ms) abort_all(s);
    if (!s->count) settle_stops(s);
    else if (timeout_ms != UINT64_MAX) {
        tv = of_ms(timeout_ms < INT32_MAX ? timeout_ms : INT32_MAX);
        event_add(s->deadline, &tv);
    }
    promise__http_server_unref(s);
    return p;
}

/* ---- close ---- */

static void server_close(promise_http_server_t *s) {
    if (s->closed) return;
    s->closed = true;
    promise_source_remove(&s->source);
    event_del(s->again);
    event_del(s->deadline);
    if (s->accepting) promise_cancel(promise_ref(s->accepting));
    abort_all(s);
    promise_listener_close(s->listener);
    s->listener = NULL;
    promise__http_deadlines_free(&s->deadlines);
    while (s->stops)
        promise_reject(stop_take(s->stops), promise_throw(&promise_errors, PROMISE_ECLOSED, "the server was closed"));
    promise__http_server_unref(s);
}

void promise_http_server_close(void *s) {
    if (s && !is_nomem(s)) server_close(s);
}

static void loop_gone(struct promise_source *source) { server_close((promise_http_server_t *)source); /* the first field */ }

/* ---- make ---- */

#define DEFAULT(field, value)                                                                                                  \
    if (!o->field) o->field = (value)

static void set_options(struct promise_http_server_options *o, const struct promise_http_server_options *given) {
    if (given) *o = *given;
    DEFAULT(max_connections, 10000);
    DEFAULT(max_header, 64 << 10);
    DEFAULT(max_body, 16 << 20);
    DEFAULT(header_ms, 30000);
    DEFAULT(body_ms, 60000);
    DEFAULT(idle_ms, 75000);
    DEFAULT(half_close_ms, 1000);
    if (!o->name) o->name = "libpromise/" PACKAGE_VERSION;
}

/* "Server: name\r\n"; what cannot stand there does not. */
static char *name_line(const char *name) {
    size_t size = sizeof "Server: \r\n" + strlen(name);
    char *line = promise_memory_alloc(size);

    if (!line) return NULL;
    if (*name && promise__http_is_value(name, strlen(name))) snprintf(line, size, "Server: %s\r\n", name);
    else *line = '\0';
    return line;
}

/* NULL when out of memory. */
static promise_http_server_t *server_new(promise_loop_t *loop, promise_fn *handler, void *arg,
                                         const struct promise_http_server_options *options) {
    promise_http_server_t *s = promise_memory_alloc(sizeof *s);
    struct event_base *base = promise_loop_base(loop);

    if (!s) return NULL;
    *s = (promise_http_server_t){.loop = loop, .handler = handler, .arg = arg, .refs = 1};
    set_options(&s->options, options);
    s->name = name_line(s->options.name);
    s->options.name = NULL; /* was the caller's */
    promise_value_set(&s->blank, promise_string("\r\n\r\n"));
    s->again = evtimer_new(base, accept_again, s);
    s->deadline = evtimer_new(base, deadline_passed, s);
    if (s->name && !promise_is_rejection(s->blank) && s->again && s->deadline && init_deadlines(s) == 0) return s;
    server_free(s);
    return NULL;
}

promise_http_server_t *promise_http_server_on(promise_listener_t *listener, promise_fn *handler, void *arg,
                                              const struct promise_http_server_options *options) {
    promise_loop_t *loop = promise_source_nomem_loop(listener);
    promise_http_server_t *s;
    promise_t *first;

    if (loop) return promise_source_nomem(loop);
    first = promise_listener_accept(listener); /* tells the loop */
    loop = promise_loop_of(first);
    promise_cancel(first);
    s = server_new(loop, handler, arg, options);
    if (!s || promise_source_add(loop, &s->source, loop_gone) < 0) {
        promise_listener_close(listener);
        if (s) server_free(s);
        return promise_source_nomem(loop);
    }
    s->listener = listener;
    accept_next(s);
    return s;
}

promise_http_server_t *promise_http_server_new(promise_loop_t *loop, const char *host, uint16_t port, promise_fn *handler,
                                               void *arg, const struct promise_http_server_options *options) {
    return promise_http_server_on(promise_listener_new(loop, host, port), handler, arg, options);
}

/* ---- query ---- */

promise_listener_t *promise_http_server_listener(const promise_http_server_t *s) { return is_nomem(s) ? NULL : s->listener; }
size_t promise_http_server_connections(const promise_http_server_t *s) { return is_nomem(s) ? 0 : s->count; }
