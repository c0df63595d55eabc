/* The engine's short ways, inline: each promise takes them once or twice in its life. What is rare is in job.c. */
#ifndef PROMISE_SRC_JOB_H
#define PROMISE_SRC_JOB_H

/* There is something for a drain to do. */
static inline void promise__wake(promise_loop_t *loop) {
    if (PROMISE_LIKELY(loop->woken)) return;
    loop->woken = true;
    loop->host->wake(loop->host_data, false);
}

static inline void promise__enqueue(promise_loop_t *loop, promise_t *p) {
    p->next = NULL;
    *loop->tail = p;
    loop->tail = &p->next;
    promise__wake(loop);
}

static inline void promise__free_settled(promise_loop_t *loop, promise_t *p) {
    promise_value_t v = p->value;

    promise__slab_release(loop, p);
    promise__release(v);
}

void promise__look_if_unused(promise_t *p); /* the same for any p that is settled */

/* p is settled. */
static inline void promise__free_if_unused(promise_t *p) {
    if (p->refs) return;
    if (PROMISE_UNLIKELY(promise__flags(p) & (FLAG_QUEUED | FLAG_LISTED | FLAG_NAMED | FLAG_RESOLVERS | FLAG_ITEM)))
        promise__look_if_unused(p);
    else promise__free_settled(promise__loop(p), p);
}

static inline void promise__drop_ref(promise_t *p) {
    p->refs--;
    if (p->flags & FLAG_SETTLED) promise__free_if_unused(p);
}

/* Queues p as a job of its own; the parent, of which it takes one reference over, may be NULL: then its input is void. */
void promise__run_late(promise_t *p, promise_t *settled_parent);

/* Makes c, pending and in no list, wait for p, of which it takes one reference over. */
static inline void promise__wait_for(promise_t *c, promise_t *p) {
    promise__handled(p);
    if (PROMISE_UNLIKELY(p->flags & FLAG_SETTLED)) {
        promise__run_late(c, p);
        return;
    }
    p->refs--;
    promise__append_child(p, c);
}

void promise__settle_alone(promise_t *p);              /* nobody waits for it */
void promise__unwrap(promise_t *p, promise_value_t v); /* v is a promise or a thenable */

/* Takes v over, which has no owner bits. */
static inline void promise__settle(promise_t *p, promise_value_t v) {
    p->value = v;
    if (PROMISE_LIKELY(p->children != NULL)) {
        p->flags |= FLAG_SETTLED | FLAG_QUEUED;
        promise__enqueue(promise__loop(p), p);
    } else {
        p->flags |= FLAG_SETTLED;
        if (v.type & MARK_REJECTION || !p->refs) promise__settle_alone(p);
    }
}

/* Is it a promise or a thenable, to be waited for (2.3)? */
static inline bool promise__must_unwrap(promise_value_t v) {
    const struct promise_type *type = promise__type(v);

    return PROMISE_UNLIKELY(type && type->then) && !(v.type & MARK_REJECTION);
}

/* Settles by the resolution procedure (2.3). */
static inline void promise__resolve(promise_t *p, promise_value_t v) {
    if (promise__must_unwrap(v)) promise__unwrap(p, v);
    else promise__settle(p, v);
}

#endif
