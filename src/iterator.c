/* Iterators: over a list, over what a function gives, or over what a generator yields. */
#include <promise/iterator.h>

#include <string.h>

#include "tasks/generator.h"

struct waiter { /* a promise_next() that came while a call was under way */
    struct waiter *next, **link; /* link: what points to it */
    promise_iterator_t *it;
    promise_resolver_t *resolver;
};

struct promise_iterator {
    promise_loop_t *loop;
    promise_t *anchor;    /* a reference of ours: the loop's memory stays as long as the iterator */
    promise_value_t list; /* to be walked, or a rejection to be given; void when there is a function */
    size_t index;         /* in the list */
    promise_fn *fn;
    void *arg;
    struct generator *generator; /* in place of both */
    const struct promise_feeder *feeder; /* or NULL: of an object, arg, that gives the promises itself */
    promise_t *current;          /* the call that is under way; not a reference: the call ends before it does */
    struct waiter *waiters, **waiters_tail; /* in the order of the calls */
    promise_t *attached;         /* slots of the slab that hold what is to be freed, linked by next */
    bool ended, closed;
};

promise_loop_t *promise__iterator_loop(const promise_iterator_t *it) { return it->loop; }

/* ---- make and free ---- */

void promise__iterator_free(promise_iterator_t *it) { promise__free(it); }

promise_iterator_t *promise__iterator_nomem(promise_loop_t *loop) {
    promise_iterator_t *it = promise__malloc(sizeof *it);

    if (!it) return NULL;
    memset(it, 0, sizeof *it);
    it->loop = loop;
    return it;
}

static bool is_nomem(const promise_iterator_t *it) { return it == it->loop->nomem_iterator; }

static promise_iterator_t *iterator_new(promise_loop_t *loop, promise_value_t list, promise_fn *fn, void *arg) {
    promise_iterator_t *it = promise__malloc(sizeof *it);

    if (!it) {
        promise__release(list);
        return loop->nomem_iterator;
    }
    *it = (promise_iterator_t){.loop = loop, .anchor = promise_ref(loop->nomem), .list = list, .fn = fn, .arg = arg};
    it->waiters_tail = &it->waiters;
    return it;
}

promise_iterator_t *promise__iterator_of_generator(promise_loop_t *loop, struct generator *g) {
    promise_iterator_t *it = iterator_new(loop, promise_void(), NULL, NULL);

    if (is_nomem(it)) return NULL;
    it->generator = g;
    return it;
}

static void iterator_destroy(promise_iterator_t *it) {
    promise_t *slot, *anchor = it->anchor;

    while ((slot = it->attached)) {
        it->attached = slot->next;
        slot->free_object(slot->object);
        promise__slab_release(promise__loop(slot), slot);
    }
    promise__release(it->list);
    if (it->generator) promise__generator_free(it->generator);
    promise__free(it);
    promise__drop_ref(anchor);
}

promise_iterator_t *promise_list_items(promise_loop_t *loop, promise_value_t list) {
    loop = promise__loop_arg(loop, __func__);
    if (!promise_is(list, &promise_type_list) && !promise_is_rejection(list)) {
        promise_value_t given = promise__take(list);
        list = promise__bad_argument(__func__, "list is not a list");
        promise__release(given);
    }
    return iterator_new(loop, promise__take(list), NULL, NULL);
}

promise_iterator_t *promise_items(promise_loop_t *loop, size_t n, const promise_value_t *items) {
    if (n && !items) return promise_list_items(loop, promise__bad_argument(__func__, "items is NULL"));
    return promise_list_items(loop, promise_list(n, items));
}

promise_iterator_t *promise_strings(promise_loop_t *loop, size_t n, char *const *strings) {
    promise_value_t list;

    if (n && !strings) return promise_list_items(loop, promise__bad_argument(__func__, "strings is NULL"));
    list = promise__list_of(n);
    for (size_t i = 0; i < n && !promise_is_rejection(list); i++) {
        promise_value_t text = strings[i] ? promise_string(strings[i]) : promise__bad_argument(__func__, "a string is NULL");
        struct list *l = promise__object(list);
        if (!promise_is_rejection(text)) l->items[i] = text;
        else {
            promise__release(list);
            list = text;
        }
    }
    return promise_list_items(loop, list);
}

promise_iterator_t *promise_pull(promise_loop_t *loop, promise_fn *fn, void *arg) {
    if (!fn) promise__stop("promise_pull: fn is NULL");
    return iterator_new(promise__loop_arg(loop, __func__), promise_void(), fn, arg);
}

promise_iterator_t *promise__iterator_fed(promise_loop_t *loop, const struct promise_feeder *feeder, void *object) {
    promise_iterator_t *it = iterator_new(loop, promise_void(), NULL, object);

    if (is_nomem(it)) feeder->close(object);
    else it->feeder = feeder;
    return it;
}

static void check_iterator(const promise_iterator_t *it, const char *function) {
    if (!it) promise__stop("%s: the iterator is NULL", function);
    if (it->closed) promise__stop("%s: expected an iterator, got one that was closed", function);
}

promise_iterator_t *promise_iterator_attach(promise_iterator_t *it, void *object, void (*free_object)(void *object)) {
    promise_t *slot;

    check_iterator(it, __func__);
    if (!free_object) promise__stop("promise_iterator_attach: free_object is NULL");
    if (is_nomem(it)) { /* nothing will ever use the object */
        free_object(object);
        return it;
    }
    slot = promise__alloc(it->loop, KIND_ATTACH);
    if (!slot) promise__stop("promise_iterator_attach: out of memory, and so is the reserve");
    slot->flags |= FLAG_SETTLED; /* nobody's: it waits for nothing */
    slot->object = object;
    slot->free_object = free_object;
    slot->next = it->attached;
    it->attached = slot;
    return it;
}

/* ---- a function's items, and promises in a list: one call at a time, the others wait ---- */

static promise_t *start_call(promise_iterator_t *it);

/* The item that is next in the list, or the end, lent. */
static promise_value_t in_list(const promise_iterator_t *it) {
    return it->index < promise_list_size(it->list) ? promise_list_get(it->list, it->index) : promise_end();
}

static void see(promise_iterator_t *it, promise_value_t item) {
    it->index++;
    if (promise_is_end(item) || promise_is_rejection(item)) it->ended = true;
}

static promise_value_t call_fn(promise_value_t v, void *arg) {
    promise_iterator_t *it = arg;

    if (it->ended || it->closed) return promise_end();
    return it->fn ? it->fn(v, it->arg) : in_list(it);
}

/* Sees what came. A call that was cancelled does not end the iterator: the next one asks again (K6). */
static promise_value_t look(promise_value_t v, void *arg) {
    promise_iterator_t *it = arg;

    if (!promise__is_the_canceled(v) || !promise__running_is_canceled(it->loop)) see(it, v);
    return v;
}

/* It leaves the queue, and is no more. */
static promise_resolver_t *take_waiter(struct waiter *w) {
    promise_resolver_t *resolver = w->resolver;

    *w->link = w->next;
    if (w->next) w->next->link = w->link;
    else w->it->waiters_tail = w->link;
    promise__free(w);
    return resolver;
}

/* A waiter that is not pending was rejected out of memory: a call for it would lose an item. */
static void serve_waiters(promise_iterator_t *it) {
    while (it->waiters && !it->current) {
        promise_resolver_t *resolver = take_waiter(it->waiters);
        if (promise_resolver_is_pending(resolver)) promise_resolve(resolver, promise_adopt(start_call(it)));
        else promise_abandon(resolver);
    }
}

/* Has it nothing that is still to end? */
static bool is_over(const promise_iterator_t *it) {
    return !it->current && (!it->generator || promise__generator_has_left(it->generator));
}

static void call_done(void *arg) {
    promise_iterator_t *it = arg;

    it->current = NULL;
    if (!it->closed) serve_waiters(it);
    else if (is_over(it)) iterator_destroy(it);
}

/* p is to be the item. */
static promise_t *call_is(promise_iterator_t *it, promise_t *p) {
    p = promise_then_catch(p, look, look, it);
    it->current = p = promise_attach(p, it, call_done);
    return p;
}

/* ---- a generator's: what was asked for is the call that is under way ---- */

/* The generator goes on: what it yields is for the next one who asks (K6). */
static void ask_stop(void *arg) {
    promise_iterator_t *it = arg;

    promise__generator_ask_no_more(it->generator);
    call_done(it);
}

static promise_t *ask(promise_iterator_t *it) {
    promise_resolver_t *resolver;
    promise_t *p;

    if (it->loop->dying) return promise__settled(it->loop, promise__canceled());
    if (it->ended) return promise__settled(it->loop, promise_end());
    p = promise_new_at("promise_generator", it->loop, &resolver);
    if (!promise_resolver_is_pending(resolver)) { /* there is no memory: nothing is asked for */
        promise_abandon(resolver);
        return p;
    }
    promise_on_cancel(resolver, ask_stop, it);
    it->current = p;
    promise__generator_ask(it->generator, resolver);
    return p;
}

void promise__iterator_give(promise_iterator_t *it, promise_resolver_t *resolver, promise_value_t item) {
    if (promise__must_unwrap(item)) {
        promise_resolve(resolver, promise_adopt(call_is(it, promise_from(it->loop, item))));
        return;
    }
    see(it, item);
    promise_resolve(resolver, item);
    call_done(it);
}

bool promise__iterator_is_closed(const promise_iterator_t *it) { return it->closed; }
void promise__iterator_left(promise_iterator_t *it) {
    if (is_over(it)) iterator_destroy(it);
}

static promise_t *start_call(promise_iterator_t *it) {
    return it->generator ? ask(it) : call_is(it, promise_try(it->loop, call_fn, it));
}

static void waiter_stop(void *arg) { promise_abandon(take_waiter(arg)); }

static promise_t *wait_for_call(promise_iterator_t *it) {
    struct waiter *w = promise__malloc(sizeof *w);
    promise_t *p;

    if (!w) return promise__settled(it->loop, promise__nomem());
    *w = (struct waiter){.it = it, .link = it->waiters_tail};
    p = promise_new(it->loop, &w->resolver);
    promise_on_cancel(w->resolver, waiter_stop, w);
    *it->waiters_tail = w;
    it->waiters_tail = &w->next;
    return p;
}

const promise_t *promise__iterator_asked(const promise_t *p, const char **what) {
    const promise_iterator_t *it = NULL;
    const promise_t *awaited = NULL;

    if (promise__kind(p) != KIND_SOURCE || p->flags & FLAG_SETTLED) return NULL;
    if (p->stop == waiter_stop) {
        it = ((const struct waiter *)p->stop_arg)->it;
        awaited = it->current;
    } else if (p->stop == ask_stop) {
        it = p->stop_arg;
        awaited = promise__generator_coroutine(it->generator);
    }
    if (it && what) *what = it->generator ? "a generator" : "an iterator";
    return awaited;
}

/* ---- use one by one ---- */

static bool is_pending_item(promise_value_t item) {
    return !promise_is_rejection(item) && promise__type(item) && promise__type(item)->then;
}

static promise_t *next_in_list(promise_iterator_t *it) {
    promise_value_t item;

    if (promise_is_rejection(it->list)) {
        it->ended = true;
        return promise__settled(it->loop, promise__copy(it->list));
    }
    item = in_list(it);
    if (is_pending_item(item)) return start_call(it);
    see(it, item);
    return promise_from(it->loop, item);
}

promise_t *promise_next(promise_iterator_t *it) {
    check_iterator(it, __func__);
    promise__check_thread(it->loop, __func__);
    if (is_nomem(it)) return promise_ref(it->loop->nomem);
    if (it->loop->dying) return promise__settled(it->loop, promise__canceled());
    if (it->feeder) return it->feeder->next(it->arg);
    if (it->current) return wait_for_call(it);
    if (it->ended) return promise__settled(it->loop, promise_end());
    return it->fn || it->generator ? start_call(it) : next_in_list(it);
}

void promise_iterator_close(void *arg) {
    promise_iterator_t *it = arg;
    promise_loop_t *loop;

    if (!it) return;
    check_iterator(it, __func__);
    if (is_nomem(it)) return;
    it->closed = true;
    loop = it->loop;
    while (it->waiters) promise_reject(take_waiter(it->waiters), promise__canceled());
    if (it->feeder) it->feeder->close(it->arg);
    if (is_over(it)) {
        iterator_destroy(it);
        return;
    }
    if (it->generator) promise__generator_close(it->generator);
    if (it->current) promise__cancel_up(it->current);
    promise__cancel_all(loop);
}

promise_t *promise__iterator_leaving(const promise_iterator_t *it) {
    return it->generator ? promise__generator_leaving(it->generator) : NULL;
}
