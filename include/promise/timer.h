/*
 * Time: sleep, ticks, timeouts and deadlines, and trying again.
 *
 *     promise_t *p = promise_timeout(fetch(loop, url), 2000);
 *
 * Times are milliseconds, measured from the call (not from the loop's cached time) on a monotonic clock; none comes early.
 * On a loop whose host has no clock they reject with ENOSYS.
 */
#ifndef PROMISE_TIMER_H
#define PROMISE_TIMER_H

#include <promise/iterator.h>
#include <promise/promise.h>

PROMISE_BEGIN

/* Milliseconds on the loop's clock, which is monotonic: of use with the functions that take a time of it, and to measure. A
 * host without a clock has 0. */
PROMISE_API uint64_t promise_now(promise_loop_t *loop);
/* Void, in ms milliseconds; 0 is the loop's next turn. Cancelling it frees the timer at once. Sleeps that are due together end
 * in the order of the calls. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_sleep(promise_loop_t *loop, uint64_t ms);
/* Void, when promise_now() is at_ms; when that has passed, in the loop's next turn. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_sleep_until(promise_loop_t *loop, uint64_t at_ms);
/* p's outcome; when it has not settled in ms milliseconds, it is cancelled if nobody else wants it, waited for (T5), and
 * the result rejects with PROMISE_ETIMEDOUT. An input that settled first wins, and its timer is gone at once (K5). */
PROMISE_API PROMISE_MUST_USE promise_t *promise_timeout(promise_t *p, uint64_t ms);
/* The same when it has not settled at a time of promise_now(): one deadline for many steps, each of which gets what is left.
 * One that has passed already cancels all but what has settled. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_deadline(promise_t *p, uint64_t at_ms);
/* An endless iterator of int: 1, 2, 3, ..., the n-th at start + n * ms, without drift. Who asks late gets the last one that is
 * due, at once; those before it are left out: the number tells. ms 0 is an EINVAL rejection. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_ticks(promise_loop_t *loop, uint64_t ms);

/*
 * When to try again. Zero is the default; set what you need by name, so that new fields do no harm.
 * The n-th wait is drawn evenly from 0 .. min(max_delay_ms, delay_ms * factor^(n-1)): exponential backoff with full jitter
 * (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015); with no_jitter it is that number itself.
 */
struct promise_retry_policy {
    unsigned count;        /* tries in all, the first included; 0: 3 */
    uint64_t delay_ms;     /* 0: 100 */
    uint64_t max_delay_ms; /* 0: 30,000 */
    double factor;         /* 0: 2; less than 1 is an EINVAL rejection */
    bool no_jitter;
    bool (*again)(promise_value_t reason, void *arg); /* is this one worth another try? NULL: each is */
    void *again_arg;
    void *reserved[4]; /* zero */
};

/* Calls fn(the number of the try, from 1, arg) until what it gives is fulfilled, or the policy says no: then the last
 * rejection rejects. Never again after PROMISE_ECANCELED. policy NULL: the default; it is copied. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_retry(promise_loop_t *loop, const struct promise_retry_policy *policy,
                                                      promise_fn *fn, void *arg);

PROMISE_END

#endif
