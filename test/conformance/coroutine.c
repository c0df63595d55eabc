/*
 * The same once more with coroutines: what a handler does is done by a coroutine that awaits once. An engine of JavaScript
 * knows its own stack only, so what it awaits is the call into JavaScript, which is made from the loop's.
 */
#include "addon.h"

bool in_coroutines;

/* What it is to be called with: a value or a rejection. */
struct outcome {
    promise_value_t v;
    struct held *handlers;
};

static promise_value_t call_javascript(promise_value_t v, void *outcome) {
    const struct outcome *o = outcome;

    (void)v;
    return handle(o->v, o->handlers);
}

/* Gets a list of one, or what passes by. */
static promise_value_t coroutine(promise_value_t v, void *handlers) {
    promise_value_t got = {0};
    struct outcome o = {.handlers = handlers};

    if (!promise_is(v, &promise_type_list)) return v;
    o.v = promise_list_get(v, 0);
    promise_await(promise_try(NULL, call_javascript, &o), &got);
    return got;
}

static promise_value_t as_list(promise_value_t v, void *arg) {
    (void)arg;
    return promise_list(1, &v);
}

promise_t *react_in_coroutine(promise_t *p, bool fulfilled, bool rejected, struct held *handlers) {
    p = promise_then_catch(p, fulfilled ? as_list : NULL, rejected ? as_list : NULL, NULL);
    return promise_then_async(p, coroutine, handlers);
}

napi_value set_in_coroutines(napi_env env, napi_callback_info info) {
    (void)env, (void)info;
    in_coroutines = !in_coroutines;
    return NULL;
}
