/* A server: it says each line in return, and ends when all who are connected have had their say. */
#include "tour.h"

#include <promise/connect.h>
#include <promise/listener.h>
#include <stdio.h>

/* region: serve */
static promise_value_t answer(promise_value_t line, void *stream) {
    promise_value_t reply = promise_stringf("you said: %s\n", promise_as_string(line));
    return promise_adopt(promise_stream_write(stream, reply));
}

static promise_value_t serve(promise_value_t connection, void *arg) {
    promise_stream_t *s = promise_as_stream(connection); /* it lives until the promise below has settled */
    (void)arg;
    return promise_adopt(promise_each(promise_stream_lines(s, 1000), 1, answer, s));
}

static promise_value_t failed(promise_value_t reason, void *arg) {
    (void)reason, (void)arg;
    return promise_void(); /* of one client: the others go on */
}

static promise_value_t serve_safely(promise_value_t connection, void *arg) {
    promise_t *p = promise_then(promise_from(NULL, connection), serve, arg);
    return promise_adopt(promise_catch(p, failed, NULL));
}

static promise_t *server(promise_listener_t *listener) {
    return promise_each(promise_listener_accepted(listener), 1000, serve_safely, NULL); /* at most 1000 at a time */
}
/* end: serve */

static promise_value_t close_client(promise_value_t v, void *stream) {
    (void)v;
    return promise_adopt(promise_stream_close(stream));
}
static promise_value_t say(promise_value_t v, void *arg) {
    promise_stream_t *s = promise_stream_ref(promise_as_stream(v));
    (void)arg;
    promise_unref(promise_stream_write(s, promise_string("hello\n")));
    promise_t *p = promise_then(promise_stream_read_line(s, 1000), show, "client");
    return promise_adopt(promise_attach(promise_finally(p, close_client, s), s, promise_stream_unref));
}

/* region: stop */
static promise_value_t stop(promise_value_t v, void *listener) {
    (void)v;
    return promise_adopt(promise_then(promise_listener_stop(listener, 10000), show, "aborted"));
}
/* end: stop */

static promise_t *serve_one(promise_loop_t *loop) {
    struct promise_address address;
    promise_listener_t *listener = promise_listener_new(loop, "127.0.0.1", 0);
    if (promise_listener_address(listener, &address) < 0) return promise_from(loop, promise_listener_error(listener));
    promise_unref(server(listener));
    promise_t *p = promise_then(promise_connect_address(loop, &address), say, NULL);
    return promise_attach(promise_finally(p, stop, listener), listener, promise_listener_close);
}

/* region: error */
static promise_value_t why(promise_value_t reason, void *arg) {
    (void)arg;
    printf("error: %s\n", promise_error_message(reason)); /* so does promise_listener_error() */
    return promise_void();
}

static promise_t *in_vain(promise_loop_t *loop) {
    promise_listener_t *listener = promise_listener_new(loop, "192.0.2.1", 7000); /* not an address of ours */
    promise_t *p = promise_catch(promise_listener_accept(listener), why, NULL);
    return promise_attach(p, listener, promise_listener_close);
}
/* end: error */

int main(void) {
    static tour_fn *const parts[] = {serve_one, in_vain};
    return tour(sizeof parts / sizeof *parts, parts);
}
