/* The class Promise: each method is one or two calls of libpromise. */
#include "addon.h"

#include <stdlib.h>

bool closing;

static napi_ref promise_class;

static const napi_type_tag tag = {0x6c696270726f6d69, 0x73652d636f6e666f}; /* marks our objects */

/* What JavaScript has of the library: a promise or a resolver, until close(). Garbage collection lets go of none, since
 * a lost resolver is an error to libpromise (O5) and nothing at all to ECMAScript. */
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

    if (closing || !is_a(value, napi_object)) return NULL;
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

static napi_value resolve_function(napi_env env, napi_callback_info info) {
    (void)env;
    return settle(info, resolution_of, promise_resolve);
}

static napi_value reject_function(napi_env env, napi_callback_info info) {
    (void)env;
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
static napi_value construct(napi_env env, napi_callback_info info) {
    napi_value executor, target, self = arguments(info, 1, &executor, NULL);
    void *p;

    must(napi_get_new_target(env, info, &target));
    if (closing || !target) return type_error("Promise is called without new, or after close()");
    if (is_a(executor, napi_external)) must(napi_get_value_external(env, executor, &p));
    else if (is_a(executor, napi_function)) p = execute(executor);
    else return type_error("the executor is not a function");
    must(napi_wrap(env, self, grip_new(p, NULL), NULL, NULL, NULL));
    must(napi_type_tag_object(env, self, &tag));
    return self;
}

/* ---- then, catch, finally ---- */

static promise_value_t call(const struct held *handlers, uint32_t index, size_t n, const napi_value *values) {
    napi_value result;

    if (closing) return promise_void();
    if (napi_call_function(js, undefined(), held_get(handlers, index), n, values, &result) != napi_ok) return thrown();
    return resolution_of(result);
}

promise_value_t handle(promise_value_t v, void *handlers) {
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

/* The handlers live as long as p is pending. A branch beside the chain frees them: in the chain it would take a turn. */
static napi_value wrap_with(promise_t *p, struct held *handlers) {
    promise_unref(promise_attach(promise_ref(p), handlers, held_free));
    return wrap(p);
}

static napi_value react(promise_t *p, napi_value fulfilled, napi_value rejected) {
    napi_value pair[2] = {fulfilled, rejected};
    bool has_fulfilled = is_a(fulfilled, napi_function), has_rejected = is_a(rejected, napi_function);
    struct held *handlers;

    if (!p) return type_error("this is not a Promise");
    handlers = hold(2, pair);
    p = promise_ref(p);
    if (in_coroutines) p = react_in_coroutine(p, has_fulfilled, has_rejected, handlers);
    else p = promise_then_catch(p, has_fulfilled ? handle : NULL, has_rejected ? handle : NULL, handlers);
    return wrap_with(p, handlers);
}

static napi_value then_method(napi_env env, napi_callback_info info) {
    napi_value handlers[2], self = arguments(info, 2, handlers, NULL);
    (void)env;
    return react(promise_in(self), handlers[0], handlers[1]);
}

static napi_value catch_method(napi_env env, napi_callback_info info) {
    napi_value handler, self = arguments(info, 1, &handler, NULL);
    (void)env;
    return react(promise_in(self), undefined(), handler);
}

static napi_value finally_method(napi_env env, napi_callback_info info) {
    napi_value handler, self = arguments(info, 1, &handler, NULL);
    promise_t *p = promise_in(self);
    struct held *handlers;

    (void)env;
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
    if (closing || !equal) type_error("this is not Promise, or it is closed");
    return equal && !closing;
}

static napi_value resolve_static(napi_env env, napi_callback_info info) {
    napi_value value, self = arguments(info, 1, &value, NULL);
    (void)env;
    if (!is_our_class(self)) return NULL;
    return promise_in(value) ? value : wrap(promise_from(loop, resolution_of(value)));
}

static napi_value reject_static(napi_env env, napi_callback_info info) {
    napi_value value, self = arguments(info, 1, &value, NULL);
    (void)env;
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
struct combination {
    combinator *make;
    promise_fn *fulfilled, *rejected;
};
static const struct combination combine_all = {promise_all, array_of_list, NULL};
static const struct combination combine_all_settled = {promise_all_settled, array_of_outcomes, NULL};
static const struct combination combine_any = {promise_any, NULL, js_error_of};
static const struct combination combine_race = {promise_race, NULL, NULL};

static napi_value combine_static(napi_env env, napi_callback_info info) {
    void *data;
    napi_value iterable, array, self = arguments(info, 1, &iterable, &data);
    const struct combination *c = data;
    promise_t *p;

    if (!is_our_class(self)) return NULL;
    if (napi_call_function(env, undefined(), host_function("spread"), 1, &iterable, &array) != napi_ok)
        return wrap(promise_from(loop, thrown()));
    p = combine(c->make, array);
    return wrap(c->fulfilled || c->rejected ? promise_then_catch(p, c->fulfilled, c->rejected, NULL) : p);
}

/* ---- the module: init(functions) -> Promise, switchCoroutines(), close() -> what is left ---- */

static napi_property_descriptor method(const char *name, napi_callback function, const void *data) {
    return (napi_property_descriptor){
        .utf8name = name, .method = function, .attributes = napi_default_method, .data = (void *)(uintptr_t)data};
}

static napi_property_descriptor static_method(const char *name, napi_callback function, const void *data) {
    napi_property_descriptor property = method(name, function, data);
    property.attributes |= napi_static;
    return property;
}

static napi_value define_class(void) {
    const napi_property_descriptor properties[] = {
        method("then", then_method, NULL),
        method("catch", catch_method, NULL),
        method("finally", finally_method, NULL),
        static_method("resolve", resolve_static, NULL),
        static_method("reject", reject_static, NULL),
        static_method("all", combine_static, &combine_all),
        static_method("allSettled", combine_static, &combine_all_settled),
        static_method("any", combine_static, &combine_any),
        static_method("race", combine_static, &combine_race),
    };
    napi_value class;

    must(napi_define_class(js, "Promise", NAPI_AUTO_LENGTH, construct, NULL, sizeof properties / sizeof *properties, properties,
                           &class));
    must(napi_create_reference(js, class, 1, &promise_class));
    return class;
}

static napi_value init(napi_env env, napi_callback_info info) {
    napi_value functions;

    (void)env;
    arguments(info, 1, &functions, NULL);
    host_open(functions);
    return define_class();
}

static void set_count(napi_value object, const char *name, size_t count) {
    napi_value value;

    must(napi_create_int64(js, (int64_t)count, &value));
    must(napi_set_named_property(js, object, name, value));
}

/* Frees the loop while JavaScript still has its promises, then lets go of those: { blocks, values } that are left. */
static napi_value close_all(napi_env env, napi_callback_info info) {
    napi_value left;

    (void)info;
    closing = true;
    promise_loop_free(loop);
    for (struct grip *grip = grips; grip; grip = grip->next) {
        promise_unref(grip->promise);
        if (grip->resolver) promise_abandon(grip->resolver);
    }
    must(napi_create_object(env, &left));
    set_count(left, "blocks", host_blocks());
    set_count(left, "values", held_count());
    return left;
}

NAPI_MODULE_INIT() {
    const napi_property_descriptor properties[] = {
        method("init", init, NULL), method("switchCoroutines", set_in_coroutines, NULL), method("close", close_all, NULL)};

    js = env;
    must(napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties));
    return exports;
}
