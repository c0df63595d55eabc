/* Pools of threads. */
#include "tour.h"

#include <stdio.h>

/* region: pool */
static promise_value_t square(promise_value_t v, void *arg) {
    (void)arg;
    return promise_int(promise_as_int(v) * promise_as_int(v));
}

static promise_t *with_a_pool(promise_loop_t *loop) {
    promise_pool_t *pool =
        promise_pool_new(&(struct promise_pool_options){.name = "squares", .threads = 2, .queue_limit = 100});
    promise_t *squares[3];
    for (int i = 0; i < 3; i++) squares[i] = promise_work(loop, pool, square, promise_int(i + 1));
    return promise_attach(promise_then(promise_all(loop, 3, squares), show, "pool"), pool, promise_pool_free);
}
/* end: pool */

/* region: close */
static promise_value_t until_nobody_wants_it(promise_value_t v, void *arg) {
    (void)arg;
    while (!promise_work_canceled()) {} /* stands for something that takes its time */
    return v;
}

static promise_value_t tell(promise_value_t why, void *what) {
    printf("close: %s: %s\n", (const char *)what, promise_error_message(why));
    return promise_void();
}

static promise_t *with_a_limit(promise_loop_t *loop) {
    promise_pool_t *pool = promise_pool_new(&(struct promise_pool_options){.name = "slow", .threads = 1});
    promise_t *slow = promise_work(loop, pool, until_nobody_wants_it, promise_void());
    while (!promise_pool_running(pool)) {} /* else it would not even start */
    promise_t *p = promise_catch(promise_pool_close(loop, pool, 5), tell, "the pool");
    slow = promise_catch(slow, tell, "the work");
    return promise_attach(promise_all_of(loop, slow, p, NULL), pool, promise_pool_free);
}
/* end: close */

int main(void) {
    static tour_fn *const parts[] = {with_a_pool, with_a_limit};
    return tour(sizeof parts / sizeof *parts, parts);
}
