/* Log in, get the profile, get the orders, print them: with promises. The same as callback.c and await.c. */
#include "ask.h"
#include "asked.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>

enum { TIMEOUT_MS = 2000 };

/* region: chain */
struct session {
    struct ask_client *client;
    promise_value_t id;
};

static promise_fn got_login, got_profile, got_orders, complain;
static void session_free(void *arg);

static promise_t *show_orders(promise_loop_t *loop, struct session *s) {
    promise_t *p = asked(loop, s->client, "login", "ann secret");
    p = promise_then(p, got_login, s);
    p = promise_then(p, got_profile, s);
    p = promise_then(p, got_orders, s);
    p = promise_timeout(p, TIMEOUT_MS);
    p = promise_catch(p, complain, NULL);
    return promise_attach(p, s, session_free);
}

static promise_value_t got_login(promise_value_t token, void *arg) {
    struct session *s = arg;
    return promise_adopt(asked(NULL, s->client, "profile", promise_as_string(token)));
}

static promise_value_t got_profile(promise_value_t id, void *arg) {
    struct session *s = arg;
    promise_value_set(&s->id, id);
    return promise_adopt(asked(NULL, s->client, "orders", promise_as_string(id)));
}

static promise_value_t got_orders(promise_value_t orders, void *arg) {
    struct session *s = arg;
    printf("orders of %s: %s\n", promise_as_string(s->id), promise_as_string(orders));
    return promise_void();
}

static promise_value_t complain(promise_value_t reason, void *arg) {
    (void)arg;
    fprintf(stderr, "failed: %s\n", promise_error_message(reason));
    return reason; /* still rejected */
}

static void session_free(void *arg) {
    struct session *s = arg;
    ask_client_free(s->client);
    promise_value_clear(&s->id);
    free(s);
}

static int run(promise_loop_t *loop, uint16_t port) {
    promise_value_t result = {0};
    struct session *s = calloc(1, sizeof *s);
    if (!s || !(s->client = ask_client_new(promise_loop_base(loop), port))) {
        fprintf(stderr, "failed: cannot ask\n");
        free(s);
        return -1;
    }
    int status = promise_loop_run(loop, show_orders(loop, s), &result);
    promise_value_clear(&result);
    return status;
}
/* end: chain */

/* ---- a server to ask; the argument says how it misbehaves ---- */

int main(int argc, char **argv) {
    promise_loop_t *loop = promise_loop_new(NULL);
    struct server *server = loop ? server_new(promise_loop_base(loop), argc > 1 ? argv[1] : NULL) : NULL;
    int status = server ? run(loop, server_port(server)) : -1;
    server_free(server);
    promise_loop_free(loop);
    return status < 0 ? 1 : 0;
}
