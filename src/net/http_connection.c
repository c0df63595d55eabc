/*
 * A connection of the server: what waits, until when, and how it ends.
 *
 * It is counted: one reference as long as it is open, one for each promise under way, whose handlers get it as their
 * argument, and one for each request, which may outlive it.
 */
#include "http_connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include <promise/memory.h>

enum {
    LINGER_BYTES = 4 << 20, /* what a client may still send after our last answer */
    LINGER_PIECE = 64 << 10,
    STRIKES = 4 /* so many ticks of HTTP_WAIT_BODY without a byte are the end: see http_server.c */
};

/* ---- promises ---- */

static promise_value_t ignore(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

static bool is_refused(const promise_t *p) {
    return promise_get_state(p) == PROMISE_REJECTED && promise_is_canceled(promise_peek(p));
}

bool promise__http_loop_ends(promise_loop_t *loop) {
    promise_t *p = promise_try(loop, ignore, NULL);
    bool ends = is_refused(p);

    promise_unref(p);
    return ends;
}

/* J5: what the loop refuses when it is being freed was cancelled, and handlers of it are not called. Nor are they when the
 * memory for them was not there. */
bool promise__http_await(struct http_connection *c, promise_t **slot, promise_t *p, promise_fn *fulfilled,
                         promise_fn *rejected) {
    bool refused = is_refused(p);

    p = promise_then_catch(p, fulfilled, rejected, c);
    if (!refused && promise_get_state(p) == PROMISE_PENDING) {
        c->refs++;
        *slot = p;
        return true;
    }
    promise_unref(p);
    promise__http_connection_end(c);
    return false;
}

bool promise__http_arrived(struct http_connection *c, promise_t **slot, enum http_state state) {
    if (c->state == HTTP_CLOSED) {
        if (slot == &c->working) promise_value_clear(&c->request); /* nobody uses it any more */
        promise__http_connection_unref(c);
        return false;
    }
    c->refs--; /* never the last */
    if (c->state != state && state != HTTP_ANY) return false;
    promise_unref(*slot);
    *slot = NULL;
    return true;
}

void promise__http_forget(struct http_connection *c, promise_t **slot) {
    promise_t *p = *slot;

    (void)c;
    *slot = NULL;
    promise_cancel(p);
}

void promise__http_ignore(promise_t *p) { promise_unref(promise_catch(p, ignore, NULL)); }

/* ---- what comes into the stream, whoever reads it ---- */

static void see_bytes(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg) {
    struct http_connection *c = arg;

    (void)input;
    if (c->state != HTTP_DRAINING && c->state != HTTP_LINGERING) c->taken += info->n_deleted;
    if (!info->n_added) return;
    c->strikes = 0;
    if (c->deadline.wait == HTTP_WAIT_IDLE) promise__http_connection_wait(c, HTTP_WAIT_HEAD);
}

static struct evbuffer *input_of(const struct http_connection *c) {
    struct bufferevent *bufferevent = promise_stream_bufferevent(c->stream);

    return bufferevent ? bufferevent_get_input(bufferevent) : NULL;
}

static void watch_input(struct http_connection *c) {
    struct evbuffer *input = input_of(c);

    c->watch = input ? evbuffer_add_cb(input, see_bytes, c) : NULL;
}

static void unwatch_input(struct http_connection *c) {
    struct evbuffer *input = input_of(c);

    if (input && c->watch) evbuffer_remove_cb_entry(input, c->watch); /* else they went together */
    c->watch = NULL;
}

/* ---- make and free ---- */

static void begin(struct http_connection *c) {
    watch_input(c);
    promise__http_next_request(c);
}

static promise_value_t secured(promise_value_t v, void *arg) {
    struct http_connection *c = arg;

    if (!promise__http_arrived(c, &c->working, HTTP_SECURING)) return promise_void();
    promise_stream_unref(c->stream);
    c->stream = promise_stream_ref(promise_as_stream(v));
    begin(c);
    return promise_void();
}

/* A client that does not trust us, or speaks something else: nobody here needs to know. */
static promise_value_t not_secured(promise_value_t v, void *arg) {
    struct http_connection *c = arg;

    (void)v;
    if (promise__http_arrived(c, &c->working, HTTP_SECURING)) promise__http_connection_end(c);
    return promise_void();
}

static void secure(struct http_connection *c) {
    const struct promise_http_server_options *options = &c->server->options;

    promise__http_connection_wait(c, HTTP_WAIT_HEAD);
    if (promise__http_loop_ends(c->server->loop)) promise__http_connection_end(c);
    else
        promise__http_await(c, &c->working, options->secure(promise_stream_ref(c->stream), NULL, options->secure_arg), secured,
                            not_secured);
}

struct http_connection *promise__http_connection_new(promise_http_server_t *server, promise_stream_t *stream) {
    struct http_connection *c = promise_memory_alloc(sizeof *c);

    if (!c) {
        promise_stream_unref(stream);
        return NULL;
    }
    *c = (struct http_connection){.server = server, .stream = stream, .refs = 1, .state = HTTP_SECURING};
    server->refs++;
    server->count++;
    c->next = server->connections;
    c->link = &server->connections;
    if (c->next) c->next->link = &c->next;
    server->connections = c;
    if (server->options.secure) secure(c);
    else begin(c);
    return c;
}

void promise__http_connection_unref(struct http_connection *c) {
    if (--c->refs) return;
    promise_value_clear(&c->head);
    promise_stream_unref(c->stream);
    promise__http_server_unref(c->server);
    promise_memory_free(c->peer);
    promise_memory_free(c);
}

bool promise__http_connection_is_idle(const struct http_connection *c) {
    return c->state == HTTP_IDLE && !promise_stream_readable(c->stream);
}

/* ---- the end ---- */

void promise__http_connection_end(struct http_connection *c) {
    promise_http_server_t *server = c->server;
    promise_t *reading = c->reading, *working = c->working;

    if (c->state == HTTP_CLOSED) return;
    c->state = HTTP_CLOSED;
    promise__http_connection_wait(c, HTTP_WAIT_NONE);
    unwatch_input(c);
    *c->link = c->next;
    if (c->next) c->next->link = c->link;
    server->count--;
    c->reading = c->working = NULL;
    promise_stream_abort(c->stream);
    if (!working) promise_value_clear(&c->request); /* else when that has settled */
    promise_cancel(reading);
    promise_cancel(working);
    promise__http_server_left(server);
    promise__http_connection_unref(c);
}

static promise_value_t closed(promise_value_t v, void *arg) {
    struct http_connection *c = arg;

    (void)v;
    if (promise__http_arrived(c, &c->working, HTTP_CLOSING)) promise__http_connection_end(c);
    return promise_void();
}

/* Who closes while bytes are still coming in resets the connection: then our last answer may never be read. So we say
 * that it was the last one, and wait for the client to leave. */
static promise_value_t lingered(promise_value_t v, void *arg);

static void linger(struct http_connection *c) {
    promise__http_await(c, &c->working, promise_stream_read(c->stream, LINGER_PIECE), lingered, lingered);
}

static promise_value_t lingered(promise_value_t v, void *arg) {
    struct http_connection *c = arg;
    size_t size = 0;

    if (!promise__http_arrived(c, &c->working, HTTP_LINGERING)) return promise_void();
    if (promise_is(v, &promise_type_bytes)) promise_as_bytes(v, &size);
    c->taken += size;
    if (!promise_is(v, &promise_type_bytes) || c->taken > LINGER_BYTES) promise__http_connection_end(c);
    else linger(c);
    return promise_void();
}

void promise__http_connection_close(struct http_connection *c, bool wait) {
    promise__http_forget(c, &c->working);
    promise__http_forget(c, &c->reading);
    c->strikes = 0;
    c->unsent = promise_stream_unsent(c->stream);
    if (wait || promise_stream_readable(c->stream)) {
        c->state = HTTP_LINGERING;
        c->taken = 0;
        promise__http_connection_wait(c, HTTP_WAIT_LINGER);
        promise__http_ignore(promise_stream_shutdown(c->stream));
        linger(c);
        return;
    }
    c->state = HTTP_CLOSING;
    promise__http_connection_wait(c, HTTP_WAIT_BODY);
    promise__http_await(c, &c->working, promise_stream_close(c->stream), closed, closed);
}

/* ---- deadlines ---- */

/* What the kernel knows of the connection, while nobody reads from it. */
bool promise__http_connection_is_broken(const struct http_connection *c) {
    struct pollfd poller = {.fd = promise_stream_fd(c->stream)};

    return poller.fd < 0 || (poll(&poller, 1, 0) == 1 && poller.revents & (POLLHUP | POLLERR | POLLNVAL));
}

/* A tick: did anything move? see_bytes() takes the strikes back where bytes are to come. */
static bool is_stuck(struct http_connection *c) {
    size_t unsent = promise_stream_unsent(c->stream);
    bool sends = c->state == HTTP_SENDING || c->state == HTTP_CLOSING;

    if (sends && (!unsent || unsent != c->unsent)) c->strikes = 0; /* none unsent: it is the handler that takes its time */
    else if (c->state == HTTP_HANDLING && promise_stream_readable(c->stream)) c->strikes = 0; /* here too */
    else c->strikes++;
    c->unsent = unsent;
    return c->strikes >= STRIKES || promise__http_connection_is_broken(c);
}

void promise__http_connection_expired(struct http_deadline *deadline, enum http_wait wait) {
    struct http_connection *c = (struct http_connection *)deadline;

    if (wait == HTTP_WAIT_BODY && !is_stuck(c)) promise__http_connection_wait(c, HTTP_WAIT_BODY);
    else if (wait == HTTP_WAIT_BODY && c->state == HTTP_RECEIVING) promise__http_reply_error(c, 408, "the body did not come");
    else if (wait == HTTP_WAIT_HEAD && c->state == HTTP_IDLE) promise__http_reply_error(c, 408, "the request did not come");
    else if (wait == HTTP_WAIT_IDLE) promise__http_connection_close(c, false);
    else promise__http_connection_end(c);
}
