/* A loop without its host: making it, draining it, tearing it down. */
#include <limits.h>
#include <string.h>

#include "core.h"

enum { DEFAULT_BUDGET = 1024 };

_Thread_local promise_loop_t *promise__current;

promise_loop_t *promise_loop_current(void) { return promise__current; }

promise_loop_t *promise__loop_or_current(promise_loop_t *loop, const char *function) {
    if (!loop) loop = promise__current;
    if (!loop) promise__stop("%s: loop is NULL outside of a handler", function);
    if (loop->dead) promise__stop("%s: expected a loop, got one that was freed", function);
    promise__check_thread(loop, function);
    return loop;
}

#ifdef PROMISE_DEBUG
void promise__check_thread(const promise_loop_t *loop, const char *function) {
    if (loop->thread != &promise__current && !loop->dead)
        promise__stop(
            "%s: expected the thread of the loop, called on another (promise_remote_t and promise_mailbox_t may cross)",
            function);
}
#endif

/* ---- make ---- */

promise_loop_t *promise__loop_create(const struct promise_host *host, void *data) {
    promise_loop_t *loop = promise__malloc(sizeof *loop);

    if (!loop) return NULL;
    memset(loop, 0, sizeof *loop);
    loop->tail = &loop->head;
    loop->cancels_tail = &loop->cancels;
    loop->rejected.tail = &loop->rejected.first;
    loop->before.tail = &loop->before.first;
    loop->budget = DEFAULT_BUDGET;
    loop->thread = &promise__current;
    loop->host = host;
    loop->host_data = data;
    if (promise__slab_init(loop) < 0) {
        promise__free(loop);
        return NULL;
    }
    loop->nomem = promise__alloc(loop, KIND_ADOPT);
    loop->nomem->flags |= FLAG_SETTLED | FLAG_HANDLED | FLAG_RESOLVERS;
    loop->nomem->resolvers = 0;
    loop->nomem->value = promise__nomem();
    loop->nomem_iterator = promise__iterator_nomem(loop);
    if (loop->nomem_iterator) return loop;
    promise__loop_destroy(loop);
    return NULL;
}

promise_loop_t *promise_loop_new_hosted(const struct promise_host *host, void *data) {
    return host && host->wake ? promise__loop_create(host, data) : NULL;
}

void promise__loop_destroy(promise_loop_t *loop) {
    promise__iterator_free(loop->nomem_iterator);
    promise__slab_free(loop);
    promise__names_free(loop);
    promise__free(loop);
}

/* ---- tear down ---- */

static void cancel_if_root(promise_loop_t *loop, promise_t *p) {
    uint32_t done = FLAG_DECIDED | FLAG_CANCELED; /* it only waits for its branches, which are roots themselves or below one */

    (void)loop;
    if (p->flags & (FLAG_SETTLED | FLAG_LATE) || promise__kind(p) > LAST_ROOT || (p->flags & done) == done) return;
    promise__cancel_root(p);
}

/* What is still pending when no root is left waits for itself: in a circle too long for is_cycle, or through a combinator,
 * which is cut at one element after the other until the rest comes undone. */
static void cancel_if_child(promise_loop_t *loop, promise_t *p) {
    if (!promise__is_child(p)) return;
    if (promise__kind(p) != KIND_ELEMENT) {
        promise__cancel_up(p);
    } else if (!loop->head) {
        promise__unlink_child(p);
        p->flags |= FLAG_NO_INPUT;
        promise__run_late(p, NULL);
    }
}

static void drain_all(promise_loop_t *loop) {
    while (promise__drain(loop, UINT_MAX)) {}
}

/* What runs meanwhile may make new ones. */
void promise__cancel_everything(promise_loop_t *loop) {
    drain_all(loop);
    for (;;) {
        promise__slab_each(loop, cancel_if_root);
        if (!loop->cancels) promise__slab_each(loop, cancel_if_child);
        if (!loop->cancels && !loop->head) return;
        drain_all(loop);
    }
}

static void tear_down(promise_loop_t *loop) {
    loop->dying = true;
    loop->free_wanted = false;
    promise__cancel_everything(loop);
    promise__sources_go(loop);
    promise__cancel_everything(loop);
    if (loop->host->gone) loop->host->gone(loop->host_data);
    promise__slab_flush(loop);
    loop->dead = true;
    promise__drop_ref(loop->nomem); /* frees the loop, unless somebody still holds a promise or a resolver */
}

void promise_loop_free(promise_loop_t *loop) {
    if (!loop) return;
    if (loop->dead) promise__stop("promise_loop_free: expected a loop, got one that was freed");
    if (loop->thread != &promise__current)
        promise__stop("promise_loop_free: expected the thread of the loop, called on another");
    if (!loop->draining && !loop->canceling) {
        tear_down(loop);
        return;
    }
    loop->free_wanted = true;
    promise__wake(loop);
}

/* ---- drain ---- */

bool promise_loop_drain(promise_loop_t *loop) {
    bool more;

    loop = promise__loop_arg(loop, __func__);
    if (loop->draining) promise__stop("promise_loop_drain: called inside a handler: return a promise instead");
    if (loop->canceling) promise__stop("promise_loop_drain: called inside a stop function (promise_on_cancel)");
    more = promise__drain(loop, loop->budget);
    if (loop->free_wanted) {
        tear_down(loop);
        return false;
    }
    if (more) {
        loop->woken = true;
        loop->host->wake(loop->host_data, true);
    }
    return more;
}

bool promise_loop_has_jobs(const promise_loop_t *loop) {
    if (!loop) promise__stop("promise_loop_has_jobs: loop is NULL");
    return loop->head || loop->cancels || loop->rejected.first || loop->before.first;
}

void promise_loop_set_budget(promise_loop_t *loop, unsigned jobs) {
    promise__loop_arg(loop, __func__)->budget = jobs ? jobs : DEFAULT_BUDGET;
}
