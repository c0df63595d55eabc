/* Log in, get the profile, get the orders, print them: with promises. The same as callback.c. */
#include "ask.h"
#include "server.h"

#include <errno.h>
#include <promise.h>
#include <stdio.h>
#include <stdlib.h>

enum { TIMEOUT_MS = 2000 };

/* ---- ask() as a promise ---- */

/* region: wrap */
static const struct promise_domain ask_errors = {"ask", NULL};

struct asking {
    promise_resolver_t *resolver;
    struct ask *question;
};

static void answered(int error, const char *text, void *arg) {
    struct asking *a = arg;
    promise_resolve(a->resolver, error ? promise_throw(&ask_errors, error, "%s", text) : promise_string(text));
}

static void stop_asking(void *arg) {
    struct asking *a = arg;
    ask_cancel(a->question);
    promise_abandon(a->resolver);
}

static promise_t *asked(promise_loop_t *loop, struct ask_client *client, const char *verb, const char *object) {
    struct asking *a = malloc(sizeof *a);
    if (!a) return promise_from(loop, promise_throw_errno(ENOMEM, "ask"));
    promise_t *p = promise_new(loop, &a->resolver);
    a->question = ask(client, verb, object, answered, a);
    if (a->question) promise_on_cancel(a->resolver, stop_asking, a);
    else promise_reject(a->resolver, promise_throw(&ask_errors, ASK_ECANNOT, "cannot ask"));
    return promise_attach(p, a, free);
}
/* end: wrap */

/* ---- the job ---- */

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
