/* Values of JavaScript's in values of libpromise's, and the other way. */
#include "addon.h"

PROMISE_DECLARE_TYPE(js_held, struct held)
PROMISE_DEFINE_TYPE(js_held, struct held, held_free)

/* ---- thenables: an object and its `then`, got once (2.3.3.1) ---- */

static void thenable_then(void *object, promise_resolver_t *resolver) {
    napi_value functions[2];
    napi_handle_scope scope;

    must(napi_open_handle_scope(js, &scope));
    resolving_functions(promise_resolver_ref(resolver), functions);
    if (closing || napi_call_function(js, held_get(object, 0), held_get(object, 1), 2, functions, NULL) == napi_ok)
        promise_abandon(resolver); /* not the last one: the functions have theirs */
    else promise_resolve(resolver, thrown());
    must(napi_close_handle_scope(js, scope));
}

static const struct promise_type promise_type_thenable = {
    .size = sizeof promise_type_thenable,
    .name = "thenable",
    .free = held_free,
    .then = thenable_then,
};

/* ---- in ---- */

promise_value_t value_of(napi_value value) {
    return is_a(value, napi_undefined) ? promise_void() : js_held_value(hold(1, &value));
}

promise_value_t thrown(void) { return promise_throw_value(value_of(take_exception())); }

promise_value_t resolution_of(napi_value value) {
    napi_value parts[2] = {value};
    promise_t *p = promise_in(value);

    if (p) return promise_adopt(promise_ref(p));
    if (!is_a(value, napi_object) && !is_a(value, napi_function)) return value_of(value);
    if (napi_get_named_property(js, value, "then", &parts[1]) != napi_ok) return thrown();
    if (!is_a(parts[1], napi_function)) return value_of(value);
    return promise_object(&promise_type_thenable, hold(2, parts));
}

/* ---- out ---- */

static napi_value text(const char *string) {
    napi_value value;
    must(napi_create_string_utf8(js, string, NAPI_AUTO_LENGTH, &value));
    return value;
}

static void set(napi_value object, const char *name, napi_value value) {
    must(napi_set_named_property(js, object, name, value));
}

/* { status, value } or { status, reason }. */
static napi_value outcome(promise_value_t v) {
    napi_value object;
    bool rejected = promise_is_rejection(v);

    must(napi_create_object(js, &object));
    set(object, "status", text(rejected ? "rejected" : "fulfilled"));
    set(object, rejected ? "reason" : "value", js_of(v));
    return object;
}

static napi_value array(promise_value_t list, napi_value (*convert)(promise_value_t item)) {
    size_t n = promise_list_size(list);
    napi_value values;

    must(napi_create_array_with_length(js, n, &values));
    for (size_t i = 0; i < n; i++) must(napi_set_element(js, values, (uint32_t)i, convert(promise_list_get(list, i))));
    return values;
}

static napi_value aggregate_error(promise_value_t v) {
    napi_value global, constructor, error, arguments[2];

    arguments[0] = array(promise_error_reasons(v), js_of);
    arguments[1] = text(promise_error_message(v));
    must(napi_get_global(js, &global));
    must(napi_get_named_property(js, global, "AggregateError", &constructor));
    must(napi_new_instance(js, constructor, 2, arguments, &error));
    return error;
}

/* The errors that ECMAScript knows have the type that it says. */
static napi_value error(promise_value_t v) {
    napi_value message = text(promise_error_message(v)), code = text(promise_error_domain(v)->name), value;

    if (promise_error_is(v, &promise_errors, PROMISE_EAGGREGATE)) return aggregate_error(v);
    if (promise_error_is(v, &promise_errors, PROMISE_ECYCLE)) must(napi_create_type_error(js, code, message, &value));
    else must(napi_create_error(js, code, message, &value));
    return value;
}

napi_value js_of(promise_value_t v) {
    promise_value_t plain = promise_reason(v);

    if (promise_is_void(plain)) return undefined();
    if (promise_is(plain, &promise_type_js_held)) return held_get(js_held_of(plain), 0);
    if (promise_is(plain, &promise_type_list)) return array(plain, js_of);
    return error(plain);
}

/* ---- in a handler, once for all who will see it ---- */

promise_value_t array_of_list(promise_value_t list, void *arg) {
    (void)arg;
    return value_of(array(list, js_of));
}

promise_value_t array_of_outcomes(promise_value_t list, void *arg) {
    (void)arg;
    return value_of(array(list, outcome));
}

promise_value_t js_error_of(promise_value_t v, void *arg) {
    (void)arg;
    return promise_throw_value(value_of(js_of(v)));
}
