/* What a program that uses the library looks like from outside: run.sh builds and runs it. Prints "sum 42". */
#include <promise.h>
#include <stdio.h>

static promise_fn add_two, print;

int main(void) {
    promise_loop_t *loop = promise_loop_new(NULL);
    promise_resolver_t *resolver;

    if (loop == NULL) return 1;
    promise_t *p = promise_new(loop, &resolver);
    p = promise_then(p, add_two, NULL);
    p = promise_then(p, print, NULL);
    promise_resolve(resolver, promise_int(40));
    int status = promise_loop_run(loop, p, NULL);
    promise_loop_free(loop);
    return status == 0 ? 0 : 1;
}

static promise_value_t add_two(promise_value_t v, void *arg) {
    (void)arg;
    return promise_int(promise_as_int(v) + 2);
}

static promise_value_t print(promise_value_t v, void *arg) {
    (void)arg;
    printf("sum %d\n", (int)promise_as_int(v));
    return promise_void();
}
