/* region: hello */
#include <promise.h>
#include <stdio.h>

static promise_value_t greet(promise_value_t v, void *name) {
    printf("hello, %s\n", (const char *)name);
    return v;
}

int main(void) {
    promise_loop_t *loop = promise_loop_new(NULL);
    int status = loop ? promise_loop_run(loop, promise_then(promise_sleep(loop, 100), greet, "world"), NULL) : -1;
    promise_loop_free(loop);
    return status < 0 ? 1 : 0;
}
/* end: hello */
