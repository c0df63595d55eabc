/* Loops on several threads: work for them, a server on all of them, connections handed over to them. */
#include "tour.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOOPS = 3 };

/* region: work */
static promise_value_t sum_to(promise_value_t v, void *arg) { /* on one of their threads; arg is always NULL */
    int64_t n = promise_as_int(v), sum = 0;
    (void)arg;
    for (int64_t i = 1; i <= n; i++) sum += i;
    return promise_int(sum);
}

static promise_value_t whoami(promise_value_t loops, void *arg) {
    (void)arg;
    return promise_int((int64_t)promise_loops_here(promise_as_pointer(loops)));
}

static promise_t *give_work(promise_loop_t *loop, promise_loops_t *loops) {
    promise_t *ps[4];
    for (int i = 0; i < 4; i++) ps[i] = promise_loops_run(loop, loops, sum_to, promise_int(1000 * i));
    promise_t *sums = promise_then(promise_all(loop, 4, ps), show, "sums");
    promise_t *each = promise_then(promise_loops_all(loop, loops, whoami, promise_pointer(loops)), show, "each");
    return promise_all_of(loop, sums, each, NULL);
}
/* end: work */

/* region: stop */
static promise_value_t stop_loops(promise_value_t v, void *loops) {
    (void)v;
    return promise_adopt(promise_loops_stop(NULL, loops, 5000)); /* what is under way has five seconds */
}

static promise_t *work(promise_loop_t *loop) {
    promise_loops_t *loops = promise_loops_new(&(struct promise_loops_options){.threads = LOOPS, .name = "worker"});
    promise_t *p = promise_finally(give_work(loop, loops), stop_loops, loops);
    return promise_attach(p, loops, promise_loops_free);
}
/* end: stop */

static promise_value_t ignore(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

/* region: serve */
struct server { /* for all threads: each changes what is its own */
    uint16_t port;
    struct per_loop {
        promise_listener_t *listener;
        atomic_int served;
    } loops[LOOPS];
};

static promise_value_t greet(promise_value_t connection, void *arg) {
    struct per_loop *mine = arg;
    promise_stream_t *s = promise_as_stream(connection);
    atomic_fetch_add(&mine->served, 1);
    promise_unref(promise_stream_write(s, promise_string("hello\n")));
    promise_t *p = promise_stream_close(s);               /* when all is sent, or could not be */
    return promise_adopt(promise_catch(p, ignore, NULL)); /* one client's trouble is not the others' */
}

/* init: runs on each loop. The kernel spreads the connections over all listeners of the port. */
static promise_value_t serve(promise_value_t number, void *arg) {
    struct server *s = arg;
    struct per_loop *mine = &s->loops[promise_as_int(number)];
    struct promise_address address;
    const struct promise_listener_options share = {.reuse_port = true};
    if (promise_address_parse(&address, "127.0.0.1", s->port) < 0) return promise_throw_errno(EINVAL, "address");
    mine->listener = promise_listener_new_with(NULL, &address, &share);
    if (promise_is_rejection(promise_listener_error(mine->listener))) return promise_listener_error(mine->listener);
    promise_unref(promise_each(promise_listener_accepted(mine->listener), 1000, greet, mine)); /* until it is stopped */
    return promise_void();
}

/* stop: no new connections; those that are open have a second. */
static promise_value_t stop_serving(promise_value_t number, void *arg) {
    struct server *s = arg;
    return promise_adopt(promise_listener_stop(s->loops[promise_as_int(number)].listener, 1000));
}

static promise_loops_t *start_server(struct server *s) {
    return promise_loops_new(&(struct promise_loops_options){.threads = LOOPS, .init = serve, .stop = stop_serving, .arg = s});
}
/* end: serve */

/* A client that connects until each loop has served somebody, which the kernel's choice may take a while for. */
struct client {
    promise_loop_t *loop;
    struct server server;
    struct promise_address address;
    promise_listener_t *placeholder; /* has found a free port, and holds it until the others listen */
    promise_loops_t *loops;
    int connections;
};

static promise_value_t read_all(promise_value_t connection, void *arg) {
    promise_stream_t *s = promise_as_stream(connection);
    promise_t *p = promise_stream_read_line(s, 100);
    (void)arg;
    return promise_adopt(promise_attach(p, promise_stream_ref(s), promise_stream_unref));
}

static promise_value_t connect_once(promise_value_t v, void *arg) {
    struct client *c = arg;
    int served = 0;
    (void)v;
    for (int i = 0; i < LOOPS; i++) served += atomic_load(&c->server.loops[i].served) > 0;
    if (served == LOOPS || c->connections++ == 10000) {
        printf("serve: %d loops have served\n", served);
        return promise_end();
    }
    return promise_adopt(promise_then(promise_connect_address(c->loop, &c->address), read_all, NULL));
}

static promise_value_t all_listen(promise_value_t v, void *arg) {
    struct client *c = arg;
    (void)v;
    promise_listener_close(c->placeholder);
    c->placeholder = NULL;
    return promise_adopt(promise_repeat(c->loop, connect_once, c));
}

static void free_client(void *arg) {
    struct client *c = arg;
    promise_loops_free(c->loops);
    promise_listener_close(c->placeholder);
    free(c);
}

static promise_t *on_all_loops(promise_loop_t *loop) {
    const struct promise_listener_options share = {.reuse_port = true};
    struct client *c = calloc(1, sizeof *c);
    if (!c) return promise_from(loop, promise_throw_errno(ENOMEM, "client"));
    c->loop = loop;
    promise_address_parse(&c->address, "127.0.0.1", 0);
    c->placeholder = promise_listener_new_with(loop, &c->address, &share);
    c->server.port = promise_listener_port(c->placeholder);
    promise_address_set_port(&c->address, c->server.port);
    c->loops = start_server(&c->server);
    promise_t *p = promise_then(promise_loops_ready(loop, c->loops), all_listen, c);
    return promise_attach(promise_finally(p, stop_loops, c->loops), c, free_client);
}

/* region: hand */
struct handed { /* a descriptor on its way: closed where it is lost */
    int fd;
};
static void free_handed(void *arg) {
    struct handed *h = arg;
    if (h->fd >= 0) close(h->fd);
    free(h);
}

/* On the other loop. */
static promise_value_t greet_there(promise_value_t v, void *arg) {
    struct handed *h = promise_as_box(v);
    promise_stream_t *s = promise_stream_new(NULL, h->fd); /* takes the descriptor over */
    (void)arg;
    h->fd = -1;
    promise_unref(promise_stream_write(s, promise_string("hello from another thread\n")));
    promise_t *p = promise_stream_close(s);
    return promise_adopt(promise_attach(p, s, promise_stream_unref));
}

/* A stream belongs to its loop; its descriptor does not. */
static promise_value_t hand_over(promise_value_t connection, void *loops) {
    promise_stream_t *s = promise_as_stream(connection);
    struct handed *h = malloc(sizeof *h);
    if (!h) return promise_throw_errno(ENOMEM, "connection");
    h->fd = fcntl(promise_stream_fd(s), F_DUPFD_CLOEXEC, 0); /* nobody has read from it yet; a stream of -1 rejects */
    promise_stream_abort(s);
    promise_t *p = promise_loops_run(NULL, loops, greet_there, promise_box(h, free_handed));
    return promise_adopt(promise_catch(p, ignore, NULL)); /* one client's trouble is not the others' */
}
/* end: hand */

static promise_t *from_one_listener(promise_loop_t *loop) {
    promise_listener_t *listener = promise_listener_new(loop, "127.0.0.1", 0);
    struct promise_address address;
    if (promise_listener_address(listener, &address) < 0) return promise_from(loop, promise_listener_error(listener));
    promise_loops_t *loops = promise_loops_new(&(struct promise_loops_options){.threads = LOOPS});
    promise_t *server = promise_then(promise_listener_accept(listener), hand_over, loops);
    promise_t *client = promise_then(promise_connect_address(loop, &address), read_all, NULL);
    promise_t *p = promise_all_of(loop, promise_then(client, show, "hand"), server, NULL);
    p = promise_attach(p, listener, promise_listener_close);
    return promise_attach(promise_finally(p, stop_loops, loops), loops, promise_loops_free);
}

int main(void) {
    static tour_fn *const parts[] = {work, on_all_loops, from_one_listener};
    return tour(sizeof parts / sizeof *parts, parts);
}
