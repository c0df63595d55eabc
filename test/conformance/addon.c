/* The class Promise: each method is one or two calls of libpromise. */
#include "addon.h"

#include <stdlib.h>

napi_env js;
promise_loop_t *loop;
bool closing;

static napi_ref promise_class;
static napi_ref functions; /* of Node's, as init() got them: { microtask, immediate, spread } */
static size_t blocks;      /* of memory that the library holds */

static const napi_type_tag tag = {0x6c696270726f6d69, 0x73652d636f6e666f}; /* marks our objects */

/* What JavaScript has of the library: a promise or a resolver, until close(). Garbage collection lets go of none, since a
 * lost resolver is an error to libpromise (O5) and nothing at all to ECMAScript. */
struct grip {
    promise_t *promise;
    promise_resolver_t *resolver;
    struct grip *next;
};
static struct grip *grips;

static struct grip *grip_new(promise_t *promise, promise_resolver_t *resolver) {
    struct grip *grip = malloc(sizeof *grip);

    if (!grip) abort();
    *grip = (struct grip){promise, resolver, grips};
    return grips = grip;
}

/* ---- the host: Node's queues run the drain, on a stack with nothing else on it (2.2.4) ---- */

static napi_value function_of(const char *name) {
    napi_value object, value;

    must(napi_get_reference_value(js, functions, &object));
    must(napi_get_named_property(js, object, name, &value));
    return value;
}

static napi_value drain(napi_env e, napi_callback_info info) {
    (void)e, (void)info;
    if (loop) promise_loop_drain(loop);
    return NULL;
}

/* A microtask comes before I/O and timers, an immediate after them. */
static void wake(void *data, bool again) {
    napi_handle_scope scope;
    napi_value job;

    (void)data;
    must(napi_open_handle_scope(js, &scope));
    must(napi_create_function(js, NULL, 0, drain, NULL, &job));
    must(napi_call_function(js, undefined(), function_of(again ? "immediate" : "microtask"), 1, &job, NULL));
    must(napi_close_handle_scope(js, scope));
}

static void gone(void *data) {
    (void)data;
    loop = NULL;
}

static const struct promise_host host = {.size = sizeof host, .wake = wake, .gone = gone};

static void ignore(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

/* ---- objects ---- */

static napi_value wrap(promise_t *p) {
    napi_value class, external, object;

    must(napi_get_reference_value(js, promise_class, &class));
    must(napi_create_external(js, p, NULL, NULL, &external));
    must(napi_new_instance(js, class, 1, &external, &object));
    return object;
}

promise_t *promise_in(napi_value value) {
    struct grip *grip;
    bool ours = false;

    if (!is_a(value, napi_object)) return NULL;
    if (napi_check_object_type_tag(js, value, &tag, &ours) != napi_ok || !ours) return NULL;
    must(napi_unwrap(js, value, (void **)&grip));
    return grip->promise;
}

/* Reads what a function was called with: absent arguments are undefined. */
static napi_value arguments(napi_callback_info info, size_t n, napi_value *values, void **data) {
    napi_value self;
    must(napi_get_cb_info(js, info, &n, values, &self, data));
    return self;
}

static napi_value type_error(const char *message) {
    must(napi_throw_type_error(js, NULL, message));
    return NULL;
}

/* ---- resolving functions: many calls, of which the first one counts, are many uses of a resolver (O5) ---- */

static napi_value settle(napi_callback_info info, promise_value_t (*convert)(napi_value),
                         void (*use)(promise_resolver_t *, promise_value_t)) {
    napi_value value;
    void *grip;
    promise_resolver_t *resolver;

    arguments(info, 1, &value, &grip);
    resolver = ((struct grip *)grip)->resolver;
    if (!closing && promise_resolver_is_pending(resolver)) use(promise_resolver_ref(resolver), convert(value));
    return NULL;
}

static napi_value resolve_function(napi_env e, napi_callback_info info) {
    (void)e;
    return settle(info, resolution_of, promise_resolve);
}

static napi_value reject_function(napi_env e, napi_callback_info info) {
    (void)e;
    return settle(info, value_of, promise_reject);
}

void resolving_functions(promise_resolver_t *resolver, napi_value pair[2]) {
    struct grip *grip = grip_new(NULL, resolver);

    must(napi_create_function(js, NULL, 0, resolve_function, grip, &pair[0]));
    must(napi_create_function(js, NULL, 0, reject_function, grip, &pair[1]));
}

/* ---- new Promise(executor) ---- */

static promise_t *execute(napi_value executor) {
    napi_value pair[2];
    promise_resolver_t *resolver;
    promise_t *p = promise_new(loop, &resolver);

    resolving_functions(promise_resolver_ref(resolver), pair);
    if (napi_call_function(js, undefined(), executor, 2, pair, NULL) == napi_ok) promise_abandon(resolver);
    else promise_resolve(resolver, thrown());
    return p;
}

/* wrap() comes through here too, with the promise in place of the executor. */
static napi_value construct(napi_env e, napi_callback_info info) {
    napi_value executor, target, self = arguments(info, 1, &executor, NULL);
    void *p;

    must(napi_get_new_target(e, info, &target));
    if (!target) return type_error("Promise is called without new");
    if (is_a(executor, napi_external)) must(napi_get_value_external(e, executor, &p));
    else if (is_a(executor, napi_function)) p = execute(executor);
    else return type_error("the executor is not a function");
    must(napi_wrap(e, self, grip_new(p, NULL), NULL, NULL, NULL));
    must(napi_type_tag_object(e, self, &tag));
    return self;
}

/* ---- then, catch, finally ---- */

static promise_value_t call(const struct held *handlers, uint32_t index, size_t n, const napi_value *values) {
    napi_value result;

    if (closing) return promise_void();
    if (napi_call_function(js, undefined(), held_get(handlers, index), n, values, &result) != napi_ok) return thrown();
    return resolution_of(result);
}

static promise_value_t handle(promise_value_t v, void *handlers) {
    napi_handle_scope scope;
    napi_value value;
    promise_value_t result;

    must(napi_open_handle_scope(js, &scope));
    value = js_of(v);
    result = call(handlers, promise_is_rejection(v), 1, &value);
    must(napi_close_handle_scope(js, scope));
    return result;
}

static promise_value_t handle_finally(promise_value_t v, void *handlers) {
    napi_handle_scope scope;
    promise_value_t result;

    (void)v;
    must(napi_open_handle_scope(js, &scope));
    result = call(handlers, 0, 0, NULL);
    must(napi_close_handle_scope(js, scope));
    return result;
}

/* The handlers live as long as p is pending. A branch beside the chain frees them, so that the chain is as JavaScript's. */
static napi_value wrap_with(promise_t *p, struct held *handlers) {
    promise_unref(promise_attach(promise_ref(p), handlers, held_free));
    return wrap(p);
}

static napi_value react(promise_t *p, napi_value fulfilled, napi_value rejected) {
    napi_value pair[2] = {fulfilled, rejected};
    struct held *handlers;

    if (!p) return type_error("this is not a Promise");
    handlers = hold(2, pair);
    return wrap_with(promise_then_catch(promise_ref(p), is_a(fulfilled, napi_function) ? handle : NULL,
                                        is_a(rejected, napi_function) ? handle : NULL, handlers),
                     handlers);
}

static napi_value then_method(napi_env e, napi_callback_info info) {
    napi_value handlers[2], self = arguments(info, 2, handlers, NULL);
    (void)e;
    return react(promise_in(self), handlers[0], handlers[1]);
}

static napi_value catch_method(napi_env e, napi_callback_info info) {
    napi_value handler, self = arguments(info, 1, &handler, NULL);
    (void)e;
    return react(promise_in(self), undefined(), handler);
}

static napi_value finally_method(napi_env e, napi_callback_info info) {
    napi_value handler, self = arguments(info, 1, &handler, NULL);
    promise_t *p = promise_in(self);
    struct held *handlers;

    (void)e;
    if (!p || !is_a(handler, napi_function)) return react(p, handler, handler);
    handlers = hold(1, &handler);
    return wrap_with(promise_finally(promise_ref(p), handle_finally, handlers), handlers);
}

/* ---- Promise.resolve, reject, and the combinators ---- */

/* As there is no subclassing here: only the class itself will do. */
static bool is_our_class(napi_value self) {
    napi_value class;
    bool equal;

    must(napi_get_reference_value(js, promise_class, &class));
    must(napi_strict_equals(js, self, class, &equal));
    if (!equal) type_error("this is not Promise");
    return equal;
}

static napi_value resolve_static(napi_env e, napi_callback_info info) {
    napi_value value, self = arguments(info, 1, &value, NULL);
    (void)e;
    if (!is_our_class(self)) return NULL;
    return promise_in(value) ? value : wrap(promise_from(loop, resolution_of(value)));
}

static napi_value reject_static(napi_env e, napi_callback_info info) {
    napi_value value, self = arguments(info, 1, &value, NULL);
    (void)e;
    return is_our_class(self) ? wrap(promise_from(loop, promise_throw_value(value_of(value)))) : NULL;
}

typedef promise_t *combinator(promise_loop_t *loop, size_t n, promise_t *const *promises);

static promise_t *combine(combinator *make, napi_value array) {
    uint32_t n;
    promise_t **promises, *p;

    must(napi_get_array_length(js, array, &n));
    promises = malloc((n + 1) * sizeof *promises);
    if (!promises) abort();
    for (uint32_t i = 0; i < n; i++) {
        napi_value item;
        must(napi_get_element(js, array, i, &item));
        promises[i] = promise_from(loop, resolution_of(item));
    }
    p = make(loop, n, promises);
    free(promises);
    return p;
}

/* Lists and errors of the library's become JavaScript's in a handler, so that all who ask get the same one. */
static const struct combination {
    const char *name;
    combinator *make;
    promise_fn *fulfilled, *rejected;
} combinations[] = {
    {"all", promise_all, array_of_list, NULL},
    {"allSettled", promise_all_settled, array_of_outcomes, NULL},
    {"any", promise_any, NULL, js_error_of},
    {"race", promise_race, NULL, NULL},
};

static napi_value combine_static(napi_env e, napi_callback_info info) {
    void *data;
    napi_value iterable, array, self = arguments(info, 1, &iterable, &data);
    const struct combination *c = data;
    promise_t *p;

    if (!is_our_class(self)) return NULL;
    if (napi_call_function(e, undefined(), function_of("spread"), 1, &iterable, &array) != napi_ok)
        return wrap(promise_from(loop, thrown()));
    p = combine(c->make, array);
    return wrap(c->fulfilled || c->rejected ? promise_then_catch(p, c->fulfilled, c->rejected, NULL) : p);
}

/* ---- the module: init(functions) -> Promise, close() -> what is left ---- */

static void *count_malloc(size_t size) {
    void *block = malloc(size);
    blocks += block != NULL;
    return block;
}

static void *count_realloc(void *block, size_t size) {
    void *moved = realloc(block, size);
    blocks += !block && moved;
    return moved;
}

static void count_free(void *block) {
    blocks -= block != NULL;
    free(block);
}

enum { METHODS = 5, COMBINATIONS = sizeof combinations / sizeof *combinations };

static napi_value define_class(void) {
    napi_property_descriptor properties[METHODS + COMBINATIONS] = {
        {"then", NULL, then_method, NULL, NULL, NULL, napi_default_method, NULL},
        {"catch", NULL, catch_method, NULL, NULL, NULL, napi_default_method, NULL},
        {"finally", NULL, finally_method, NULL, NULL, NULL, napi_default_method, NULL},
        {"resolve", NULL, resolve_static, NULL, NULL, NULL, napi_default_method | napi_static, NULL},
        {"reject", NULL, reject_static, NULL, NULL, NULL, napi_default_method | napi_static, NULL},
    };
    napi_value class;

    for (size_t i = 0; i < COMBINATIONS; i++)
        properties[METHODS + i] =
            (napi_property_descriptor){combinations[i].name, NULL, combine_static, NULL, NULL, NULL,
                                       napi_default_method | napi_static, (void *)(uintptr_t)&combinations[i]};
    must(napi_define_class(js, "Promise", NAPI_AUTO_LENGTH, construct, NULL, METHODS + COMBINATIONS, properties, &class));
    return class;
}

static napi_value init(napi_env e, napi_callback_info info) {
    napi_value object, class;

    js = e;
    arguments(info, 1, &object, NULL);
    must(napi_create_reference(js, object, 1, &functions));
    if (promise_set_allocator(count_malloc, count_realloc, count_free) < 0) abort();
    loop = promise_loop_new_hosted(&host, NULL);
    if (!loop) abort();
    promise_loop_on_unhandled(loop, ignore, NULL);
    class = define_class();
    must(napi_create_reference(js, class, 1, &promise_class));
    return class;
}

/* Frees the loop while JavaScript still has its promises, then lets go of those: { blocks, values } that are left. */
static napi_value close_all(napi_env e, napi_callback_info info) {
    napi_value left, count;

    (void)info;
    closing = true;
    promise_loop_free(loop);
    for (struct grip *grip = grips; grip; grip = grip->next) {
        promise_unref(grip->promise);
        if (grip->resolver) promise_abandon(grip->resolver);
    }
    must(napi_create_object(e, &left));
    must(napi_create_int64(e, (int64_t)blocks, &count));
    must(napi_set_named_property(e, left, "blocks", count));
    must(napi_create_int64(e, (int64_t)held_count(), &count));
    must(napi_set_named_property(e, left, "values", count));
    return left;
}

NAPI_MODULE_INIT() {
    static const napi_property_descriptor properties[] = {
        {"init", NULL, init, NULL, NULL, NULL, napi_default, NULL},
        {"close", NULL, close_all, NULL, NULL, NULL, napi_default, NULL},
    };
    if (napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties) != napi_ok) return NULL;
    return exports;
}
