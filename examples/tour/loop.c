/* The loop: on an event_base of one's own, what run() says, and rejections that nobody handles. */
#include <errno.h>
#include <event2/event.h>
#include <promise.h>
#include <stdio.h>

/* region: base */
static void on_timer(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    (void)what;
    (void)arg;
    printf("base: an event of ours\n");
}

static promise_value_t awake(promise_value_t v, void *arg) {
    (void)arg;
    printf("base: a promise\n");
    return v;
}

static int own_base(void) {
    static const struct timeval soon = {.tv_usec = 10000};
    struct event_base *base = event_base_new();
    promise_loop_t *loop = base ? promise_loop_new(base) : NULL;
    struct event *timer = loop ? evtimer_new(base, on_timer, NULL) : NULL;
    int status = -1;
    if (timer && evtimer_add(timer, &soon) == 0) {
        promise_unref(promise_then(promise_sleep(loop, 30), awake, NULL));
        status = event_base_dispatch(base) < 0 ? -1 : 0; /* until nothing is left to do */
    }
    if (timer) event_free(timer);
    promise_loop_free(loop); /* before its base */
    if (base) event_base_free(base);
    return status;
}
/* end: base */

/* region: run */
static promise_value_t fail(promise_value_t v, void *arg) {
    (void)v;
    (void)arg;
    return promise_throw_errno(ENOENT, "open list.txt");
}

static void run(promise_loop_t *loop) {
    promise_value_t result = {0};
    if (promise_loop_run(loop, promise_try(loop, fail, NULL), &result) < 0)
        printf("run: %s\n", promise_error_message(result));
    promise_value_clear(&result);
}
/* end: run */

/* region: stalled */
static void stalled(promise_loop_t *loop) {
    promise_resolver_t *resolver;
    promise_value_t result = {0};
    promise_t *p = promise_new(loop, &resolver); /* and nothing that will ever use the resolver */
    if (promise_loop_run(loop, p, &result) < 0 && promise_error_is(result, &promise_errors, PROMISE_ESTALLED))
        printf("stalled: %s\n", promise_error_message(result));
    promise_value_clear(&result);
    promise_abandon(resolver);
}
/* end: stalled */

/* region: unhandled */
static void log_it(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    const char *name = promise_get_name(p);
    if (event == PROMISE_HANDLED_LATE) return;
    printf("%s: %s: %s\n", (const char *)arg, name ? name : "a promise", promise_error_message(reason));
}

static void unhandled(promise_loop_t *loop) {
    promise_loop_on_unhandled(loop, log_it, "unhandled");
    promise_t *p = promise_try(loop, fail, NULL);
    if (promise_set_name(p, "reading the list") < 0) printf("out of memory\n");
    promise_unref(p);
    promise_loop_run(loop, NULL, NULL);                             /* until nothing is left to do */
    promise_loop_on_unhandled(loop, promise_unhandled_print, NULL); /* the default again: a line on standard error */
}
/* end: unhandled */

/* region: turn */
static promise_value_t count(promise_value_t v, void *arg) {
    (void)v;
    return ++*(int *)arg < 10 ? promise_void() : promise_end();
}

static void turns(promise_loop_t *loop) {
    int jobs = 0, turns = 1;
    promise_loop_set_budget(loop, 2); /* the default is 1024 */
    promise_unref(promise_repeat(loop, count, &jobs));
    while (promise_loop_turn(loop) > 0) turns++; /* a frame of a game, say */
    printf("turn: %d in %s\n", jobs, turns > 1 ? "several turns" : "one turn");
}
/* end: turn */

/* region: main */
static promise_value_t program(promise_value_t v, void *arg) {
    (void)v;
    printf("main: %s, %s loop\n", (const char *)arg, promise_loop_current() ? "on a" : "no");
    return promise_adopt(promise_sleep(NULL, 10)); /* NULL: the loop that runs this */
}

int main(void) {
    promise_loop_t *loop = promise_loop_new(NULL);
    if (!loop || own_base() < 0) return 1;
    run(loop);
    stalled(loop);
    unhandled(loop);
    turns(loop);
    promise_loop_free(loop);
    return promise_run(program, "a whole program");
}
/* end: main */
