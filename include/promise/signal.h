/*
 * Signals: the next one, and all of them, counted.
 *
 *     promise_t *p = promise_race_of(loop, serve(loop), promise_signal(loop, SIGINT), NULL);    // ends the other, too
 *
 * A signal is handled by the library as long as somebody waits for it, or has an iterator of it; before and after it does what
 * it did. It is seen by the loop, between its callbacks, and so it may do anything.
 *
 * libevent has one event_base for all signals of a process: while one loop waits for a signal, a loop on another base is
 * refused (EBUSY). A signal event that the program adds to another base itself is refused by nobody, and takes all signals
 * away.
 */
#ifndef PROMISE_SIGNAL_H
#define PROMISE_SIGNAL_H

#include <promise/iterator.h>
#include <promise/promise.h>

PROMISE_BEGIN

/* The int signum, when that signal comes next; all who wait for it get it, in the order of the calls. Who asks again from a
 * handler of the one before misses none. What is no signal, or one that cannot be caught (SIGKILL, SIGSTOP), is an EINVAL
 * rejection. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_signal(promise_loop_t *loop, int signum);
/* An endless iterator of int: how many came since the item before, also while nobody asked; the system counts those that come
 * at the very same time as one. Keeps the loop going until it is closed. What cannot be waited for rejects, as above. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_signals(promise_loop_t *loop, int signum);

PROMISE_END

#endif
