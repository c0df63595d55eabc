/* Errors: throwing, wrapping, recovering, telling one from another. */
#include "tour.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* region: domain */
enum store_error { STORE_EMISSING = 1, STORE_ECORRUPT };

static const char *store_describe(int code) { return code == STORE_EMISSING ? "missing" : "corrupt"; }
static const struct promise_domain store_errors = {"store", store_describe};
/* end: domain */

/* region: throw */
static promise_value_t read_entry(promise_value_t key, void *arg) {
    const char *name = promise_as_string(key);
    (void)arg;
    if (strcmp(name, "colour") == 0) return promise_string("blue");
    if (strcmp(name, "size") == 0) return promise_throw(&store_errors, STORE_ECORRUPT, NULL);
    return promise_throw_errno(ENOENT, "open %s", name);
}

static promise_value_t explain(promise_value_t reason, void *arg) {
    (void)arg;
    if (!promise_error_is(reason, &promise_errno_errors, ENOENT)) return reason; /* passed on as it is */
    return promise_wrap(reason, &store_errors, STORE_EMISSING, "no such entry");
}

static promise_value_t default_if_missing(promise_value_t reason, void *arg) {
    (void)arg;
    if (!promise_error_is(reason, &store_errors, STORE_EMISSING)) return reason;
    return promise_string("the default"); /* recovered */
}

static promise_t *entry(promise_loop_t *loop, const char *key) {
    promise_t *p = promise_from(loop, promise_string(key));
    p = promise_then(p, read_entry, NULL);
    return promise_catch(p, explain, NULL);
}

static promise_t *recover(promise_loop_t *loop) {
    promise_t *p = promise_catch(entry(loop, "weight"), default_if_missing, NULL);
    return promise_then(p, show, "recover");
}
/* end: throw */

/* region: query */
static promise_value_t report(promise_value_t reason, void *arg) {
    (void)arg;
    for (promise_value_t e = reason; promise_is_rejection(e); e = promise_error_cause(e)) {
        printf("%s[%d]: %s", promise_error_domain(e)->name, promise_error_code(e), promise_error_message(e));
        if (promise_error_where(e)) printf(" (%s)", promise_error_where(e));
        printf("\n");
    }
    return promise_void();
}

static promise_t *query(promise_loop_t *loop) {
    promise_t *missing = promise_catch(entry(loop, "weight"), report, NULL);
    promise_t *corrupt = promise_catch(entry(loop, "size"), report, NULL);
    return promise_all_of(loop, missing, corrupt, NULL);
}
/* end: query */

/* region: kinds */
static promise_value_t which(promise_value_t reason, void *arg) {
    (void)arg;
    if (promise_is_canceled(reason)) return reason; /* somebody wanted it to stop: nothing to complain about */
    if (promise_is_timeout(reason)) return promise_string("too late");
    if (promise_error_domain(reason) == &promise_errno_errors) return promise_string("the system says no");
    if (promise_error_is(reason, &promise_errors, PROMISE_EABANDONED)) return promise_string("forgotten");
    return promise_reason(reason); /* what it was rejected with, as a plain value: recovered */
}

static promise_t *kinds(promise_loop_t *loop) {
    promise_t *slow = promise_timeout(promise_sleep(loop, 60000), 10);
    promise_t *number = promise_from(loop, promise_throw_value(promise_int(7))); /* any value can be thrown */
    promise_t *both = promise_all_of(loop, promise_catch(slow, which, NULL), promise_catch(number, which, NULL), NULL);
    return promise_then(both, show, "kinds");
}
/* end: kinds */

/* region: reasons */
static promise_value_t each_reason(promise_value_t reason, void *arg) {
    promise_value_t reasons = promise_error_reasons(reason);
    (void)arg;
    for (size_t i = 0; i < promise_list_size(reasons); i++)
        printf("reasons: %s\n", promise_error_message(promise_list_get(reasons, i)));
    return promise_void();
}

static promise_t *reasons(promise_loop_t *loop) {
    promise_t *p = promise_any_of(loop, entry(loop, "weight"), entry(loop, "size"), NULL);
    return promise_catch(p, each_reason, NULL);
}
/* end: reasons */

int main(void) {
    static tour_fn *const parts[] = {recover, query, kinds, reasons};
    return tour(sizeof parts / sizeof *parts, parts);
}
