#include "asked.h"

#include <errno.h>
#include <stdlib.h>

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

promise_t *asked(promise_loop_t *loop, struct ask_client *client, const char *verb, const char *object) {
    struct asking *a = malloc(sizeof *a);
    if (!a) return promise_from(loop, promise_throw_errno(ENOMEM, "ask"));
    promise_t *p = promise_new(loop, &a->resolver);
    a->question = ask(client, verb, object, answered, a);
    if (a->question) promise_on_cancel(a->resolver, stop_asking, a);
    else promise_reject(a->resolver, promise_throw(&ask_errors, ASK_ECANNOT, "cannot ask"));
    return promise_attach(p, a, free);
}
/* end: wrap */
