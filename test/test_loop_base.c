/* Promises and plain libevent callbacks side by side on one base: order, fairness, time (J1, J2, J3, J4). */
#include "evloop.h"

#include <promise.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void close_base(void) {
    promise_loop_free(loop);
    event_base_free(base);
    ck_assert_uint_eq(test_alloc_live(), live);
}

static promise_value_t job(promise_value_t v, void *arg) {
    note(*(const char *)arg);
    return v;
}

static int64_t now_us(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- order ---- */

static void callback(evutil_socket_t fd, short what, void *arg) {
    char c = *(const char *)arg;

    (void)fd, (void)what;
    note(c);
    if (c == 'a') { /* 2.2.4: jobs are not run in here */
        promise_unref(promise_then(promise_try(loop, job, "1"), job, "3"));
        promise_unref(promise_try(loop, job, "2"));
        note('b');
    }
}

START_TEST(J1_jobs_run_after_the_callback_that_made_them) {
    struct event *a, *z;

    open_loop(1);
    a = event_new(base, -1, 0, callback, "a");
    z = event_new(base, -1, 0, callback, "z");
    event_active(a, EV_TIMEOUT, 0);
    event_active(z, EV_TIMEOUT, 0);
    promise_unref(promise_try(loop, job, "0"));
    ck_assert_int_eq(event_base_dispatch(base), 1); /* J3: plain libevent runs both, and ends */
    ck_assert_str_eq(log_text, "abz0123");
    event_free(a);
    event_free(z);
    close_base();
}
END_TEST

struct pair {
    evutil_socket_t ends[2];
    struct event *readable;
    promise_resolver_t *resolver;
};

static void pair_readable(evutil_socket_t fd, short what, void *arg) {
    struct pair *pair = arg;
    char c;

    (void)what;
    ck_assert_int_eq(read(fd, &c, 1), 1);
    note(c);
    promise_resolve(pair->resolver, promise_int(c));
    pair->resolver = NULL;
}

static promise_value_t write_back(promise_value_t v, void *arg) {
    struct pair *pair = arg;

    note((char)(promise_as_int(v) - 'a' + 'A'));
    if (promise_as_int(v) == 'e') return promise_void();
    ck_assert_int_eq(write(pair->ends[0], &(char){(char)(promise_as_int(v) + 1)}, 1), 1);
    return promise_adopt(promise_then(promise_new(NULL, &pair->resolver), write_back, pair));
}

static void count_up(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    ++*(int *)arg;
}

/* An fd callback settles, a handler writes what it is to read next; a timer of libevent's ticks beside. */
START_TEST(J3_fds_timers_and_promises_on_one_base) {
    struct pair pair;
    struct timeval ms = {0, 1000};
    promise_value_t v = {0};
    int ticks = 0;

    open_loop(1);
    ck_assert_int_eq(evutil_socketpair(AF_UNIX, SOCK_STREAM, 0, pair.ends), 0);
    evutil_make_socket_nonblocking(pair.ends[1]);
    pair.readable = event_new(base, pair.ends[1], EV_READ | EV_PERSIST, pair_readable, &pair);
    struct event *tick = event_new(base, -1, EV_PERSIST, count_up, &ticks);
    event_add(pair.readable, NULL);
    event_add(tick, &ms);
    promise_t *p = promise_then(promise_new(loop, &pair.resolver), write_back, &pair);
    ck_assert_int_eq(write(pair.ends[0], "a", 1), 1);
    promise_t *both = promise_all_of(loop, p, promise_sleep(loop, 20), NULL);
    ck_assert_int_eq(promise_loop_run(loop, both, &v), 0);
    ck_assert_str_eq(log_text, "aAbBcCdDeE");
    ck_assert_int_gt(ticks, 0);
    promise_value_clear(&v);
    event_free(pair.readable);
    event_free(tick);
    close(pair.ends[0]);
    close(pair.ends[1]);
    close_base();
}
END_TEST

/* J2: what a timer of ours settles runs in its own callback, before the callback of the next one that is due with it. */
static void activate(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    usleep(60000); /* a slow callback: both timers below are due in the next pass */
    event_active(arg, EV_TIMEOUT, 0);
}

START_TEST(J2_our_callbacks_drain_at_once) {
    struct event *first, *then;
    struct timeval now = {0, 0};

    open_loop(1);
    then = event_new(base, -1, 0, callback, "z");
    first = evtimer_new(base, activate, then);
    promise_unref(promise_then(promise_then(promise_sleep(loop, 1), job, "1"), job, "2"));
    promise_unref(promise_then(promise_then(promise_sleep(loop, 20), job, "3"), job, "4"));
    evtimer_add(first, &now);
    ck_assert_int_eq(event_base_dispatch(base), 1);
    ck_assert_msg(strchr(log_text, '2') < strchr(log_text, '3'), "%s", log_text); /* not 1324; z comes where it may */
    event_free(first);
    event_free(then);
    close_base();
}
END_TEST

/* ---- fairness ---- */

struct race {
    unsigned jobs, turns, most; /* jobs since the base had its turn; turns of the base; the most jobs between two */
    struct event *turn;
    bool stop; /* when the base has had turns enough, and the timer its own */
};

enum { TURNS = 20 };

/* An endless `return loop()`. */
static promise_value_t spin(promise_value_t v, void *arg) {
    struct race *race = arg;

    if (++race->jobs > race->most) race->most = race->jobs;
    if (race->stop && race->turns >= TURNS) return v;
    return promise_adopt(promise_then(promise_from(NULL, v), spin, race));
}

static void turned(evutil_socket_t fd, short what, void *arg) {
    struct race *race = arg;
    struct timeval now = {0, 0};

    (void)fd, (void)what;
    race->turns++;
    race->jobs = 0;
    event_add(race->turn, &now); /* due in each turn of the base */
}

static promise_value_t stop_spinning(promise_value_t v, void *race) {
    ((struct race *)race)->stop = true;
    return v;
}

/* J1, R9: however many jobs there are, the base has its turn after one budget of them (two: one by the active drain, one by
 * a timer's own), so a timer waits for no more than these. */
START_TEST(J1_an_endless_chain_starves_nothing) {
    struct race race = {0};
    struct timeval now = {0, 0};
    unsigned budget = _i ? (unsigned)_i : 1024;
    promise_value_t v = {0};

    open_loop(1);
    promise_loop_set_budget(loop, (unsigned)_i); /* 0 is the default */
    race.turn = evtimer_new(base, turned, &race);
    event_add(race.turn, &now);
    promise_unref(promise_then(promise_sleep(loop, 10), stop_spinning, &race));
    ck_assert_int_eq(promise_loop_run(loop, promise_try(loop, spin, &race), &v), 0);
    ck_assert_uint_le(race.most, 2 * budget);
    ck_assert_uint_gt(race.most, budget / 2); /* and a whole budget is used */
    event_free(race.turn);
    close_base();
}
END_TEST

static void readable(evutil_socket_t fd, short what, void *arg) {
    char c;

    (void)what;
    if (read(fd, &c, 1) == 1) stop_spinning(promise_void(), arg);
}

/* The same for an fd that is ready: two turns of the base find it. */
START_TEST(J1_an_endless_chain_starves_no_fd) {
    struct race race = {.turns = TURNS};
    evutil_socket_t ends[2];
    promise_value_t v = {0};

    open_loop(1);
    ck_assert_int_eq(evutil_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct event *event = event_new(base, ends[1], EV_READ, readable, &race);
    event_add(event, NULL);
    ck_assert_int_eq(write(ends[0], "x", 1), 1);
    ck_assert_int_eq(promise_loop_run(loop, promise_try(loop, spin, &race), &v), 0);
    ck_assert_uint_le(race.jobs, 2 * 1024);
    event_free(event);
    close(ends[0]);
    close(ends[1]);
    close_base();
}
END_TEST

/* Jobs that are queued by jobs come after those that were there: FIFO, over the ends of budgets. */
START_TEST(J1_first_in_first_out_over_the_budget) {
    static const char digits[] = "0123456789";

    open_loop(1);
    promise_loop_set_budget(loop, 3);
    for (int i = 0; i < 8; i++) promise_unref(promise_then(promise_try(loop, job, (void *)(uintptr_t)&digits[i]), job, "."));
    event_base_dispatch(base);
    ck_assert_str_eq(log_text, "01234567........");
    close_base();
}
END_TEST

/* ---- time ---- */

struct late {
    int64_t asked, ms, came;
};

static promise_value_t came(promise_value_t v, void *arg) {
    ((struct late *)arg)->came = now_us();
    return v;
}

/* The base's cached time is 30 ms old when these are asked for. */
static void ask_late(evutil_socket_t fd, short what, void *arg) {
    struct late *late = arg;

    (void)fd, (void)what;
    for (int64_t until = now_us() + 30000; now_us() < until;) {}
    for (int i = 0; i < 4; i++) {
        late[i] = (struct late){.asked = now_us(), .ms = 5 * i};
        promise_unref(promise_then(promise_sleep(loop, (uint64_t)late[i].ms), came, &late[i]));
    }
}

START_TEST(R24_timers_are_measured_from_now_and_none_is_early) {
    struct event_config *config = event_config_new();
    struct timeval now = {0, 0};
    struct late late[4];

    live = test_alloc_live();
    if (_i) event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    base = event_base_new_with_config(config);
    event_config_free(config);
    loop = promise_loop_new(base);
    struct event *event = evtimer_new(base, ask_late, late);
    event_add(event, &now);
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    for (int i = 0; i < 4; i++) ck_assert_int_ge(late[i].came - late[i].asked, 1000 * late[i].ms);
    event_free(event);
    close_base();
}
END_TEST

/* As long as anybody likes. */
START_TEST(a_sleep_of_any_length_can_be_asked_for) {
    promise_value_t v = {0};

    open_loop(1);
    promise_t *p = promise_sleep(loop, UINT64_MAX), *q = promise_sleep(loop, INT64_MAX);
    ck_assert_int_eq(promise_loop_run(loop, promise_sleep(loop, 0), &v), 0);
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    promise_cancel(p);
    promise_cancel(q);
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0); /* their timers are gone */
    close_base();
}
END_TEST

/* ---- two loops on one base ---- */

START_TEST(two_loops_on_one_base) {
    promise_loop_t *other;
    promise_value_t v = {0};

    open_loop(1);
    other = promise_loop_new(base);
    promise_unref(promise_then(promise_sleep(other, 1), job, "o"));
    ck_assert_int_eq(promise_loop_run(loop, promise_then(promise_sleep(loop, 10), job, "l"), &v), 0);
    ck_assert_str_eq(log_text, "ol");
    promise_unref(promise_then(promise_sleep(other, 1), job, "o"));
    promise_loop_free(loop);
    loop = NULL;
    ck_assert_int_eq(event_base_dispatch(base), 1);
    ck_assert_str_eq(log_text, "olo");
    promise_loop_free(other);
    close_base();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loop_base");
    TCase *tcase = tcase_create("base");

    tcase_add_test(tcase, J1_jobs_run_after_the_callback_that_made_them);
    tcase_add_test(tcase, J3_fds_timers_and_promises_on_one_base);
    tcase_add_test(tcase, J2_our_callbacks_drain_at_once);
    tcase_add_loop_test(tcase, J1_an_endless_chain_starves_nothing, 0, 4);
    tcase_add_test(tcase, J1_an_endless_chain_starves_no_fd);
    tcase_add_test(tcase, J1_first_in_first_out_over_the_budget);
    tcase_add_loop_test(tcase, R24_timers_are_measured_from_now_and_none_is_early, 0, 2);
    tcase_add_test(tcase, a_sleep_of_any_length_can_be_asked_for);
    tcase_add_test(tcase, two_loops_on_one_base);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
