/* Echo servers: on bufferevents as libevent's own examples do it, and on streams. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include <promise.h>

#include "net.h"

/* As a listener of the library does it. */
static void no_delay(evutil_socket_t fd) {
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* ---- raw ---- */

static void on_read(struct bufferevent *b, void *arg) {
    (void)arg;
    bufferevent_write_buffer(b, bufferevent_get_input(b));
}

static void on_event(struct bufferevent *b, short what, void *arg) {
    (void)what, (void)arg;
    bufferevent_free(b);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *address, int size, void *arg) {
    struct bufferevent *b = bufferevent_socket_new(evconnlistener_get_base(l), fd, BEV_OPT_CLOSE_ON_FREE);

    (void)address, (void)size, (void)arg;
    no_delay(fd);
    bufferevent_setcb(b, on_read, NULL, on_event, NULL);
    bufferevent_enable(b, EV_READ | EV_WRITE);
}

void net_echo_event(int fd) {
    struct event_base *base = event_base_new();
    struct evconnlistener *l = evconnlistener_new(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE, 0, fd);

    event_base_dispatch(base);
    evconnlistener_free(l);
    event_base_free(base);
}

/* ---- promises ---- */

static promise_fn echo_read, echo_write, hang_up;

static promise_value_t echo_read(promise_value_t v, void *s) {
    (void)v;
    return promise_adopt(promise_then(promise_stream_read(s, 65536), echo_write, s));
}

static promise_value_t echo_write(promise_value_t v, void *s) {
    if (promise_is_end(v)) return v;
    return promise_adopt(promise_then(promise_stream_write(s, v), echo_read, s));
}

static promise_value_t hang_up(promise_value_t v, void *s) {
    (void)v;
    promise_stream_unref(s);
    return promise_void();
}

static void on_accept_promise(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *address, int size, void *loop) {
    promise_stream_t *s = promise_stream_new(loop, (int)fd);

    (void)address, (void)size, (void)l;
    no_delay(fd);
    promise_unref(promise_then_catch(promise_try(loop, echo_read, s), hang_up, hang_up, s));
}

void net_echo_promise(int fd) {
    promise_loop_t *loop = promise_loop_new(NULL);
    struct evconnlistener *l =
        evconnlistener_new(promise_loop_base(loop), on_accept_promise, loop, LEV_OPT_CLOSE_ON_FREE, 0, fd);

    promise_loop_run(loop, NULL, NULL);
    evconnlistener_free(l);
    promise_loop_free(loop);
}
