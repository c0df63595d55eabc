/*
 * Groups of tasks. A group has a promise of KIND_GROUP, the root, and that a ring of elements, one on each task. The root
 * settles when its ring is empty and somebody has asked for the outcome. The group has no reference on it, so that a cancel
 * from below reaches it (K1), and forgets it when it settles.
 */
#include <promise/coroutine.h>
#include <promise/group.h>
#include <promise/semaphore.h>
#include <promise/source.h>

#include <string.h>

#include "ring.h"

struct promise_group {
    struct promise_source source;
    promise_loop_t *loop;
    promise_t *root; /* NULL: it has ended, with this: */
    promise_value_t outcome;
    promise_semaphore_t *slots; /* NULL: there is no limit */
    size_t size;
    bool wanted; /* the outcome: by who waits, or who ends it */
    bool freed;  /* our memory goes with the root */
};

static void destroy(promise_group_t *g) {
    promise_semaphore_free(g->slots);
    promise_source_remove(&g->source);
    promise__release(g->outcome);
    promise__free(g);
}

/* ---- the root ---- */

static void end_if_empty(promise_t *root) {
    promise_group_t *g = root->group;

    if (root->ring || !g->wanted) return;
    g->outcome = promise__copy(root->result);
    g->root = NULL;
    promise__settle(root, root->result);
    if (g->freed) destroy(g);
}

/* A task is not waited for. */
static void left(promise_t *root, struct walk_slot *slot) {
    (void)slot;
    root->group->size--;
}

/* Takes outcome over, and cancels what still runs. */
static void decide(promise_t *root, promise_value_t outcome) {
    promise_loop_t *loop = promise__loop(root);

    root->result = outcome;
    root->flags |= FLAG_DECIDED;
    promise__ring_release(root, left);
    end_if_empty(root);
    promise__cancel_all(loop);
}

void promise__group_element(promise_t *e, promise_value_t input) {
    promise_t *root = e->owner;

    promise__element_free(promise__loop(e), e);
    root->group->size--;
    if (input.type & MARK_REJECTION && !(root->flags & FLAG_DECIDED)) decide(root, promise__copy(input));
    else end_if_empty(root);
}

/* From below, or with the loop (J5). */
void promise__group_cancel(promise_t *root) {
    root->group->wanted = true;
    if (!(root->flags & FLAG_DECIDED)) {
        decide(root, promise__canceled());
        return;
    }
    promise__release(root->result);
    root->result = promise__canceled();
    end_if_empty(root);
}

/* ---- make and free ---- */

/* The root was cancelled with the rest, and has settled. */
static void loop_gone(struct promise_source *source) { destroy((promise_group_t *)(void *)source); }

static promise_group_t *group_new(promise_loop_t *loop) {
    promise_group_t *g = promise__malloc(sizeof *g);

    if (!g) return NULL;
    memset(g, 0, sizeof *g);
    if (promise_source_add(loop, &g->source, loop_gone) < 0) {
        promise__free(g);
        return NULL;
    }
    g->loop = loop;
    return g;
}

static promise_t *root_new(promise_loop_t *loop, promise_group_t *g) {
    promise_t *root = promise__alloc(loop, KIND_GROUP);

    if (!root) return NULL;
    root->refs = 0;
    root->ring = NULL;
    root->group = g;
    root->result = promise_void();
    return root;
}

/* The semaphore first, so that it goes last. */
static promise_group_t *new_with(promise_loop_t *loop, size_t limit) {
    promise_semaphore_t *slots = limit ? promise_semaphore_new(loop, limit) : NULL;
    promise_group_t *g = promise_source_nomem_loop(slots) ? NULL : group_new(loop);

    if (!g) {
        promise_semaphore_free(slots);
        return promise_source_nomem(loop);
    }
    g->slots = slots;
    g->root = root_new(loop, g);
    if (g->root) return g;
    destroy(g);
    return promise_source_nomem(loop);
}

promise_group_t *promise_group_new(promise_loop_t *loop) { return new_with(promise__loop_arg(loop, __func__), 0); }
promise_group_t *promise_group_new_with(promise_loop_t *loop, const struct promise_group_options *options) {
    return new_with(promise__loop_arg(loop, __func__), options ? options->limit : 0);
}

static promise_group_t *check(const promise_group_t *g, const char *function) {
    if (!g) promise__stop("%s: the group is NULL", function);
    promise__check_thread(g->loop, function);
    return (promise_group_t *)(uintptr_t)g;
}

void promise_group_free(void *group) {
    promise_group_t *g = group;

    if (!g || promise_source_nomem_loop(g)) return;
    g = check(g, __func__);
    if (g->freed) promise__stop("promise_group_free: expected a group, got one that was freed");
    if (!g->root) {
        destroy(g);
        return;
    }
    g->wanted = g->freed = true;
    if (g->root->flags & FLAG_DECIDED) end_if_empty(g->root);
    else decide(g->root, promise__canceled());
}

/* ---- tasks ---- */

static bool takes_more(const promise_group_t *g) { return g->root && !(g->root->flags & FLAG_DECIDED) && !g->loop->dying; }

static int add(promise_group_t *g, promise_t *p) {
    promise_t *e = g->root ? promise__element_new(g->loop, g->root, p) : NULL;

    if (!e) {
        promise_cancel(p);
        if (takes_more(g)) decide(g->root, promise__nomem());
        return -1;
    }
    g->size++;
    if (takes_more(g)) return 0;
    promise__ring_withdraw(e, left);
    promise__cancel_all(g->loop);
    return -1;
}

int promise_group_add(promise_group_t *g, promise_t *p) {
    promise__check(p, __func__);
    if (promise_source_nomem_loop(g)) {
        promise_cancel(p);
        return -1;
    }
    g = check(g, __func__);
    if (promise__loop(p) != g->loop)
        promise__stop("promise_group_add: expected a promise of the group's loop, got one of another");
    return add(g, p);
}

int promise_group_try(promise_group_t *g, promise_fn *fn, void *arg) {
    if (!fn) promise__stop("promise_group_try: fn is NULL");
    if (promise_source_nomem_loop(g) || !takes_more(check(g, __func__))) return -1;
    return add(g, g->slots ? promise_semaphore_with(g->slots, fn, arg) : promise_try(g->loop, fn, arg));
}

struct start { /* of a coroutine that waits for its turn */
    promise_fn *fn;
    void *arg;
};

static promise_value_t start_async(promise_value_t v, void *arg) {
    const struct start *s = arg;

    (void)v;
    return promise_adopt(promise_async(NULL, s->fn, s->arg));
}

static promise_t *async_in_turn(promise_group_t *g, promise_fn *fn, void *arg) {
    struct start *s = promise__malloc(sizeof *s);

    if (!s) return promise__settled(g->loop, promise__nomem());
    *s = (struct start){fn, arg};
    return promise_attach(promise_semaphore_with(g->slots, start_async, s), s, promise__free);
}

int promise_group_async(promise_group_t *g, promise_fn *fn, void *arg) {
    if (!fn) promise__stop("promise_group_async: fn is NULL");
    if (promise_source_nomem_loop(g) || !takes_more(check(g, __func__))) return -1;
    return add(g, g->slots ? async_in_turn(g, fn, arg) : promise_async(g->loop, fn, arg));
}

/* ---- wait and cancel ---- */

promise_t *promise_group_wait(promise_group_t *g) {
    promise_loop_t *loop = promise_source_nomem_loop(g);
    promise_t *root;

    if (loop) return promise__settled(loop, promise__no_object(loop));
    g = check(g, __func__);
    root = g->root;
    if (!root) return promise__settled(g->loop, promise__copy(g->outcome));
    root->refs++;
    g->wanted = true;
    end_if_empty(root);
    return root;
}

void promise_group_cancel(promise_group_t *g) {
    if (!promise_source_nomem_loop(g) && takes_more(check(g, __func__))) decide(g->root, promise__canceled());
}

size_t promise_group_size(const promise_group_t *g) { return promise_source_nomem_loop(g) ? 0 : check(g, __func__)->size; }
