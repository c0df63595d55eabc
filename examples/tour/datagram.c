/* Datagrams: a server that answers each, and a client that asks again when no answer comes. */
#include "tour.h"

#include <promise/datagram.h>
#include <promise/timer.h>
#include <stdio.h>

/* region: serve */
static promise_value_t answer(promise_value_t datagram, void *udp) {
    const char *text = promise_as_bytes(promise_datagram_data(datagram), NULL);
    return promise_adopt(promise_udp_send(udp, promise_datagram_from(datagram), promise_stringf("%s back", text)));
}

static promise_t *server(promise_udp_t *udp) { return promise_each(promise_udp_received(udp, 1500), 1, answer, udp); }
/* end: serve */

/* region: ask */
static promise_value_t text_of(promise_value_t datagram, void *arg) {
    (void)arg;
    return promise_datagram_data(datagram); /* lent: the library makes its own reference */
}

static promise_value_t try_once(promise_value_t number, void *udp) {
    promise_t *sent = promise_udp_send(udp, NULL, promise_string("hello"));
    promise_t *received = promise_timeout(promise_udp_receive(udp, 1500), 5000);
    (void)number;
    return promise_adopt(promise_all_of(NULL, sent, received, NULL));
}

static promise_value_t second(promise_value_t both, void *arg) {
    (void)arg;
    return promise_list_get(both, 1);
}

static promise_t *ask(promise_loop_t *loop, promise_udp_t *udp) {
    promise_t *p = promise_retry(loop, NULL, try_once, udp); /* a datagram may be lost */
    return promise_then(promise_then(p, second, NULL), text_of, NULL);
}
/* end: ask */

static promise_value_t print(promise_value_t bytes, void *arg) {
    (void)arg;
    printf("answer: %s\n", promise_as_bytes(bytes, NULL));
    return promise_void();
}

static promise_t *talk(promise_loop_t *loop) {
    struct promise_address address;
    if (promise_address_parse(&address, "127.0.0.1", 0) < 0) return promise_from(loop, promise_void());
    promise_udp_t *there = promise_udp_new(loop, &address), *here = promise_udp_new(loop, NULL);
    promise_unref(server(there));
    if (promise_udp_address(there, &address) < 0 || promise_udp_connect(here, &address) < 0)
        return promise_from(loop, promise_udp_error(there));
    return promise_then(ask(loop, here), print, NULL);
}

int main(void) {
    static tour_fn *const parts[] = {talk};
    return tour(sizeof parts / sizeof *parts, parts);
}
