/*
 * A TCP proxy.
 *
 *     proxy PORT TARGET-HOST TARGET-PORT [IDLE-SECONDS [CONNECTIONS]]
 *
 * Listens on 127.0.0.1, connects each client to the target, and copies both ways, each at the pace of the slower side; the
 * end of one direction is carried over, and the other goes on. SIGINT or SIGTERM: it takes no more, lets those that are there
 * finish, and ends.
 */
#include <errno.h>
#include <promise.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONNECT_MS = 10000, CLOSE_MS = 5000, STOP_MS = 10000 };

struct proxy {
    const char *host; /* the target */
    uint16_t port;
    uint64_t idle_ms;
};

struct way { /* one direction of a connection */
    struct connection *connection;
    promise_stream_t *from, *to;
};

struct connection {
    const struct proxy *proxy;
    promise_stream_t *client, *target; /* target: NULL as long as it is not connected */
    struct way there, back;
    uint64_t active; /* when something came last, from either side */
    char name[PROMISE_ADDRESS_TEXT];
};

static promise_fn connected, forward, carry_end_over, wait_for_idle, report, hang_up;

static void connection_free(void *arg) {
    promise_stream_unref(((struct connection *)arg)->target);
    free(arg);
}

static promise_value_t handle(promise_value_t v, void *proxy) { /* the client is in v, which lives until the promise settles */
    struct connection *c = calloc(1, sizeof *c);
    struct promise_address peer;
    if (!c) return promise_throw_errno(ENOMEM, "a connection");
    *c = (struct connection){.proxy = proxy, .client = promise_as_stream(v)};
    if (promise_address_peer(&peer, promise_stream_fd(c->client)) == 0) promise_address_print(&peer, c->name, sizeof c->name);
    promise_t *p = promise_timeout(promise_connect(NULL, c->proxy->host, c->proxy->port), CONNECT_MS);
    p = promise_then(p, connected, c);
    p = promise_catch(p, report, c);
    p = promise_finally(p, hang_up, c);
    return promise_adopt(promise_attach(p, c, connection_free));
}

static promise_t *copy(struct way *way) {
    promise_t *p = promise_each(promise_stream_chunks(way->from, 65536), 1, forward, way);
    return promise_then(p, carry_end_over, way);
}

static promise_value_t connected(promise_value_t target, void *arg) {
    struct connection *c = arg;
    c->target = promise_stream_ref(promise_as_stream(target));
    c->there = (struct way){c, c->client, c->target};
    c->back = (struct way){c, c->target, c->client};
    c->active = promise_now(NULL);
    promise_t *both = promise_all_of(NULL, copy(&c->there), copy(&c->back), NULL); /* an error of one ends the other */
    return promise_adopt(promise_race_of(NULL, both, promise_repeat(NULL, wait_for_idle, c), NULL));
}

static promise_value_t forward(promise_value_t chunk, void *arg) {
    struct way *way = arg;
    way->connection->active = promise_now(NULL);
    return promise_adopt(promise_stream_write(way->to, chunk)); /* the next one is read when there is room for it */
}

static promise_value_t carry_end_over(promise_value_t v, void *way) {
    (void)v;
    return promise_adopt(promise_stream_shutdown(((struct way *)way)->to));
}

static promise_value_t wait_for_idle(promise_value_t v, void *arg) {
    struct connection *c = arg;
    uint64_t until = c->active + c->proxy->idle_ms;
    (void)v;
    if (promise_now(NULL) < until) return promise_adopt(promise_sleep_until(NULL, until));
    return promise_throw(&promise_errors, PROMISE_ETIMEDOUT, "idle for %u ms", (unsigned)c->proxy->idle_ms);
}

static promise_value_t report(promise_value_t reason, void *arg) {
    fprintf(stderr, "%s: %s\n", ((struct connection *)arg)->name, promise_error_message(reason));
    return promise_void();
}

static promise_value_t hang_up(promise_value_t v, void *arg) { /* what came is still sent, if the peers take it */
    struct connection *c = arg;
    promise_t *ends[] = {promise_stream_close(c->client), c->target ? promise_stream_close(c->target) : promise_from(NULL, v)};
    return promise_adopt(promise_then_catch(promise_timeout(promise_all_settled(NULL, 2, ends), CLOSE_MS), NULL, report, c));
}

static promise_value_t stop(promise_value_t signum, void *listener) {
    (void)signum;
    fprintf(stderr, "stopping: %zu connections\n", promise_listener_connections(listener));
    return promise_adopt(promise_listener_stop(listener, STOP_MS));
}

int main(int argc, char **argv) {
    if (argc < 4 || argc > 6) return fprintf(stderr, "usage: proxy PORT HOST PORT [IDLE-SECONDS [CONNECTIONS]]\n"), 2;
    struct proxy proxy = {argv[2], (uint16_t)atoi(argv[3]), argc > 4 ? strtoul(argv[4], NULL, 10) * 1000 : 60000};
    promise_loop_t *loop = promise_loop_new(NULL);
    if (!loop) return EXIT_FAILURE;
    promise_listener_t *listener = promise_listener_new(loop, "127.0.0.1", (uint16_t)atoi(argv[1]));
    promise_iterator_t *clients = promise_listener_accepted(listener);
    promise_t *served = promise_each(clients, argc > 5 ? strtoul(argv[5], NULL, 10) : 1000, handle, &proxy);
    promise_t *signals = promise_race_of(loop, promise_signal(loop, SIGINT), promise_signal(loop, SIGTERM), NULL);
    promise_value_t result = promise_void();
    printf("127.0.0.1:%u\n", (unsigned)promise_listener_port(listener));
    fflush(stdout);
    int status = promise_loop_run(loop, promise_all_of(loop, served, promise_then(signals, stop, listener), NULL), &result);
    if (status < 0) fprintf(stderr, "proxy: %s\n", promise_error_message(result));
    promise_value_clear(&result);
    promise_loop_free(loop); /* the listener goes with it */
    return status < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
