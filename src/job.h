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

void promise__settle_alone(promise_t *p); /* nobody waits for it */
void promise__unwrap(promise_t *p, promise_value_t v); /* v is a promise or a thenable */

/* Takes v over, which has no owner bits. */
static inline void promise__settle(promise_t *p, promise_value_t v) {
    p->value = v;
    if (PROMISE_LIKELY(p->children != NULL)) {
        p->flags |= FLAG_SETTLED | FLAG_QUEUED;
        promise__enqueue(promise__loop(p), p);
    } else {
        p->flags |= FLAG_SETTLED;
        promise__settle_alone(p);
    }
}

/* The same, by the resolution procedure (2.3). */
static inline void promise__resolve(promise_t *p, promise_value_t v) {
    const struct promise_type *type = promise__type(v);

    if (PROMISE_UNLIKELY(type && type->then) && !(v.type & MARK_REJECTION)) promise__unwrap(p, v);
    else promise__settle(p, v);
}

#endif
