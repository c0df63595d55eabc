/*
 * libpromise's promises as JavaScript's, for the suites that test those. What an ECMAScript engine must decide, the
 * library decides here: there is no state of a promise, no queue and no resolution in these files, only the way in and
 * out for values, functions and exceptions. docs/conformance.md has the table.
 */
#ifndef CONFORMANCE_ADDON_H
#define CONFORMANCE_ADDON_H

#include <node_api.h>
#include <promise.h>

/* There is one of each: a type's functions have no argument for them. */
extern napi_env js;
extern promise_loop_t *loop; /* NULL once it is gone */
extern bool closing;         /* no function of JavaScript's is called any more */

/* ---- held.c ---- */

/* For the calls of Node-API that only fail when this addon is wrong. */
#define must(call) must_be_ok((call), #call)
void must_be_ok(napi_status status, const char *call);

/* A few values of JavaScript's, held for as long as this lives. (References of their own are for objects only.) */
struct held;
struct held *hold(size_t n, const napi_value *values);
napi_value held_get(const struct held *held, uint32_t index);
void held_free(void *held);
size_t held_count(void); /* how many there are */

napi_value undefined(void);
bool is_a(napi_value value, napi_valuetype type);
napi_value take_exception(void); /* the pending exception, which is then no longer pending */

/* ---- host.c ---- */

/* Opens the loop, on Node's functions: { microtask, immediate, spread }. */
void host_open(napi_value node_functions);
napi_value host_function(const char *name); /* one of them */
size_t host_blocks(void);                   /* of memory that the library holds */

/* ---- value.c: values in and out ---- */

/* As it is: a reason, or what is known to be settled. */
promise_value_t value_of(napi_value value);
/* What a promise is to be resolved with (2.3): a promise, a thenable, or a value; a rejection when the getter of `then`
 * throws. */
promise_value_t resolution_of(napi_value value);
/* The pending exception, as a rejection. */
promise_value_t thrown(void);
/* The value, or a rejection's reason. Lists become arrays, and the library's errors errors. */
napi_value js_of(promise_value_t v);
/* As handlers: a list as an array, as an array of { status, value, reason }, and an error as one of JavaScript's. */
promise_fn array_of_list, array_of_outcomes, js_error_of;

/* ---- addon.c ---- */

/* The promise in one of our objects, borrowed; NULL for anything else. */
promise_t *promise_in(napi_value value);
/* Calls the one of two handlers that it is for. */
promise_value_t handle(promise_value_t v, void *handlers);
/* Two functions of JavaScript's that settle through this resolver, which they own. */
void resolving_functions(promise_resolver_t *resolver, napi_value functions[2]);

/* ---- coroutine.c ---- */

extern bool in_coroutines; /* handlers run as coroutines */
/* promise_then_catch() with handle(), where there is a handler, as a coroutine. */
promise_t *react_in_coroutine(promise_t *p, bool fulfilled, bool rejected, struct held *handlers);
napi_value set_in_coroutines(napi_env env, napi_callback_info info); /* from now on, or no longer */

#endif
