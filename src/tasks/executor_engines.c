/* The engines of our own: the loop, and worker processes. */
#include <promise/executor.h>

#include "tasks/function.h"
#include "tasks/process.h"

/* ---- the loop ---- */

struct in_loop {
    const struct promise_function *function;
    promise_value_t bytes;
};

static void in_loop_free(void *arg) {
    struct in_loop *l = arg;

    promise__release(l->bytes);
    promise__free(l);
}

static promise_value_t call(promise_value_t v, void *arg) {
    struct in_loop *l = arg;

    (void)v;
    return l->function->run(promise__mark(l->bytes, MARK_LENT), NULL);
}

static promise_t *run_in_loop(void *functions, promise_loop_t *loop, const char *name, promise_value_t bytes) {
    const struct promise_function *f = promise_function_find(functions, name);
    struct in_loop *l;

    if (!f) return promise__settled(loop, promise__function_unknown(name));
    l = promise__malloc(sizeof *l);
    if (!l) return promise__settled(loop, promise__nomem());
    *l = (struct in_loop){f, promise__take(bytes)};
    return promise_attach(promise_try(loop, call, l), l, in_loop_free);
}

promise_executor_t *promise_executor_loop(promise_loop_t *loop, const struct promise_function *functions) {
    static const struct promise_engine engine = {.size = sizeof engine, .run = run_in_loop};

    return promise_executor_new(loop, &engine, (void *)(uintptr_t)functions);
}

/* ---- processes ---- */

static promise_t *run_in_process(void *pool, promise_loop_t *loop, const char *name, promise_value_t bytes) {
    (void)loop;
    return promise_process_run(pool, name, bytes);
}

promise_executor_t *promise_executor_processes(promise_process_pool_t *pool) {
    static const struct promise_engine engine = {.size = sizeof engine, .run = run_in_process};
    promise_loop_t *nomem = promise_source_nomem_loop(pool);

    if (!pool) promise__stop("%s: the pool is NULL", __func__);
    return nomem ? promise_source_nomem(nomem) : promise_executor_new(pool->loop, &engine, pool);
}
