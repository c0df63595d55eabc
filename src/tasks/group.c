/*
 * Groups of tasks. A group has a promise of KIND_GROUP, the root, and that a ring of elements, one on each task. The root
 * settles when its ring is empty and somebody has asked for the outcome. The group has no reference on it, so that a cancel
 * from below reaches it (K1), and forgets it when it settles.
 *
 * Where there is a limit, a task's element has its turn, which ends when the element has heard of the outcome: at a failure the
 * group has ended before the next one could begin.
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

struct turn { /* of a task, where there is a limit */
    promise_semaphore_t *slots;
    promise_fn *fn;
    void *arg;
    bool async, held; /* a coroutine; it has begun */
};

/* Or there is none. */
static void end_turn(struct turn *t) {
    if (!t) return;
    if (t->held) promise_semaphore_release(t->slots);
    promise__free(t);
}

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
static void left(promise_t *root, void *turn) {
    root->group->size--;
    end_turn(turn);
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
    struct turn *turn = e->slot;

    promise__element_free(promise__loop(e), e);
    root->group->size--;
    if (input.type & MARK_REJECTION && !(root->flags & FLAG_DECIDED)) decide(root, promise__copy(input));
    else end_if_empty(root);
    end_turn(turn); /* the group may be gone */
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

/* Takes turn over, too, which may be NULL. */
static int add(promise_group_t *g, promise_t *p, struct turn *turn) {
    promise_t *e = g->root ? promise__element_new(g->loop, g->root, p) : NULL;

    if (!e) {
        promise_cancel(p);
        end_turn(turn); /* it has not begun, and will not */
        if (takes_more(g)) decide(g->root, promise__nomem());
        return -1;
    }
    e->slot = turn;
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
    return add(g, p, NULL);
}

static promise_value_t begin(promise_value_t v, void *arg) {
    struct turn *t = arg;

    t->held = true;
    return t->async ? promise_adopt(promise_async(NULL, t->fn, t->arg)) : t->fn(v, t->arg);
}

static int add_in_turn(promise_group_t *g, promise_fn *fn, void *arg, bool async) {
    struct turn *t = promise__malloc(sizeof *t);

    if (!t) return add(g, promise__settled(g->loop, promise__nomem()), NULL);
    *t = (struct turn){.slots = g->slots, .fn = fn, .arg = arg, .async = async};
    return add(g, promise_then(promise_semaphore_acquire(g->slots), begin, t), t);
}

int promise_group_try(promise_group_t *g, promise_fn *fn, void *arg) {
    if (!fn) promise__stop("promise_group_try: fn is NULL");
    if (promise_source_nomem_loop(g) || !takes_more(check(g, __func__))) return -1;
    return g->slots ? add_in_turn(g, fn, arg, false) : add(g, promise_try(g->loop, fn, arg), NULL);
}

int promise_group_async(promise_group_t *g, promise_fn *fn, void *arg) {
    if (!fn) promise__stop("promise_group_async: fn is NULL");
    if (promise_source_nomem_loop(g) || !takes_more(check(g, __func__))) return -1;
    return g->slots ? add_in_turn(g, fn, arg, true) : add(g, promise_async(g->loop, fn, arg), NULL);
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
