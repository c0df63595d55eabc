/* A sketch of what a user writes, as it was written. */
#include <promise.h>
#include <hiredis/hiredis.h>
#include <hiredis/async.h>
#include <hiredis/adapters/libevent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct promise_domain redis = {"redis", NULL};

static void on_reply(redisAsyncContext *c, void *reply, void *privdata) {      /* exactly once; NULL when the context goes */
    promise_resolver_t *r = privdata;
    redisReply *re = reply;
    promise_value_t v;                              /* hiredis frees the reply itself: copy what is wanted */
    if (!re) v = promise_throw(&redis, c->err, "redis: %s", c->errstr);
    else if (re->type == REDIS_REPLY_ERROR) v = promise_throw(&redis, re->type, "redis: %s", re->str);
    else v = re->type == REDIS_REPLY_NIL ? promise_void() : promise_bytes(re->str, re->len);
    promise_resolve(r, v);                          /* after a cancel: v is released, nothing else happens */
}
promise_t *redis_command(promise_loop_t *loop, redisAsyncContext *c, const char *fmt, ...) {
    promise_resolver_t *r;
    promise_t *p = promise_new(loop, &r);           /* r is never NULL: out of memory gives one that ignores what it is told */
    va_list ap;
    va_start(ap, fmt);
    if (redisvAsyncCommand(c, on_reply, r, fmt, ap) != REDIS_OK)
        promise_reject(r, promise_throw(&redis, c->err, "cannot send: %s", c->errstr));
    va_end(ap);
    return p;
}

/* an API that can cancel */
static const struct promise_domain lookup_errors = {"lookup", NULL};
struct lookup { promise_resolver_t *r; void *query; };
void *lib_start(const char *name, void (*cb)(void *priv, int status, const char *text), void *priv);
void lib_cancel(void *query);

static void lookup_done(void *priv, int status, const char *text) {
    struct lookup *l = priv;
    promise_resolve(l->r, status ? promise_throw(&lookup_errors, status, "lookup failed") : promise_string(text));
}                                                   /* l is freed by attach, from the drain, never inside resolve */
static void lookup_stop(void *priv) {
    struct lookup *l = priv;
    lib_cancel(l->query);
    promise_abandon(l->r);                          /* already rejected ECANCELED: this only lets go */
}
promise_t *lookup(promise_loop_t *loop, const char *name) {
    struct lookup *l = calloc(1, sizeof *l);
    if (!l) return promise_from(loop, promise_throw_errno(12, "lookup"));
    promise_t *p = promise_attach(promise_new(loop, &l->r), l, free);
    promise_on_cancel(l->r, lookup_stop, l);
    l->query = lib_start(name, lookup_done, l);     /* may call back before it returns: l is still there */
    return p;
}
static promise_value_t print_reply(promise_value_t v, void *arg) {
    (void)arg;
    size_t size;
    const char *text = promise_as_bytes(v, &size);
    printf("%.*s\n", (int)size, text);
    return promise_void();
}

int main(void) {
    promise_loop_t *loop = promise_loop_new(NULL);
    redisAsyncContext *c = redisAsyncConnect("127.0.0.1", 6379);
    redisLibeventAttach(c, promise_loop_base(loop));
    promise_t *p = promise_timeout(redis_command(loop, c, "GET %s", "greeting"), 1000);
    p = promise_then(p, print_reply, NULL);
    int status = promise_loop_run(loop, p, NULL);
    redisAsyncFree(c);
    promise_loop_free(loop);
    return status ? 1 : 0;
}
