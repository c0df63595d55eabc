/* Log in, get the profile, get the orders, print them: with async and await. The same as callback.c and promise.c. */
#include "ask.h"
#include "asked.h"
#include "server.h"

#include <stdio.h>

enum { TIMEOUT_MS = 2000 };

/* region: await */
static promise_value_t show_orders(promise_value_t v, void *arg) {
    struct ask_client *client = arg;
    promise_value_t id = {0};
    if (promise_await(asked(NULL, client, "login", "ann secret"), &v) < 0) return v;
    if (promise_await(asked(NULL, client, "profile", promise_as_string(v)), &v) < 0) return v;
    promise_value_set(&id, v);
    if (promise_await(asked(NULL, client, "orders", promise_as_string(id)), &v) == 0)
        printf("orders of %s: %s\n", promise_as_string(id), promise_as_string(v));
    promise_value_clear(&id);
    return v;
}

static int run(promise_loop_t *loop, uint16_t port) {
    promise_value_t result = {0};
    struct ask_client *client = ask_client_new(promise_loop_base(loop), port);
    if (!client) {
        fprintf(stderr, "failed: cannot ask\n");
        return -1;
    }
    promise_t *p = promise_timeout(promise_async(loop, show_orders, client), TIMEOUT_MS);
    int status = promise_loop_run(loop, p, &result);
    if (status < 0) fprintf(stderr, "failed: %s\n", promise_error_message(result));
    promise_value_clear(&result);
    ask_client_free(client); /* the coroutine has left, after a timeout too */
    return status;
}
/* end: await */

/* ---- a server to ask; the argument says how it misbehaves ---- */

int main(int argc, char **argv) {
    promise_loop_t *loop = promise_loop_new(NULL);
    struct server *server = loop ? server_new(promise_loop_base(loop), argc > 1 ? argv[1] : NULL) : NULL;
    int status = server ? run(loop, server_port(server)) : -1;
    server_free(server);
    promise_loop_free(loop);
    return status < 0 ? 1 : 0;
}
