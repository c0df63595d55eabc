/* Connecting by name, and then securely. */
#include "tls.h"

#include <string.h>

#include <promise/connect_name.h>
#include <promise/memory.h>

struct target {
    promise_tls_t *tls; /* or NULL */
    char host[];
};

static void target_free(void *arg) {
    struct target *t = arg;

    promise_tls_unref(t->tls);
    promise_memory_free(t);
}

static promise_value_t connected(promise_value_t v, void *arg) {
    struct target *t = arg;
    return promise_adopt(promise_tls_secure(promise_stream_ref(promise_as_stream(v)), t->host, t->tls));
}

promise_t *promise_tls_connect(promise_loop_t *loop, promise_tls_t *tls, const char *host, uint16_t port) {
    size_t size = host ? strlen(host) + 1 : 0;
    struct target *t;

    if (!host) return promise_from(loop, promise__tls_bad_argument(__func__, "host is NULL"));
    if (tls && !promise_is_void(promise_tls_error(tls))) return promise_from(loop, promise_tls_error(tls));
    if (tls && tls->server) return promise_from(loop, promise__tls_bad_argument(__func__, "tls is a server's"));
    t = promise_memory_alloc(sizeof *t + size);
    if (!t) return promise_from(loop, promise_out_of_memory());
    t->tls = tls ? promise_tls_ref(tls) : NULL;
    memcpy(t->host, host, size);
    return promise_attach(promise_then(promise_connect(loop, host, port), connected, t), t, target_free);
}
