/* A sketch of what a user writes, as it was written. */
#include <promise.h>
#include <stdio.h>

enum { STORE_EMISSING = 1, STORE_ECORRUPT };
static const char *store_describe(int c) { return c == STORE_EMISSING ? "missing" : "corrupt"; }
static const struct promise_domain store = {"store", store_describe};

static promise_value_t explain(promise_value_t v, void *key) {
    if (!promise_error_is(v, &promise_http_errors, 404)) return v;
    return promise_wrap(v, &store, STORE_EMISSING, "no entry for %s", (const char *)key);
}
static promise_value_t default_if_missing(promise_value_t v, void *arg) {
    (void)arg;
    return promise_error_is(v, &store, STORE_EMISSING) ? promise_string("default") : v;
}
static promise_value_t report(promise_value_t v, void *arg) {
    (void)arg;
    for (promise_value_t e = v; !promise_is_void(e); e = promise_error_cause(e))
        fprintf(stderr, "%s[%d]: %s\n", promise_error_domain(e)->name, promise_error_code(e), promise_error_message(e));
    return v;
}
int main(void) {
    promise_loop_t *loop = promise_loop_new(NULL);
    static char key[] = "key";
    promise_t *p = promise_http_get(loop, "http://store.example/key");
    p = promise_catch(p, explain, key);
    p = promise_catch(p, default_if_missing, NULL);
    p = promise_catch(p, report, NULL);
    int status = promise_loop_run(loop, p, NULL);
    promise_loop_free(loop);
    return status ? 1 : 0;
}
