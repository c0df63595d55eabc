/* Generators: coroutines that rest between two items. The iterator in front of one is in iterator.c. */
#include "tasks/generator.h"

#include "tasks/coroutine.h"

struct generator {
    promise_iterator_t *it;
    promise_fn *fn;
    void *arg;
    promise_t *coroutine; /* its promise; NULL when it has left */
    promise_t *rest; /* never settles, but with the loop: the coroutine is its child before the first and between two items */
    promise_resolver_t *resolver; /* of the item that is asked for, or NULL */
    promise_value_t kept;         /* an item that came when nobody wanted it any more (K6) */
    bool has_kept, resting;
};

/* ---- make and free ---- */

/* The coroutine's promise, at rest; NULL: no memory. */
static promise_t *coroutine_new(promise_loop_t *loop, struct generator *g, size_t stack_size) {
    promise_t *p = promise__alloc(loop, KIND_COROUTINE);

    if (!p) return NULL;
    p->fulfilled = promise__generator_body;
    p->arg = g;
    p->coroutine = NULL;
    p->stack_size = stack_size;
    promise__append_child(g->rest, p);
    return p;
}

static promise_t *rest_new(promise_loop_t *loop) {
    promise_t *p = promise__alloc(loop, KIND_SOURCE);

    if (p) p->stop = NULL;
    return p;
}

static promise_iterator_t *generator_new(promise_loop_t *loop, const struct promise_coroutine_options *options, promise_fn *fn,
                                         void *arg, const char *function) {
    struct generator *g;

    if (!fn) promise__stop("%s: fn is NULL", function);
    loop = promise__loop_arg(loop, function);
    g = promise__malloc(sizeof *g);
    if (!g) return loop->nomem_iterator;
    *g = (struct generator){.fn = fn, .arg = arg, .rest = rest_new(loop), .resting = true};
    if (g->rest) g->coroutine = coroutine_new(loop, g, options ? options->stack_size : 0);
    if (g->coroutine) g->it = promise__iterator_of_generator(loop, g);
    if (g->it) {
        if (options && options->name) (void)promise_set_name(g->coroutine, options->name);
        return g->it;
    }
    if (g->coroutine) promise__slab_release(loop, g->coroutine);
    if (g->rest) promise__slab_release(loop, g->rest);
    promise__free(g);
    return loop->nomem_iterator;
}

promise_iterator_t *promise_generator(promise_loop_t *loop, promise_fn *fn, void *arg) {
    return generator_new(loop, NULL, fn, arg, __func__);
}
promise_iterator_t *promise_generator_with(promise_loop_t *loop, const struct promise_coroutine_options *options,
                                           promise_fn *fn, void *arg) {
    return generator_new(loop, options, fn, arg, __func__);
}

void promise__generator_free(struct generator *g) {
    promise__release(g->kept);
    promise__free(g);
}

/* ---- from the iterator ---- */

static void give(struct generator *g, promise_value_t item) {
    promise_resolver_t *resolver = g->resolver;

    g->resolver = NULL;
    promise__iterator_give(g->it, resolver, item);
}

void promise__generator_ask(struct generator *g, promise_resolver_t *resolver) {
    promise_value_t kept = g->kept;

    g->resolver = resolver;
    if (g->has_kept) {
        g->has_kept = false;
        g->kept = promise_void();
        give(g, kept);
    } else if (!g->coroutine) {
        give(g, promise_end());
    } else if (g->resting) {
        g->resting = false;
        promise__unlink_child(g->coroutine);
        promise__run_late(g->coroutine, NULL);
    }
}

void promise__generator_ask_no_more(struct generator *g) {
    promise_resolver_t *resolver = g->resolver;

    g->resolver = NULL;
    if (resolver) promise_abandon(resolver);
}

void promise__generator_close(struct generator *g) {
    g->resting = false;
    if (g->coroutine) promise__cancel_up(g->coroutine);
}

const promise_t *promise__generator_coroutine(const struct generator *g) { return g->coroutine; }
bool promise__generator_has_left(const struct generator *g) { return !g->coroutine; }

promise_t *promise__generator_leaving(const struct generator *g) {
    if (g->coroutine) g->coroutine->refs++;
    return g->coroutine;
}

/* ---- from the coroutine ---- */

promise_value_t promise__generator_body(promise_value_t v, void *arg) {
    struct generator *g = arg;

    return g->fn(v, g->arg);
}

static promise_value_t end(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_end();
}

/* What the function returned, as the last item. */
static promise_value_t last_item(promise_loop_t *loop, promise_value_t result) {
    if (promise_is_rejection(result)) return result;
    if (promise__must_unwrap(result)) return promise_adopt(promise_then(promise_from(loop, result), end, NULL));
    promise__release(result);
    return promise_end();
}

/* What nobody wants any more: no error is lost, as with finally. */
static promise_value_t unwanted(promise_value_t result) {
    if (promise__must_unwrap(result)) return result;
    if (promise_is_rejection(result) && !promise_is_canceled(result)) return result;
    promise__release(result);
    return promise_void();
}

promise_value_t promise__generator_left(struct generator *g, promise_value_t result) {
    promise_t *p = g->coroutine, *rest = g->rest;
    promise_loop_t *loop = promise__loop(p);

    g->coroutine = NULL;
    p->refs--;
    rest->refs--;
    if (rest->flags & FLAG_SETTLED) promise__free_if_unused(rest);
    else promise__settle(rest, promise_void());
    if (promise__iterator_is_closed(g->it)) {
        promise__iterator_left(g->it);
        return unwanted(result);
    }
    result = last_item(loop, result);
    if (g->resolver) give(g, result);
    else if (!g->has_kept) g->kept = result, g->has_kept = true;
    else promise__release(result); /* the loop goes */
    return promise_void();
}

/* ---- yield ---- */

static struct generator *generator_of(const promise_t *p) {
    if (p->fulfilled != promise__generator_body)
        promise__stop("promise_yield: expected a generator (promise_generator), called in another coroutine");
    return p->arg;
}

int promise_yield(promise_value_t v) {
    promise_t *p = promise__coroutine_arg(__func__);
    promise_loop_t *loop = promise__current;
    struct generator *g = generator_of(p);

    v = promise__take(v);
    if (p->flags & FLAG_CANCELED) {
        promise__release(v);
        return -1;
    }
    if (g->resolver) give(g, v);
    else g->kept = v, g->has_kept = true;
    if (g->resolver && loop->at_once) { /* the next one was asked for before */
        loop->at_once--;
        return 0;
    }
    if (g->resolver) {
        promise__run_late(p, NULL);
    } else {
        g->resting = true;
        promise__append_child(g->rest, p);
    }
    v = promise__coroutine_pause(loop, p); /* void, or ECANCELED */
    return promise_is_rejection(v) ? -1 : 0;
}
