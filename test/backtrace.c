/* For test/backtrace.sh: a coroutine in a few functions, that suspends once. */
#include <promise.h>
#include <stdio.h>

static volatile int depth;

__attribute__((__noinline__)) static void innermost(void) { depth++; }

__attribute__((__noinline__)) static void middle(void) {
    innermost();
    depth--;
}

static promise_value_t outer(promise_value_t v, void *arg) {
    (void)arg;
    (void)promise_await(promise_sleep(NULL, 1), &v);
    middle();
    depth++;
    return v;
}

int main(void) {
    promise_loop_t *loop = promise_loop_new(NULL);
    int status = promise_loop_run(loop, promise_async(loop, outer, NULL), NULL);

    promise_loop_free(loop);
    printf("%d\n", status);
    return status;
}
