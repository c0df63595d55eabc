/* Connecting by name: a greeting, a resolver of one's own, and telling a host that is not there from one that refuses. */
#include "tour.h"

#include <stdio.h>

static uint16_t port; /* of a server that greets whoever connects */

static promise_value_t greet(promise_value_t v, void *arg) {
    (void)arg;
    promise_unref(promise_stream_write(promise_as_stream(v), promise_string("welcome\n")));
    return promise_adopt(promise_stream_close(promise_as_stream(v))); /* when it is sent */
}
static void listen_somewhere(promise_loop_t *loop) {
    promise_listener_t *listener = promise_listener_new(loop, "127.0.0.1", 0);
    port = promise_listener_port(listener);
    promise_unref(promise_each(promise_listener_accepted(listener), 10, greet, NULL));
}

/* region: connect */
static promise_value_t read_greeting(promise_value_t v, void *arg) {
    promise_stream_t *s = promise_stream_ref(promise_as_stream(v)); /* v itself goes when this function returns */
    (void)arg;
    return promise_adopt(promise_attach(promise_stream_read_line(s, 1000), s, promise_stream_unref));
}

static promise_t *greeting(promise_loop_t *loop) {
    promise_t *p = promise_timeout(promise_connect(loop, "localhost", port), 10000);
    return promise_then(promise_then(p, read_greeting, NULL), show, "greeting");
}
/* end: connect */

static promise_t *talk(promise_loop_t *loop) {
    listen_somewhere(loop);
    return greeting(loop);
}

/* region: options */
static promise_value_t why(promise_value_t reason, void *arg) {
    (void)arg;
    if (promise_error_domain(reason) == &promise_dns_errors) printf("no address: %s\n", promise_error_message(reason));
    else printf("no connection: %s\n", promise_error_message(reason)); /* errno's, of the first attempt */
    return promise_void();
}

static promise_t *impatient(promise_loop_t *loop) {
    static const struct promise_dns_options nobody = {.no_system = true};
    struct promise_connect_options options = {.dns = promise_dns_new(loop, &nobody), .attempt_delay_ms = 100};
    return promise_catch(promise_connect_with(loop, "www.example", 80, &options), why, NULL);
}
/* end: options */

int main(void) {
    static tour_fn *const parts[] = {talk, impatient};
    return tour(sizeof parts / sizeof *parts, parts);
}
