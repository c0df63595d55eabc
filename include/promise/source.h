/*
 * For those who write a source: an object on libevent, of the library's kind, whose callbacks settle promises.
 *
 *     struct query {
 *         struct promise_source source;           // goes with its loop
 *         struct event *event;
 *         promise_resolver_t *resolver;
 *     };
 *     static void on_event(evutil_socket_t fd, short what, void *arg) {
 *         struct query *q = arg;
 *         promise_loop_t *loop = q->source.loop;
 *         promise_source_enter(loop);
 *         promise_resolve(q->resolver, promise_void());
 *         promise_source_leave(loop);             // the handlers run here: q may be gone
 *     }
 *
 * A callback that only settles needs none of it: what is settled outside of enter and leave runs in the same pass of the
 * event_base, at the cost of one event more.
 */
#ifndef PROMISE_SOURCE_H
#define PROMISE_SOURCE_H

#include <promise/promise.h>

PROMISE_BEGIN

/* An object that has to go with its loop. Part of the object; the fields are the library's, but loop may be read: it is NULL
 * once the loop is gone, and before promise_source_add(). */
struct promise_source {
    promise_loop_t *loop;
    struct promise_source *next, **link;
    void (*gone)(struct promise_source *source);
};

/* Has promise_loop_free() call gone(source) when all promises of the loop were cancelled, before the event_base goes: it must
 * let go of what is libevent's, and settle what is left. The sources go in reverse order of their coming; each is removed
 * before the call, and what it settles there is still drained. source is borrowed until it is removed or gone. 0, or -1 when
 * the loop is being freed already: then nothing must be started on it (reject with PROMISE_ECANCELED). loop NULL: the running
 * one. */
PROMISE_API int promise_source_add(promise_loop_t *loop, struct promise_source *source,
                                   void (*gone)(struct promise_source *source));
/* The same for what there is one of in each loop: promise_source_find() finds it by its function. */
PROMISE_API int promise_source_add_single(promise_loop_t *loop, struct promise_source *source,
                                          void (*gone)(struct promise_source *source));
/* The one that was added last with this function, or NULL. */
PROMISE_API struct promise_source *promise_source_find(promise_loop_t *loop, void (*gone)(struct promise_source *source));
/* Takes it out again; fine when it is gone or was never added (all zero). */
PROMISE_API void promise_source_remove(struct promise_source *source);

/* Around what an event's callback does: what it settles is drained at the end, in the callback itself (J2). Only in what
 * libevent calls from its loop, never where it calls back from inside a function that you called: there just settle. */
PROMISE_API void promise_source_enter(promise_loop_t *loop);
PROMISE_API void promise_source_leave(promise_loop_t *loop);

/* What a constructor of such objects returns out of memory (O2): a pointer that is no object, but remembers the loop. Every
 * function of the object asks promise_source_nomem_loop(object) first: the loop on which to reject with
 * promise_out_of_memory(), or NULL for a real object. */
static inline void *promise_source_nomem(promise_loop_t *loop) { return (void *)((uintptr_t)loop | 1); }
static inline promise_loop_t *promise_source_nomem_loop(const void *object) {
    return (uintptr_t)object & 1 ? (promise_loop_t *)((uintptr_t)object & ~(uintptr_t)1) : NULL;
}

/* The ENOMEM rejection, which is static; and the one that a cancel gives. */
PROMISE_API promise_value_t promise_out_of_memory(void);
PROMISE_API promise_value_t promise_was_canceled(void);

PROMISE_END

#endif
