/* The host on libevent: a timer event that drains, and running until a promise settles. */
#include <promise/loop.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include "loop.h"
#include "stream.h"

/* ---- the host ---- */

/* The first drain may as well come in this pass of the base; one whose budget ran out must not, or timers and I/O starve
 * (J1): event_active would have the base go on with its active queue until that is empty. */
static void host_wake(void *data, bool again) {
    static const struct timeval soon = {0, 0};
    struct event_host *h = data;

    if (!again || event_add(h->drain, &soon) < 0) event_active(h->drain, EV_TIMEOUT, 0);
}

/* What libevent puts off to the next turn of the base: bufferevents that were freed, look-ups that were cancelled. */
static void turn_last(struct event_host *h) { event_base_loop(h->base, EVLOOP_NONBLOCK); }

static void host_free(struct event_host *h) {
    if (h->own_base) {
        turn_last(h);
        event_base_free(h->base);
    }
    promise__free(h->block);
    promise__free(h);
}

static void host_gone(void *data) {
    struct event_host *h = data;

    if (h->own_base && !h->depth) { /* else when whoever is above us on the stack has left the base */
        h->depth++;
        turn_last(h);
        promise__cancel_everything(h->loop);
        h->depth--;
    }
    promise__mailbox_close(h);
    promise__works_close(h);
    promise__clock_close(h);
    event_free(h->drain);
    h->loop = NULL;
    if (!h->depth) host_free(h); /* else whoever is above us on the stack does it */
}

static const struct promise_host event_host = {
    .size = sizeof event_host,
    .wake = host_wake,
    .now = promise__clock_now,
    .after = promise__clock_after,
    .cancel_after = promise__clock_cancel,
    .gone = host_gone,
    .at = promise__clock_at,
};

struct event_host *promise__event_host(const promise_loop_t *loop) {
    return loop->host == &event_host ? loop->host_data : NULL;
}

static void drain_due(evutil_socket_t fd, short what, void *arg) {
    struct event_host *h = arg;

    (void)fd, (void)what;
    h->depth++;
    promise__host_drain(h);
}

bool promise__host_run_jobs(struct event_host *h) {
    bool more;

    if (!h->loop || h->loop->draining || h->loop->canceling) return false;
    more = promise_loop_drain(h->loop);
    if (h->streams && h->loop) promise__streams_look(h);
    if (h->later && h->loop) promise__drain_has_ended(h);
    return more;
}

void promise__host_leave(struct event_host *h) {
    if (--h->depth || h->loop) return;
    if (h->own_base)
        promise__stop("promise_loop_free: libevent is dispatching the loop's own base: run it by promise_loop_run, "
                      "or give promise_loop_new a base of yours");
    host_free(h);
}

void promise__host_drain(struct event_host *h) {
    promise__host_run_jobs(h);
    promise__host_leave(h);
}

/* ---- make ---- */

/* Are there as many descriptors as a base takes? For epoll, its timer, and a pair for signals: without the latter libevent
 * ends the program. */
static bool has_descriptors(void) {
    int ends[2][2], made = 0, error;

    while (made < 2 && pipe2(ends[made], O_CLOEXEC) == 0) made++;
    error = errno;
    for (int i = 0; i < made; i++) {
        close(ends[i][0]);
        close(ends[i][1]);
    }
    errno = error;
    return made == 2;
}

/* One at a time: what one has seen others would take. */
static struct event_base *new_base(void) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (!config) return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    pthread_mutex_lock(&lock);
    if (has_descriptors()) base = event_base_new_with_config(config);
    pthread_mutex_unlock(&lock);
    event_config_free(config);
    return base;
}

promise_loop_t *promise_loop_new(struct event_base *base) {
    struct event_host *h = promise__malloc(sizeof *h);
    int error;

    if (!h) return NULL;
    *h = (struct event_host){.base = base ? base : new_base(), .own_base = !base};
    if (h->base) h->drain = evtimer_new(h->base, drain_due, h);
    if (h->drain && promise__clock_open(h) == 0) h->loop = promise__loop_create(&event_host, h);
    if (h->loop) return h->loop;
    error = errno;
    if (h->alarm) promise__clock_close(h);
    if (h->drain) event_free(h->drain);
    if (h->own_base && h->base) event_base_free(h->base);
    promise__free(h);
    errno = error;
    return NULL;
}

struct event_base *promise_loop_base(const promise_loop_t *loop) {
    struct event_host *h = promise__event_host(promise__loop_arg((promise_loop_t *)(uintptr_t)loop, __func__));

    return h ? h->base : NULL;
}

/* ---- run ---- */

/* J6 */
static struct event_host *check_run(promise_loop_t *loop, const char *function) {
    struct event_host *h;

    if (!loop) promise__stop("%s: loop is NULL", function);
    loop = promise__loop_arg(loop, function);
    h = promise__event_host(loop);
    if (!h) promise__stop("%s: expected a loop of promise_loop_new, got one of promise_loop_new_hosted", function);
    if (loop->thread != &promise__current) promise__stop("%s: expected the thread of the loop, called on another", function);
    if (loop->draining) promise__stop("%s: called inside a handler: return the promise instead (promise_adopt)", function);
    if (loop->canceling) promise__stop("%s: called inside a stop function (promise_on_cancel)", function);
    if (h->depth) promise__stop("%s: the loop is running already", function);
    return h;
}

/* Gives 0 while the base goes on, PROMISE_ESTALLED when nothing is left, PROMISE_ESTOPPED when broken off. */
static int run_base(struct event_host *h, int flags) {
    int none = event_base_loop(h->base, flags);

    if (!h->loop) return 0;
    if (none < 0) promise__stop("promise_loop_run: the event_base is running already, or cannot run at all");
    if (event_base_got_break(h->base) || event_base_got_exit(h->base)) return PROMISE_ESTOPPED;
    return none ? PROMISE_ESTALLED : 0;
}

/* While we are on the stack the loop may be freed, but neither its host nor a base of its own. */
static void leave(struct event_host *h) {
    if (!--h->depth && !h->loop) host_free(h);
}

static promise_value_t why_not(const promise_t *p, int code) {
    char text[256];

    if (code == PROMISE_ESTOPPED) return promise_throw_at(NULL, &promise_errors, code, NULL);
    return promise_throw_at(NULL, &promise_errors, code, "nothing is left that could settle the promise: it waits for %s",
                            promise__describe_source(p, text, sizeof text));
}

static int run_until(struct event_host *h, promise_t *p, promise_value_t *result) {
    promise_value_t outcome;
    int code = 0, status;

    if (result) promise__handled(p);
    while (!(p->flags & FLAG_SETTLED) && !code) code = run_base(h, EVLOOP_ONCE);
    if (p->flags & FLAG_SETTLED) {
        promise__seen(p);
        outcome = promise__copy(p->value);
    } else outcome = why_not(p, code);
    status = promise_is_rejection(outcome) ? -1 : 0;
    if (result) promise_value_set(result, outcome);
    else if (p->flags & FLAG_SETTLED) promise__release(outcome);
    else {
        /* For the hook: now, unless broken off, when no job is to run. */
        promise_unref(promise__settled(h->loop, outcome));
        if (code == PROMISE_ESTALLED) promise_loop_drain(h->loop);
    }
    return status;
}

int promise_loop_run(promise_loop_t *loop, promise_t *p, promise_value_t *result) {
    struct event_host *h = check_run(loop, __func__);
    int status = 0, code = 0;

    h->depth++;
    if (!p) {
        while (h->loop && !code) code = run_base(h, EVLOOP_ONCE);
        status = code == PROMISE_ESTOPPED ? -1 : 0;
        if (result) promise_value_clear(result);
    } else {
        promise__check(p, __func__);
        if (promise__loop(p) != loop) promise__stop("promise_loop_run: expected a promise of this loop, got one of another");
        status = run_until(h, p, result);
        promise__drop_ref(p);
    }
    leave(h);
    return status;
}

int promise_loop_turn(promise_loop_t *loop) {
    struct event_host *h = check_run(loop, __func__);
    int any = EVENT_BASE_COUNT_ACTIVE | EVENT_BASE_COUNT_VIRTUAL | EVENT_BASE_COUNT_ADDED, more;

    h->depth++;
    run_base(h, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    more = h->loop && event_base_get_num_events(h->base, (unsigned)any) > 0;
    leave(h);
    return more;
}

int promise_run(promise_fn *fn, void *arg) {
    promise_loop_t *loop = promise_loop_new(NULL);
    promise_value_t outcome = {0};
    char text[512];

    if (!loop) {
        fputs("out of memory\n", stderr);
        return EXIT_FAILURE;
    }
    promise_loop_run(loop, promise_try(loop, fn, arg), &outcome);
    promise_loop_free(loop);
    if (!promise_is_rejection(outcome)) {
        promise_value_clear(&outcome);
        return EXIT_SUCCESS;
    }
    promise_print(outcome, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    promise_value_clear(&outcome);
    return EXIT_FAILURE;
}
