/*
 * Cancelling. It goes up by a loop, settles only what is at the top, and leaves the rest to the queue: from there ECANCELED
 * flows down like any rejection. Roots go on a work list, so that stops and combinators within combinators never nest.
 */
#include "core.h"

/* The promise above p that nobody else wants, or NULL: then the cancel ends at p. */
static promise_t *next_up(const promise_t *p) {
    promise_t *parent;

    if (!promise__is_child(p) || !promise__is_only_child(p)) return NULL;
    if (promise__kind(p) == KIND_SHIELD || p->flags & FLAG_WAITING) return NULL;
    parent = promise__untag(p->next);
    if (parent->flags & FLAG_SETTLED || parent->refs) return NULL;
    if (promise__kind(p) == KIND_ADOPT && promise__kind(parent) == KIND_SHIELD) return NULL;
    if (promise__kind(p) == KIND_COROUTINE && promise__coroutine_is_shielded(p)) return NULL;
    return parent;
}

/* Does p, adopting, wait for a shield? Found among up to 64 that wait with it. */
static bool waits_for_shield(const promise_t *p) {
    int steps = 64;
    const promise_t *parent = promise__is_child(p) ? promise__parent(p, &steps) : NULL;

    return parent && promise__kind(parent) == KIND_SHIELD;
}

/* Some cannot leave before their input has come: they get another one then. */
static bool must_wait(const promise_t *p) {
    switch (promise__kind(p)) {
    case KIND_ATTACH: return true;                            /* O3: the links above may still run */
    case KIND_FINALLY: return (p->flags & FLAG_WAITING) != 0; /* K3: what finally returns, runs */
    case KIND_ADOPT: return waits_for_shield(p);
    default: return false;
    }
}

/* A handler that runs, or a coroutine that runs or awaits a shield: those hear of it later, if at all. */
static bool goes_on(const promise_t *p) {
    return promise__loop(p)->running == p || (promise__kind(p) == KIND_COROUTINE && promise__coroutine_is_shielded(p));
}

void promise__cancel_up(promise_t *p) {
    promise_t *start = p, *below = p, *up = p;

    do {
        up->flags |= FLAG_CANCELED;
        if (promise__kind(up) == KIND_TIMEOUT) promise__timer_stop(promise__loop(up), up); /* a cancel frees it at once (K5) */
        below = p;
        p = up;
        up = next_up(up);
    } while (up && up != start); /* a circle that was too long to be refused is cut where it came round */
    if (goes_on(p)) {            /* it finishes; what it returns is cancelled (K3), and waited for (O3) */
        if (below != p) below->flags |= FLAG_OVERRIDE;
    } else if (must_wait(p) && !up) {
        p->flags |= FLAG_OVERRIDE;
    } else if (p->flags & FLAG_LATE) {
        p->flags |= FLAG_NO_INPUT;
    } else if (!promise__is_child(p)) {
        promise__cancel_root(p);
    } else {
        promise__unlink_child(p);
        p->flags |= FLAG_NO_INPUT;
        promise__run_late(p, NULL);
    }
}

void promise__cancel_root(promise_t *p) {
    promise_loop_t *loop = promise__loop(p);

    if (p->flags & (FLAG_SETTLED | FLAG_LISTED)) return;
    p->flags |= FLAG_LISTED | FLAG_CANCELED;
    p->prev = NULL;
    *loop->cancels_tail = p;
    loop->cancels_tail = &p->prev;
}

void promise__doom(promise_t *p) {
    promise_loop_t *loop = promise__loop(p);

    promise__cancel_root(p);
    p->flags |= FLAG_NOMEM;
    promise__wake(loop);
}

/* K2: rejected first, then stopped. */
static void cancel_source(promise_t *p) {
    void (*stop)(void *arg) = p->stop;
    void *arg = p->stop_arg;

    promise__settle(p, p->flags & FLAG_NOMEM ? promise__nomem() : promise__canceled());
    if (stop) stop(arg);
}

PROMISE_NOINLINE void promise__work_off_cancels(promise_loop_t *loop) {
    promise_t *p;

    loop->canceling = true;
    while ((p = loop->cancels)) {
        loop->cancels = p->prev;
        if (!loop->cancels) loop->cancels_tail = &loop->cancels;
        p->flags &= ~(uint32_t)FLAG_LISTED;
        switch (promise__kind(p)) {
        case KIND_AGGREGATE: promise__aggregate_cancel(p); break;
        case KIND_WALK: promise__walk_cancel(p); break;
        case KIND_CHANNEL: promise__channel_cancel(p); break;
        case KIND_GROUP: promise__group_cancel(p); break;
        case KIND_TURN: promise__turn_cancel(p); break;
        case KIND_SLEEP:
            promise__timer_stop(loop, p);
            promise__settle(p, promise__canceled());
            break;
        default: cancel_source(p);
        }
    }
    loop->canceling = false;
}

bool promise__withdraw(promise_t *child) {
    if (promise__is_only_child(child)) {
        promise_t *input = promise__untag(child->next);
        if (!(input->flags & FLAG_SETTLED) && !input->refs) {
            promise__cancel_up(input);
            return true;
        }
    }
    promise__unlink_child(child);
    return false;
}

void promise_cancel(promise_t *p) {
    promise_loop_t *loop;

    if (!p) return;
    promise__check(p, __func__);
    loop = promise__loop(p);
    if (p->flags & FLAG_SETTLED) {
        promise__handled(p);
        promise__drop_ref(p);
        return;
    }
    p->refs--;
    promise__cancel_up(p);
    promise__cancel_all(loop);
}
