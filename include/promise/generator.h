/*
 * Generators: a coroutine that gives one thing after the other, as an iterator.
 *
 *     static promise_value_t lines(promise_value_t v, void *path) {
 *         FILE *f = fopen(path, "r");
 *         char line[4096];
 *         if (!f) return promise_throw_errno(errno, "%s", (const char *)path);
 *         promise_defer(close_file, f);                                       // on every path
 *         while (fgets(line, sizeof line, f))
 *             if (promise_yield(promise_string(line)) < 0) break;             // nobody wants more
 *         return promise_end();
 *     }
 *     ...
 *     p = promise_map(promise_generator(loop, lines, "urls.txt"), 4, fetch, NULL);
 *
 * It runs only while an item is asked for: not before the first promise_next(), and after a promise_yield() not before the
 * next one. It may await between two items (what is asked for comes later then), and do all that a coroutine does.
 * What it returns ends the iterator: a rejection is its last item; any other value is dropped, after which comes the end.
 * A promise that it returns is waited for, for its rejection.
 *
 * Closing the iterator, or cancelling the walk that consumed it, cancels the generator: promise_yield() gives -1 from then
 * on, awaits ECANCELED, and it should leave. A walk waits until it has (T5), and so does what is attached to the iterator; a
 * rejection but ECANCELED that it leaves with then is the walk's, or reported as unhandled. One that was asked for nothing
 * never starts. Cancelling the promise of an item loses none: the generator goes on, and who asks next gets it (K6).
 */
#ifndef PROMISE_GENERATOR_H
#define PROMISE_GENERATOR_H

#include <promise/coroutine.h>
#include <promise/error.h>
#include <promise/iterator.h>

PROMISE_BEGIN

/* An iterator of what fn(void, arg), run as a coroutine, yields. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_generator(promise_loop_t *loop, promise_fn *fn, void *arg);
/* The same with options, which are copied; NULL: the default ones. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_generator_with(promise_loop_t *loop,
                                                                        const struct promise_coroutine_options *options,
                                                                        promise_fn *fn, void *arg);
/* In a generator: gives v, an argument as V2 says, as the next item, and waits until another one is asked for: then 0. -1 when
 * no more are wanted; v is let go of when that was so before. A promise (promise_adopt) is an item when it is fulfilled; its
 * rejection, like a rejection or the end, ends the iterator, and the next thing is that it is closed. Elsewhere it stops the
 * program. */
PROMISE_API int promise_yield(promise_value_t v);

PROMISE_END

#endif
