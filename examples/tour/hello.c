/* region: hello */
#include <promise.h>
#include <stdio.h>

static promise_value_t greet(promise_value_t v, void *name) {
    printf("hello, %s\n", (const char *)name);
    return v;
}

int main(void) {
    promise_loop_t *loop = promise_loop_new(NULL);
    if (!loop) return 1;
    promise_t *p = promise_then(promise_sleep(loop, 100), greet, "world");
    int status = promise_loop_run(loop, p, NULL);
    promise_loop_free(loop);
    return status < 0 ? 1 : 0;
}
/* end: hello */
