/* Freeing a loop on libevent: when, from where, and what is left of it (J5, T4). */
#include "evloop.h"

#include <errno.h>
#include <promise.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct timeval now = {0, 0};

static void count_up(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    ++*(int *)arg;
}

/* The loop is gone, and nothing of it is left; the caller's base goes on working. */
static void close_base(void) {
    int calls = 0;

    ck_assert_uint_eq(test_alloc_live(), live);
    if (base == NULL) return;
    event_base_once(base, -1, EV_TIMEOUT, count_up, &calls, NULL);
    event_base_dispatch(base);
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_ACTIVE), 0);
    event_base_free(base);
}

/* A capital when it is cancelled. */
static promise_value_t job(promise_value_t v, void *arg) {
    char c = *(const char *)arg;

    if (promise_is_rejection(v)) ck_assert(promise_is_canceled(v));
    note((char)(promise_is_rejection(v) ? c - 'a' + 'A' : c));
    return v;
}
static void free_loop(void *arg) {
    note(*(const char *)arg);
    promise_loop_free(loop);
    note(*(const char *)arg);
}
static promise_value_t free_in_handler(promise_value_t v, void *arg) {
    free_loop(arg);
    return v;
}
static void free_event(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    free_loop(arg);
}
static void abandon_it(void *arg) {
    note('s');
    promise_abandon(arg);
}

/* A chain that waits for what never comes. */
static promise_t *pending(promise_resolver_t **resolver) {
    promise_t *p = promise_new(loop, resolver);

    promise_on_cancel(*resolver, abandon_it, *resolver);
    p = promise_then_catch(p, job, job, "a");
    p = promise_finally(p, job, "f");
    p = promise_then_catch(p, job, job, "b");
    return promise_attach(p, "x", note_free);
}

START_TEST(J5_pending_work_is_cancelled_and_its_handlers_run) {
    promise_resolver_t *resolver;
    struct event *before, *after;
    int calls = 0;

    open_loop(1);
    before = evtimer_new(base, count_up, &calls);
    after = evtimer_new(base, count_up, &calls);
    evtimer_add(before, &now);
    evtimer_add(after, &now);
    promise_unref(pending(&resolver));
    promise_unref(promise_then_catch(promise_sleep(loop, 3600000), job, job, "c"));
    event_free(before); /* teardown in either order */
    promise_loop_free(loop);
    ck_assert_uint_eq(strlen(log_text), 6);
    ck_assert_ptr_nonnull(strchr(log_text, 'C'));
    *strchr(log_text, 'C') = '-';
    ck_assert_msg(!strcmp(log_text, "s-AfBx") || !strcmp(log_text, "sA-fBx"), "%s", log_text);
    event_base_dispatch(base);
    ck_assert_int_eq(calls, 1);
    event_free(after);
    close_base();
}
END_TEST

/* T4: in a handler it takes effect after the drain: what is queued, runs; what was pending is cancelled. */
START_TEST(J5_freed_in_a_handler) {
    promise_resolver_t *resolver;
    promise_value_t v = {0};

    open_loop(_i);
    promise_unref(pending(&resolver));
    promise_t *p = promise_then(promise_try(loop, free_in_handler, "!"), job, "c");
    promise_unref(promise_try(loop, job, "d"));
    promise_t *q = promise_catch(promise_sleep(loop, 3600000), job, "q");
    ck_assert_int_eq(promise_loop_run(loop, promise_all_settled_of(loop, p, q, NULL), &v), -1); /* q's wait was cancelled */
    ck_assert(promise_is_canceled(v));
    promise_value_clear(&v);
    log_text[5] = 0;
    ck_assert_str_eq(log_text, "!!dcs");
    close_base();
}
END_TEST

START_TEST(J5_freed_in_a_handler_under_plain_dispatch) {
    promise_resolver_t *resolver;
    int calls = 0;

    open_loop(1);
    promise_unref(pending(&resolver));
    promise_unref(promise_then(promise_try(loop, free_in_handler, "!"), job, "c"));
    event_base_once(base, -1, EV_TIMEOUT, count_up, &calls, &(struct timeval){0, 2000});
    event_base_dispatch(base);
    ck_assert_str_eq(log_text, "!!csAfBx");
    ck_assert_int_eq(calls, 1);
    close_base();
}
END_TEST

/* A run ends with the loop, whatever else is on the base. */
START_TEST(J5_freed_in_a_callback_under_run) {
    promise_resolver_t *resolver;
    struct event *forever = NULL;
    promise_value_t v = {0};
    int calls = 0;

    open_loop(_i % 2);
    if (base != NULL) { /* in one of the loop's own it would have to go first */
        forever = event_new(base, -1, EV_PERSIST, count_up, &calls);
        event_add(forever, &(struct timeval){0, 1000});
    }
    event_base_once(promise_loop_base(loop), -1, EV_TIMEOUT, free_event, "!", NULL);
    promise_t *p = pending(&resolver);
    if (_i / 2) {
        promise_unref(p);
        ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    } else {
        ck_assert_int_eq(promise_loop_run(loop, p, &v), -1);
        ck_assert(promise_is_canceled(v));
    }
    ck_assert_str_eq(log_text, "!sAfBx!"); /* at once */
    if (forever != NULL) event_free(forever);
    close_base();
}
END_TEST

START_TEST(J5_freed_in_a_turn) {
    promise_resolver_t *resolver;

    open_loop(_i);
    promise_unref(pending(&resolver));
    event_base_once(promise_loop_base(loop), -1, EV_TIMEOUT, free_event, "!", NULL);
    ck_assert_int_eq(promise_loop_turn(loop), 0);
    ck_assert_str_eq(log_text, "!sAfBx!");
    close_base();
}
END_TEST

static void cancel_event(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    promise_cancel(arg);
}
static promise_value_t cancel_in_handler(promise_value_t v, void *p) {
    promise_cancel(p);
    return v;
}

/* In a stop function too it takes effect with the next drain, wherever the cancel came from. */
START_TEST(J5_freed_in_a_stop_function) {
    promise_resolver_t *resolver, *stopping;

    open_loop(1);
    promise_t *p = promise_then_catch(promise_new(loop, &stopping), job, job, "c");
    promise_on_cancel(stopping, free_loop, "!");
    if (_i == 0) promise_cancel(p);
    if (_i == 1) event_base_once(base, -1, EV_TIMEOUT, cancel_event, p, NULL);
    if (_i == 2) promise_unref(promise_try(loop, cancel_in_handler, p));
    promise_unref(pending(&resolver));
    event_base_dispatch(base);
    ck_assert_str_eq(log_text, "!!CsAfBx");
    promise_abandon(stopping);
    close_base();
}
END_TEST

START_TEST(J5_freed_by_what_is_attached) {
    promise_resolver_t *resolver;
    promise_value_t v = {0};

    open_loop(_i);
    promise_unref(pending(&resolver));
    promise_t *p = promise_attach(promise_try(loop, job, "c"), "!", free_loop);
    ck_assert_int_eq(promise_loop_run(loop, p, &v), 0);
    ck_assert_str_eq(log_text, "c!!sAfBx");
    close_base();
}
END_TEST

static void free_in_hook(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason;
    free_loop(arg);
}

/* By the hook, which is told while promise_loop_run is on the stack: of a rejection, of what stalls, of being broken off. */
START_TEST(J5_freed_by_the_hook_for_unhandled_rejections) {
    promise_resolver_t *resolver;
    promise_t *p;

    open_loop(_i % 2);
    promise_loop_on_unhandled(loop, free_in_hook, "!");
    p = pending(&resolver);
    if (_i / 2 == 0) {
        promise_unref(p);
        p = promise_from(loop, promise_throw_errno(EIO, "unhandled"));
    }
    if (_i / 2 == 2) event_base_loopexit(promise_loop_base(loop), NULL);
    ck_assert_int_eq(promise_loop_run(loop, p, NULL), -1);
    if (_i / 2 == 0 && base == NULL) promise_loop_run(loop, NULL, NULL);
    if (_i / 2 == 0 && base != NULL) event_base_dispatch(base);
    if (_i / 2 == 2) promise_loop_turn(loop);
    ck_assert_str_eq(log_text, "!!sAfBx");
    close_base();
}
END_TEST

/* The loop's own base cannot go while libevent itself dispatches it. */
static void free_own_under_dispatch(void *arg) {
    promise_unref(promise_try(loop, free_in_handler, arg));
    event_base_dispatch(promise_loop_base(loop));
}

START_TEST(J5_own_base_under_plain_dispatch_is_refused) {
    open_loop(0);
    test_assert_stops(free_own_under_dispatch, "!", "promise_loop_free: libevent is dispatching the loop's own base");
    promise_loop_free(loop);
    close_base();
}
END_TEST

/* ---- what handlers do meanwhile ---- */

static promise_value_t start_anew(promise_value_t v, void *arg) {
    promise_resolver_t *resolver;
    promise_t *p[4];

    (void)v;
    p[0] = promise_new(NULL, &resolver);
    promise_on_cancel(resolver, abandon_it, resolver);
    p[1] = promise_sleep(NULL, 3600000);
    p[2] = promise_try(NULL, job, "n");
    p[3] = promise_map(promise_ticks(NULL, 1000), 1, job, "n");
    return promise_adopt(promise_attach(promise_all_settled(NULL, 4, p), arg, note_free));
}

static promise_value_t again(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_throw_errno(EAGAIN, "again");
}
static promise_value_t give_up(promise_value_t v, void *arg) {
    (void)v;
    note_free(arg);
    return promise_void();
}
static promise_value_t one_more(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_int(1);
}
static promise_value_t endless(promise_value_t v, void *arg) {
    return promise_adopt(promise_then(promise_from(NULL, v), endless, arg));
}

/* New work comes back cancelled, so that nothing is endless: neither repeat, nor retry, nor `return loop()`. */
START_TEST(J5_new_work_comes_back_cancelled) {
    static const struct promise_retry_policy often = {.count = 1000000, .delay_ms = 1};
    promise_resolver_t *resolver;

    open_loop(_i);
    promise_unref(promise_finally(promise_new(loop, &resolver), start_anew, "y"));
    promise_abandon(resolver);
    promise_unref(promise_finally(promise_new(loop, &resolver), start_anew, "z"));
    promise_on_cancel(resolver, abandon_it, resolver);
    promise_unref(promise_catch(promise_repeat(loop, one_more, NULL), job, "r"));
    promise_unref(promise_catch(promise_retry(loop, &often, again, NULL), give_up, "T"));
    promise_unref(promise_catch(promise_try(loop, endless, NULL), job, "e"));
    promise_loop_free(loop);
    for (const char *c = "yzRT"; *c; c++) ck_assert_msg(strchr(log_text, *c) == strrchr(log_text, *c) && strchr(log_text, *c),
                                                       "%c in %s", *c, log_text);
    ck_assert_ptr_null(strchr(log_text, 'n'));
    close_base();
}
END_TEST

/* Of the two kinds of objects one goes with the loop, down to the last block and descriptor, though nobody frees it; the other,
 * which is counted, is still to be let go of. */
START_TEST(J5_what_goes_with_the_loop_and_what_is_still_ours) {
    static const struct promise_function none[] = {{NULL, NULL}};
    size_t fds = test_open_fds();
    struct promise_address address;
    promise_stream_t *ends[2];
    promise_channel_t *channel;
    promise_mailbox_t *mailbox;
    promise_iterator_t *ticks;
    promise_t *p;
    promise_resolver_t *resolver;

    open_loop(_i);
    ck_assert_int_eq(promise_address_parse(&address, "127.0.0.1", 0), 0);
    (void)!promise_mutex_new(loop);
    (void)!promise_rwlock_new(loop);
    (void)!promise_semaphore_new(loop, 1);
    (void)!promise_condition_new(loop);
    (void)!promise_barrier_new(loop, 2);
    (void)!promise_wait_group_new(loop);
    (void)!promise_group_new_with(loop, &(struct promise_group_options){.limit = 1});
    (void)!promise_executor_loop(loop, none);
    (void)!promise_process_pool_new(loop, &(struct promise_process_options){.functions = none});
    (void)!promise_listener_new(loop, "127.0.0.1", 0);
    (void)!promise_udp_new(loop, &address);
    (void)!promise_fd_new(loop, dup(0));
    channel = promise_channel_new(loop, 1);
    mailbox = promise_loop_mailbox(loop);
    ticks = promise_ticks(loop, 1000);
    promise_stream_pair(loop, ends);
    p = promise_new(loop, &resolver);
    promise_loop_free(loop);
    promise_channel_unref(channel);
    promise_mailbox_unref(mailbox);
    promise_iterator_close(ticks);
    promise_stream_unref(ends[0]);
    promise_stream_unref(ends[1]);
    promise_abandon(resolver);
    promise_unref(p);
    close_base();
    ck_assert_uint_eq(test_open_fds(), fds);
}
END_TEST

/* A rejection that nobody handles is reported, also when the hook made it (J7). */
static int reports;
static void reject_again(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)arg;
    if (reports++ < 3) promise_unref(promise_from(promise_loop_of(p), promise_throw_value(promise_reason(reason))));
}

START_TEST(J7_rejections_of_the_hook_are_reported_too) {
    open_loop(_i % 2);
    promise_loop_on_unhandled(loop, reject_again, NULL);
    promise_unref(promise_from(loop, promise_throw_errno(EIO, "unhandled")));
    if (_i / 2) ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    promise_loop_free(loop);
    ck_assert_int_eq(reports, 4);
    close_base();
}
END_TEST

/* Two requests on one connection: whichever is stopped first completes both, and frees what the other's stop was to use. */
struct shared {
    bool reject;
    struct request {
        struct shared *shared;
        promise_resolver_t *resolver;
    } *requests[2];
};

static void stop_both(void *arg) {
    struct shared *shared = ((struct request *)arg)->shared;

    note('s');
    for (int i = 0; i < 2; i++) {
        struct request *r = shared->requests[i];
        if (shared->reject) promise_reject(r->resolver, promise_throw_errno(ECONNRESET, "closed"));
        else promise_abandon(r->resolver);
        free(r);
    }
}

/* K2: once its resolvers are used, nobody is left to be stopped. */
START_TEST(K2_a_stop_may_complete_what_others_wait_for) {
    struct shared shared = {.reject = _i % 2};

    open_loop(0);
    for (int i = 0; i < 2; i++) {
        struct request *r = shared.requests[i] = malloc(sizeof *r);
        *r = (struct request){.shared = &shared};
        promise_unref(promise_catch(promise_new(loop, &r->resolver), job, "c"));
        promise_on_cancel(r->resolver, stop_both, r);
    }
    promise_loop_free(loop);
    ck_assert_str_eq(log_text, "sCC");
    close_base();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loop_free");
    TCase *when = tcase_create("when");

    tcase_add_test(when, J5_pending_work_is_cancelled_and_its_handlers_run);
    tcase_add_loop_test(when, J5_freed_in_a_handler, 0, 2);
    tcase_add_test(when, J5_freed_in_a_handler_under_plain_dispatch);
    tcase_add_loop_test(when, J5_freed_in_a_callback_under_run, 0, 4);
    tcase_add_loop_test(when, J5_freed_in_a_turn, 0, 2);
    tcase_add_loop_test(when, J5_freed_in_a_stop_function, 0, 3);
    tcase_add_loop_test(when, J5_freed_by_what_is_attached, 0, 2);
    tcase_add_loop_test(when, J5_freed_by_the_hook_for_unhandled_rejections, 0, 6);
    tcase_add_test(when, J5_own_base_under_plain_dispatch_is_refused);
    tcase_add_loop_test(when, J5_new_work_comes_back_cancelled, 0, 2);
    tcase_add_loop_test(when, J5_what_goes_with_the_loop_and_what_is_still_ours, 0, 2);
    tcase_add_loop_test(when, J7_rejections_of_the_hook_are_reported_too, 0, 4);
    tcase_add_loop_test(when, K2_a_stop_may_complete_what_others_wait_for, 0, 2);
    suite_add_tcase(suite, when);
    return test_main(suite);
}
