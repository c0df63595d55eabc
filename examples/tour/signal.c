/* Signals: the next one, and all of them. */
#include "tour.h"

#include <signal.h>
#include <stdio.h>

/* region: next */
static promise_value_t work(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    raise(SIGTERM); /* stands for somebody who has had enough */
    return promise_adopt(promise_sleep(NULL, 60000));
}

static promise_value_t cleaned_up(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    printf("next: the work is stopped\n");
    return promise_void();
}

static promise_value_t terminated(promise_value_t signum, void *arg) {
    (void)arg;
    printf("next: %s\n", promise_as_int(signum) == SIGTERM ? "SIGTERM" : "another one");
    return promise_void();
}

static promise_t *next(promise_loop_t *loop) {
    promise_t *stop = promise_then(promise_signal(loop, SIGTERM), terminated, NULL);
    promise_t *p = promise_finally(promise_repeat(loop, work, NULL), cleaned_up, NULL);
    return promise_race_of(loop, p, stop, NULL); /* cancels the loser, and waits for it */
}
/* end: next */

/* region: all */
static promise_value_t reload(promise_value_t count, void *arg) {
    int *times = arg;
    printf("all: %d came\n", (int)promise_as_int(count));
    if (++*times == 2) return promise_throw(&promise_errors, PROMISE_ECLOSED, "enough"); /* ends each */
    raise(SIGHUP); /* while this is at work: it is there for the next item */
    raise(SIGHUP);
    return promise_adopt(promise_sleep(NULL, 10));
}

static promise_value_t enough(promise_value_t reason, void *arg) {
    (void)arg;
    return promise_error_is(reason, &promise_errors, PROMISE_ECLOSED) ? promise_void() : reason;
}

static promise_t *all(promise_loop_t *loop) {
    static int times;
    promise_iterator_t *signals = promise_signals(loop, SIGHUP); /* from here on they are counted */
    raise(SIGHUP);
    return promise_catch(promise_each(signals, 1, reload, &times), enough, NULL);
}
/* end: all */

int main(void) {
    static tour_fn *const parts[] = {next, all};
    return tour(sizeof parts / sizeof *parts, parts);
}
