/* Sources: what goes with its loop, and when; callbacks that drain; the last turn of a loop's own base. */
#include "evloop.h"

#include <errno.h>
#include <promise.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

static const struct timeval now = {0, 0};

struct thing {
    struct promise_source source;
    const char *letter;
    struct bufferevent *bev;
    promise_resolver_t *resolver;
};

static void gone(struct promise_source *source) {
    struct thing *t = (struct thing *)(void *)source;

    ck_assert_ptr_null(source->loop); /* it was removed */
    note(*t->letter);
}
static void other_gone(struct promise_source *source) { gone(source); }

static void close_base(void) {
    if (loop) promise_loop_free(loop);
    loop = NULL;
    if (base) event_base_free(base);
    base = NULL;
    ck_assert_uint_eq(test_alloc_live(), live);
}

static promise_value_t letter(promise_value_t v, void *arg) {
    char c = *(const char *)arg;

    note(promise_is_rejection(v) ? (char)(c - 'a' + 'A') : c);
    return v;
}

static void abandon_it(void *arg) {
    note('s');
    promise_abandon(arg);
}

/* A promise that waits until it is cancelled. */
static promise_t *pending(const char *c) {
    promise_resolver_t *resolver;
    promise_t *p = promise_new(loop, &resolver);

    promise_on_cancel(resolver, abandon_it, resolver);
    return promise_then_catch(p, letter, letter, (void *)(uintptr_t)c);
}

/* ---- J5: going with the loop ---- */

START_TEST(J5_the_last_that_came_goes_first_and_the_single_ones_at_the_end) {
    struct thing things[] = {{.letter = "1"}, {.letter = "2"}, {.letter = "3"}, {.letter = "4"}};

    open_loop(_i);
    ck_assert_int_eq(promise_source_add(loop, &things[0].source, gone), 0);
    ck_assert_int_eq(promise_source_add_single(loop, &things[3].source, gone), 0);
    ck_assert_int_eq(promise_source_add(loop, &things[1].source, gone), 0);
    ck_assert_int_eq(promise_source_add_single(loop, &things[2].source, other_gone), 0);
    for (int i = 0; i < 4; i++) ck_assert_ptr_eq(things[i].source.loop, loop);
    promise_loop_free(loop);
    loop = NULL;
    ck_assert_str_eq(log_text, "2134");
    close_base();
}
END_TEST

START_TEST(J5_after_all_promises_were_cancelled) {
    struct thing t = {.letter = "g"};

    open_loop(_i);
    ck_assert_int_eq(promise_source_add(loop, &t.source, gone), 0);
    promise_unref(promise_finally(pending("a"), letter, "f"));
    promise_loop_free(loop);
    loop = NULL;
    ck_assert_str_eq(log_text, "sAfg");
    close_base();
}
END_TEST

START_TEST(what_was_removed_is_left_alone) {
    struct thing things[] = {{.letter = "1"}, {.letter = "2"}, {.letter = "3"}}, never = {.letter = "n"};

    open_loop(0);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(promise_source_add(loop, &things[i].source, gone), 0);
    promise_source_remove(&things[_i].source);
    ck_assert_ptr_null(things[_i].source.loop);
    promise_source_remove(&things[_i].source);
    promise_source_remove(&never.source);
    promise_loop_free(loop);
    loop = NULL;
    promise_source_remove(&things[(_i + 1) % 3].source); /* it is gone */
    ck_assert_str_eq(log_text, _i == 0 ? "32" : _i == 1 ? "31" : "21");
    close_base();
}
END_TEST

static struct thing *next_to_go;

static void gone_with_the_next(struct promise_source *source) {
    note('x');
    promise_source_remove(&next_to_go->source);
    (void)source;
}

START_TEST(J5_one_that_goes_may_take_others_with_it) {
    struct thing things[] = {{.letter = "1"}, {.letter = "2"}, {.letter = "3"}};

    open_loop(0);
    ck_assert_int_eq(promise_source_add(loop, &things[0].source, gone), 0);
    ck_assert_int_eq(promise_source_add(loop, &things[1].source, gone), 0);
    ck_assert_int_eq(promise_source_add(loop, &things[2].source, gone_with_the_next), 0);
    next_to_go = &things[_i];
    promise_loop_free(loop);
    loop = NULL;
    ck_assert_str_eq(log_text, _i ? "x1" : "x2");
    close_base();
}
END_TEST

static promise_value_t add_now(promise_value_t v, void *arg) {
    struct thing *t = arg;

    ck_assert_int_eq(promise_source_add(NULL, &t->source, gone), -1);
    ck_assert_int_eq(promise_source_add_single(NULL, &t->source, gone), -1);
    ck_assert_ptr_null(t->source.loop);
    note('f');
    return v;
}

static void gone_and_add(struct promise_source *source) {
    struct thing *t = (struct thing *)(void *)source;

    ck_assert_int_eq(promise_source_add(loop, source, gone), -1);
    note(*t->letter);
}

START_TEST(J5_nothing_is_added_to_a_loop_that_goes) {
    struct thing late = {.letter = "l"}, t = {.letter = "g"};

    open_loop(_i);
    ck_assert_int_eq(promise_source_add(loop, &t.source, gone_and_add), 0);
    promise_unref(promise_finally(pending("a"), add_now, &late));
    promise_loop_free(loop);
    loop = NULL;
    ck_assert_str_eq(log_text, "sAfg");
    close_base();
}
END_TEST

/* A handler that drops another's work, and what waits for a source alone: their settling in `gone` is drained. */
static void gone_and_settle(struct promise_source *source) {
    struct thing *t = (struct thing *)(void *)source;

    note(*t->letter);
    promise_resolve(t->resolver, promise_void()); /* it was cancelled: nothing comes of it */
    promise_unref(promise_from(loop, promise_throw_errno(EIO, "in gone")));
}

static void report(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)arg;
    ck_assert(promise_error_is(reason, &promise_errno_errors, EIO));
    note('u');
}

START_TEST(J5_what_is_settled_by_those_that_go_is_drained) {
    struct thing t = {.letter = "g"};

    open_loop(_i);
    promise_loop_on_unhandled(loop, report, NULL);
    ck_assert_int_eq(promise_source_add(loop, &t.source, gone_and_settle), 0);
    promise_t *p = promise_new(loop, &t.resolver);
    promise_unref(promise_then_catch(p, letter, letter, "a"));
    promise_loop_free(loop);
    loop = NULL;
    ck_assert_str_eq(log_text, "Agu");
    close_base();
}
END_TEST

/* ---- single ones ---- */

static promise_value_t find_here(promise_value_t v, void *arg) {
    ck_assert_ptr_eq(promise_source_find(NULL, gone), arg); /* O6 */
    note('f');
    return v;
}

START_TEST(a_single_one_is_found_by_its_function) {
    struct thing one = {.letter = "1"}, more = {.letter = "2"}, several = {.letter = "3"};

    open_loop(0);
    ck_assert_ptr_null(promise_source_find(loop, gone));
    ck_assert_int_eq(promise_source_add(loop, &several.source, gone), 0);
    ck_assert_ptr_null(promise_source_find(loop, gone));
    ck_assert_int_eq(promise_source_add_single(loop, &one.source, gone), 0);
    ck_assert_ptr_eq(promise_source_find(loop, gone), &one.source);
    ck_assert_ptr_null(promise_source_find(loop, other_gone));
    ck_assert_int_eq(promise_source_add_single(loop, &more.source, gone), 0);
    ck_assert_ptr_eq(promise_source_find(loop, gone), &more.source);
    promise_source_remove(&more.source);
    ck_assert_int_eq(promise_loop_run(loop, promise_try(loop, find_here, &one.source), NULL), 0);
    promise_loop_free(loop);
    loop = NULL;
    ck_assert_str_eq(log_text, "f31");
    close_base();
}
END_TEST

/* ---- J2: enter and leave ---- */

struct callback {
    promise_resolver_t *resolver;
    bool brackets, frees;
    int calls;
};

static promise_value_t count_call(promise_value_t v, void *arg) {
    struct callback *c = arg;

    c->calls++;
    if (c->frees) promise_loop_free(loop);
    return v;
}

static void on_event(evutil_socket_t fd, short what, void *arg) {
    struct callback *c = arg;

    (void)fd, (void)what;
    if (c->brackets) promise_source_enter(loop);
    promise_resolve(c->resolver, promise_void());
    ck_assert_int_eq(c->calls, 0); /* 2.2.4 */
    if (c->brackets) promise_source_leave(loop);
    ck_assert_int_eq(c->calls, c->brackets);
}

START_TEST(J2_what_a_callback_settles_is_drained_in_it) {
    struct callback c = {.brackets = _i % 2};

    open_loop(_i / 2);
    promise_t *p = promise_then(promise_new(loop, &c.resolver), count_call, &c);
    event_base_once(promise_loop_base(loop), -1, EV_TIMEOUT, on_event, &c, &now);
    ck_assert_int_eq(promise_loop_run(loop, p, NULL), 0);
    ck_assert_int_eq(c.calls, 1);
    close_base();
}
END_TEST

START_TEST(T4_the_loop_is_freed_in_what_a_callback_drains) {
    struct callback c = {.brackets = true, .frees = true};

    open_loop(_i / 2);
    promise_unref(promise_then(promise_new(loop, &c.resolver), count_call, &c));
    promise_unref(pending("a"));
    event_base_once(promise_loop_base(loop), -1, EV_TIMEOUT, on_event, &c, &now);
    if (_i % 2 && base) event_base_dispatch(base);
    else promise_loop_run(loop, NULL, NULL);
    loop = NULL;
    ck_assert_int_eq(c.calls, 1);
    ck_assert_str_eq(log_text, "sA");
    close_base();
}
END_TEST

/* ---- the last turn of a loop's own base ---- */

/* Frees a bufferevent: libevent closes its socket in the turn after. */
static void bev_gone(struct promise_source *source) {
    struct thing *t = (struct thing *)(void *)source;

    note(*t->letter);
    bufferevent_free(t->bev);
}

static promise_value_t free_loop(promise_value_t v, void *arg) {
    (void)arg;
    promise_loop_free(loop);
    return v;
}

START_TEST(what_libevent_puts_off_is_done_before_the_base_goes) {
    struct thing t = {.letter = "g"};
    size_t fds = test_open_fds();
    int ends[2];

    open_loop(0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    t.bev = bufferevent_socket_new(promise_loop_base(loop), ends[0], BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    bufferevent_enable(t.bev, EV_READ | EV_WRITE);
    bufferevent_write(t.bev, "x", 1);
    ck_assert_int_eq(promise_source_add(loop, &t.source, bev_gone), 0);
    if (_i) promise_loop_run(loop, promise_try(loop, free_loop, NULL), NULL);
    else promise_loop_free(loop);
    loop = NULL;
    ck_assert_str_eq(log_text, "g");
    close(ends[1]);
    ck_assert_uint_eq(test_open_fds(), fds);
    close_base();
}
END_TEST

static void note_event(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    note(*(const char *)arg);
}

static void gone_later(struct promise_source *source) {
    struct thing *t = (struct thing *)(void *)source;

    note(*t->letter);
    event_base_once(promise_loop_base(loop), -1, EV_TIMEOUT, note_event, "t", &now);
}

START_TEST(a_base_of_the_callers_has_its_turn_when_the_caller_says) {
    struct thing t = {.letter = "g"};

    open_loop(_i);
    ck_assert_int_eq(promise_source_add(loop, &t.source, gone_later), 0);
    promise_loop_free(loop);
    loop = NULL;
    ck_assert_str_eq(log_text, _i ? "g" : "gt");
    if (_i) event_base_dispatch(base);
    ck_assert_str_eq(log_text, "gt");
    close_base();
}
END_TEST

/* What is settled in that turn is drained too. */
static void settle_event(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what, (void)arg;
    promise_unref(promise_from(loop, promise_throw_errno(EIO, "in the last turn")));
}

static void gone_and_settle_later(struct promise_source *source) {
    (void)source;
    event_base_once(promise_loop_base(loop), -1, EV_TIMEOUT, settle_event, NULL, &now);
}

START_TEST(J5_what_is_settled_in_the_last_turn_is_drained) {
    struct thing t = {.letter = "g"};

    open_loop(0);
    promise_loop_on_unhandled(loop, report, NULL);
    ck_assert_int_eq(promise_source_add(loop, &t.source, gone_and_settle_later), 0);
    promise_loop_free(loop);
    loop = NULL;
    ck_assert_str_eq(log_text, "u");
    close_base();
}
END_TEST

/* ---- what constructors give without memory; the constants ---- */

START_TEST(O2_an_object_that_is_none_remembers_its_loop) {
    struct thing t = {.letter = "1"};

    open_loop(0);
    void *none = promise_source_nomem(loop);
    ck_assert_ptr_eq(promise_source_nomem_loop(none), loop);
    ck_assert_ptr_null(promise_source_nomem_loop(&t));
    ck_assert_ptr_null(promise_source_nomem_loop(NULL));
    close_base();
}
END_TEST

START_TEST(the_rejections_that_need_no_memory) {
    size_t before = test_alloc_live();
    promise_value_t nomem = promise_out_of_memory(), canceled = promise_was_canceled();

    ck_assert(promise_error_is(nomem, &promise_errno_errors, ENOMEM));
    ck_assert(promise_is_canceled(canceled));
    ck_assert_uint_eq(test_alloc_live(), before);
    promise_value_clear(&nomem);
    promise_value_clear(&canceled);
}
END_TEST

/* ---- bugs of the program ---- */

static void add_null(void *arg) { (void)promise_source_add(arg, NULL, gone); }
static void add_without_gone(void *arg) { (void)promise_source_add(arg, &(struct promise_source){0}, NULL); }
static void add_single_null(void *arg) { (void)promise_source_add_single(arg, NULL, gone); }
static void add_nowhere(void *arg) { (void)promise_source_add(NULL, &(struct promise_source){0}, gone), (void)arg; }
static void remove_null(void *arg) { promise_source_remove(NULL), (void)arg; }
static void find_nowhere(void *arg) { (void)promise_source_find(NULL, gone), (void)arg; }
static void no_wake(void *data, bool again) { (void)data, (void)again; }
static void enter_hosted(void *arg) { promise_source_enter(arg); }

START_TEST(they_stop_it) {
    static const struct promise_host host = {.size = sizeof host, .wake = no_wake};
    promise_loop_t *hosted;

    open_loop(0);
    test_assert_stops(add_null, loop, "promise_source_add: source is NULL");
    test_assert_stops(add_without_gone, loop, "promise_source_add: gone is NULL");
    test_assert_stops(add_single_null, loop, "promise_source_add_single: source is NULL");
    test_assert_stops(add_nowhere, NULL, "promise_source_add: loop is NULL");
    test_assert_stops(remove_null, NULL, "promise_source_remove: source is NULL");
    test_assert_stops(find_nowhere, NULL, "promise_source_find: loop is NULL");
    hosted = promise_loop_new_hosted(&host, NULL);
    test_assert_stops(enter_hosted, hosted, "promise_source_enter: expected a loop of promise_loop_new");
    promise_loop_free(hosted);
    close_base();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("source");
    TCase *t = tcase_create("source");

    tcase_add_loop_test(t, J5_the_last_that_came_goes_first_and_the_single_ones_at_the_end, 0, 2);
    tcase_add_loop_test(t, J5_after_all_promises_were_cancelled, 0, 2);
    tcase_add_loop_test(t, what_was_removed_is_left_alone, 0, 3);
    tcase_add_loop_test(t, J5_one_that_goes_may_take_others_with_it, 0, 2);
    tcase_add_loop_test(t, J5_nothing_is_added_to_a_loop_that_goes, 0, 2);
    tcase_add_loop_test(t, J5_what_is_settled_by_those_that_go_is_drained, 0, 2);
    tcase_add_test(t, a_single_one_is_found_by_its_function);
    tcase_add_loop_test(t, J2_what_a_callback_settles_is_drained_in_it, 0, 4);
    tcase_add_loop_test(t, T4_the_loop_is_freed_in_what_a_callback_drains, 0, 4);
    tcase_add_loop_test(t, what_libevent_puts_off_is_done_before_the_base_goes, 0, 2);
    tcase_add_loop_test(t, a_base_of_the_callers_has_its_turn_when_the_caller_says, 0, 2);
    tcase_add_test(t, J5_what_is_settled_in_the_last_turn_is_drained);
    tcase_add_test(t, O2_an_object_that_is_none_remembers_its_loop);
    tcase_add_test(t, the_rejections_that_need_no_memory);
    tcase_add_test(t, they_stop_it);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
