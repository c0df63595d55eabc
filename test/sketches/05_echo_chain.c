/* A sketch of what a user writes, as it was written. */
#include <promise.h>
#include <stdio.h>

static promise_value_t echo_write(promise_value_t v, void *s);
static promise_value_t echo_read(promise_value_t v, void *s) {
    (void)v;
    return promise_adopt(promise_then(promise_stream_read(s, 65536), echo_write, s));
}
static promise_value_t echo_write(promise_value_t v, void *s) {
    if (promise_is_end(v)) return v;
    return promise_adopt(promise_then(promise_stream_write(s, v), echo_read, s));
}
static promise_value_t report(promise_value_t v, void *arg) {
    (void)arg;
    if (!promise_is_canceled(v)) fprintf(stderr, "connection: %s\n", promise_error_message(v));
    return promise_void();
}
static promise_value_t hang_up(promise_value_t v, void *s) { (void)v; return promise_adopt(promise_stream_close(s)); }

static promise_value_t handle(promise_value_t v, void *arg) {
    promise_stream_t *s = promise_as_stream(v);
    promise_t *p = promise_try(NULL, echo_read, s);
    (void)arg;
    p = promise_catch(p, report, s);
    p = promise_finally(p, hang_up, s);
    return promise_adopt(p);                        /* v, and so s, lives until p settles */
}
int main(void) {
    promise_loop_t *loop = promise_loop_new(NULL);
    promise_listener_t *l = promise_listener_new(loop, "127.0.0.1", 7000);
    int status = promise_loop_run(loop, promise_each(promise_listener_accepted(l), 1000, handle, NULL), NULL);
    promise_loop_free(loop);
    return status ? 1 : 0;
}
