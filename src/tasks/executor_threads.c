/* The engine of threads. A call is moved there whole: the bytes that the caller may still have are copied (H3). */
#include <promise/executor.h>
#include <promise/work.h>

#include <string.h>

#include "tasks/function.h"

#include "waiting.h"

struct threads {
    promise_pool_t *pool;
    const struct promise_function *functions;
};

struct there {
    const struct promise_function *functions;
    promise_value_t bytes; /* ours alone */
    char name[];
};

static void there_free(void *arg) {
    struct there *t = arg;

    promise__release(t->bytes);
    promise__free(t);
}

static promise_value_t call(promise_value_t v, void *arg) {
    struct there *t = promise_as_box(v);

    (void)arg;
    return promise_function_call(t->functions, t->name, promise__mark(t->bytes, MARK_LENT));
}

static promise_t *run_on_thread(void *data, promise_loop_t *loop, const char *name, promise_value_t bytes) {
    const struct threads *threads = data;
    size_t name_size = strlen(name) + 1, size;
    const char *from = promise_as_bytes(bytes, &size);
    struct there *t = promise__malloc(sizeof *t + name_size);

    if (!t) return promise__settled(loop, promise__nomem());
    *t = (struct there){threads->functions, promise_bytes(from, size)};
    memcpy(t->name, name, name_size);
    return promise_work(loop, threads->pool, call,
                        promise_box(t, there_free)); /* without memory a rejection, which passes by */
}

promise_executor_t *promise_executor_threads(promise_loop_t *loop, promise_pool_t *pool,
                                             const struct promise_function *functions) {
    static const struct promise_engine engine = {.size = sizeof engine, .run = run_on_thread, .free = promise__free};
    struct threads *threads;

    loop = promise__loop_arg(loop, __func__);
    threads = promise__malloc(sizeof *threads);
    if (!threads) return promise_source_nomem(loop);
    *threads = (struct threads){pool, functions};
    return promise_executor_new(loop, &engine, threads);
}
