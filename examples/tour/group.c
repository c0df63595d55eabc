/* Tasks that belong together. */
#include "tour.h"

#include <stdio.h>

/* region: wait */
static promise_value_t heartbeat(promise_value_t v, void *arg) { /* a coroutine: for ever, if nobody stops it */
    promise_value_t r = {0};
    (void)v, (void)arg;
    while (promise_await(promise_sleep(NULL, 1000), &r) == 0) printf("wait: I am alive\n");
    printf("wait: the heart stops: %s\n", promise_error_message(r));
    return r;
}

static promise_value_t session(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_throw(&promise_errors, PROMISE_ECLOSED, "the peer has gone");
}

static promise_value_t ended(promise_value_t reason, void *arg) {
    (void)arg;
    printf("wait: %s\n", promise_error_message(reason)); /* both have ended before this runs */
    return promise_void();
}

static promise_t *wait(promise_loop_t *loop) {
    promise_group_t *g = promise_group_new(loop);
    promise_group_async(g, heartbeat, NULL);
    promise_group_add(g, promise_then(promise_sleep(loop, 5), session, NULL)); /* fails: the other is cancelled */
    promise_t *p = promise_catch(promise_group_wait(g), ended, NULL);
    return promise_attach(p, g, promise_group_free);
}
/* end: wait */

/* region: server */
static promise_value_t serve(promise_value_t v, void *name) {
    (void)v;
    printf("server: %s\n", (const char *)name);
    return promise_adopt(promise_sleep(NULL, 2)); /* stands for what a client wants */
}

/* A client's failure is not that of the server. */
static promise_value_t log_error(promise_value_t reason, void *arg) {
    (void)arg;
    if (promise_is_canceled(reason)) return reason;
    printf("server: %s\n", promise_error_message(reason));
    return promise_void();
}

static promise_value_t client(promise_value_t v, void *name) {
    return promise_adopt(promise_catch(promise_then(promise_from(NULL, v), serve, name), log_error, NULL));
}

static promise_t *server(promise_loop_t *loop) {
    static const struct promise_group_options two_at_a_time = {.limit = 2};
    static char *const names[] = {"ann", "bob", "carl"};
    promise_group_t *clients = promise_group_new_with(loop, &two_at_a_time);
    for (int i = 0; i < 3; i++) promise_group_try(clients, client, names[i]); /* a server does so for ever */
    return promise_attach(promise_timeout(promise_group_wait(clients), 5000), clients, promise_group_free);
}
/* end: server */

int main(void) {
    static tour_fn *const parts[] = {wait, server};
    return tour(sizeof parts / sizeof *parts, parts);
}
