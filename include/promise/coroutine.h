/*
 * Coroutines: functions that wait, for a promise, where they stand, and go on when it has settled. async and await.
 *
 *     static promise_value_t save_page(promise_value_t url, void *arg) {
 *         promise_value_t v = {0};
 *         if (promise_await(fetch(NULL, promise_as_string(url)), &v) < 0) return v;
 *         if (promise_await(save("page.html", v), &v) < 0) return v;              // the reason: also that of a cancel
 *         ...
 *         return v;
 *     }
 *     ...
 *     p = promise_then_async(p, save_page, NULL);         // or: promise_async(loop, main_task, &world)
 *
 * A coroutine runs on a stack of its own, on the thread of its loop, and only ever gives its turn away in promise_await() (and
 * promise_yield()): between two of them nothing else runs, and no lock is needed. Whatever it calls may await, at any depth;
 * no function needs a special form to be awaited. errno is the thread's: read it before the next await.
 *
 * Cancelling its promise (K3) makes what it awaits now, and everything that it awaits later, return -1 with PROMISE_ECANCELED,
 * so that it cleans up and leaves; a promise_shield() is awaited all the same. Its promise settles when it has left (T5): what
 * it uses may be freed after that. One that is cancelled before it was started never starts. promise_loop_free() cancels all.
 * So a loop around an await must end when it gives -1.
 */
#ifndef PROMISE_COROUTINE_H
#define PROMISE_COROUTINE_H

#include <promise/promise.h>

PROMISE_BEGIN

/* Zero is the default; set what you need by name, so that new fields do no harm. */
struct promise_coroutine_options {
    size_t stack_size; /* bytes; 0: 256 KiB, enough for what libc does. Memory is used as it is touched. */
    const char *name;  /* for messages, as by promise_set_name(); copied, and left out when there is no memory for that */
    void *reserved[4]; /* zero */
};

/* ---- start ---- */

/* Calls fn(void, arg) from the loop's drain, as a coroutine; the promise gets its result, as from a handler. When there is no
 * memory for a stack, it rejects with ENOMEM. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_async(promise_loop_t *loop, promise_fn *fn, void *arg);
/* The same with options, which are copied; NULL: the default ones. */
PROMISE_API PROMISE_MUST_USE promise_t *
promise_async_with(promise_loop_t *loop, const struct promise_coroutine_options *options, promise_fn *fn, void *arg);
/* promise_then(), with a coroutine as its handler: fn gets the value when p is fulfilled, lent until it has left; a rejection
 * passes by. Consumes p.
 * Where only a promise_fn is taken (promise_map(), promise_each(), promise_mutex_with(), promise_call(), promise_loops_run()),
 * give one that starts the coroutine: `return promise_adopt(promise_then_async(promise_from(NULL, v), fn, arg));`. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_then_async(promise_t *p, promise_fn *fn, void *arg);
PROMISE_API PROMISE_MUST_USE promise_t *promise_then_async_with(promise_t *p, const struct promise_coroutine_options *options,
                                                                promise_fn *fn, void *arg);

/* ---- inside one; elsewhere these stop the program ---- */

/* Waits until p has settled, and consumes it. 0, or -1 when it was rejected. *v lets go of what it held and gets the value or
 * the rejection, which is held: `return v` hands it on, another await replaces it, promise_value_clear() lets go of it. So v
 * begins as {0}, and one variable serves a whole coroutine. v may be NULL. A promise that has settled is no wait: the coroutine
 * goes on at once (but after many in a row the loop has its turn, J1). A promise that waits for this coroutine is ECYCLE. */
PROMISE_API int promise_await(promise_t *p, promise_value_t *v);
/* Calls fn(arg) at the coroutine's end, on every path, before its promise settles; several are called last first. fn may await.
 * The coroutine's function has returned by then, so that arg must not point to a local variable of its. Without memory, it
 * has the reserve of promise_attach(). fn must not be NULL. */
PROMISE_API void promise_defer(void (*fn)(void *arg), void *arg);

/* ---- query ---- */

/* Is this a coroutine that runs? Not so in handlers, in stop functions, and outside of the loop. */
PROMISE_API bool promise_in_coroutine(void);

PROMISE_END

#endif
