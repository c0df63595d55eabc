/* Connecting: a line there and back, and an error. */
#include "tour.h"

#include <errno.h>
#include <promise/connect.h>
#include <promise/listener.h>

static promise_listener_t *echo; /* what there is to connect to: each line comes back */
static struct promise_address address;

static promise_value_t back(promise_value_t line, void *stream) {
    return promise_adopt(promise_stream_write(stream, promise_stringf("%s\n", promise_as_string(line))));
}
static promise_value_t serve(promise_value_t v, void *arg) {
    promise_stream_t *s = promise_as_stream(v);
    (void)arg;
    return promise_adopt(promise_each(promise_stream_lines(s, 1000), 1, back, s));
}
static void listen_somewhere(promise_loop_t *loop) {
    echo = promise_listener_new(loop, "127.0.0.1", 0);
    promise_listener_address(echo, &address);
    promise_unref(promise_each(promise_listener_accepted(echo), 10, serve, NULL));
}

/* region: connect */
static promise_value_t connected(promise_value_t v, void *arg) {
    promise_stream_t *s = promise_stream_ref(promise_as_stream(v)); /* v itself goes when this function returns */
    (void)arg;
    promise_unref(promise_stream_write(s, promise_string("hello\n")));
    promise_t *p = promise_stream_read_line(s, 1000);
    return promise_adopt(promise_attach(p, s, promise_stream_unref));
}

static promise_t *ask(promise_loop_t *loop, const struct promise_address *server) {
    promise_t *p = promise_timeout(promise_connect_address(loop, server), 5000);
    return promise_then(p, connected, NULL);
}
/* end: connect */

static promise_t *talk(promise_loop_t *loop) {
    listen_somewhere(loop);
    return promise_then(ask(loop, &address), show, "answer");
}

/* region: refused */
static promise_value_t nobody_there(promise_value_t reason, void *arg) {
    (void)arg;
    if (!promise_error_is(reason, &promise_errno_errors, ENOENT)) return reason;
    return promise_string(promise_error_message(reason));
}

static promise_t *refused(promise_loop_t *loop) {
    promise_t *p = promise_connect_unix(loop, "/nonexistent/socket");
    return promise_then(promise_catch(p, nobody_there, NULL), show, "error");
}
/* end: refused */

int main(void) {
    static tour_fn *const parts[] = {talk, refused};
    return tour(sizeof parts / sizeof *parts, parts);
}
