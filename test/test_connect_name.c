/* Connecting by name (RFC 8305): in which order, when the next one, who wins, what goes wrong. */
#include "eyeballs.h"

#include <string.h>

static size_t asked; /* questions that the name server has seen */

/* ---- the order ---- */

START_TEST(six_is_asked_for_and_tried_first) {
    if (!has_six()) return;
    open_all(_i);
    accepts(SIX);
    accepts(ONE);
    records("::1", "127.0.0.1");
    connects(to("host.test"), "::1");
    ck_assert_str_eq(nameserver_asked(ns, 2), "AAAA:host.test A:host.test");
    trace_is("::1");
    ck_assert_int_eq(waiting_at(SIX), 1);
    ck_assert_int_eq(waiting_at(ONE), 0);
    close_all();
}
END_TEST

/* All addresses are there before the first attempt. */
static promise_t *both_known(const char *six, const char *four) {
    promise_t *p;

    records(six, four);
    p = to("host.test");
    nameserver_asked(ns, asked += 2);
    some_turns();
    nameserver_release(ns, "host.test", "AAAA");
    return p;
}

START_TEST(the_families_take_turns) { /* section 4: link-local ones without an interface fail at once */
    open_all(0);
    accepts(TWO);
    connects(both_known("hold fe80::1 fe80::2 fe80::3 fe80::4", "127.0.0.1 127.0.0.2"), "127.0.0.2");
    trace_is("fe80::1 127.0.0.1 fe80::2 127.0.0.2");
    connects(both_known("hold fe80::1", "127.0.0.1 127.0.0.1 127.0.0.2"), "127.0.0.2");
    trace_is("fe80::1 127.0.0.1 127.0.0.1 127.0.0.2");
    connects(both_known("hold fe80::1 fe80::2 fe80::3", "127.0.0.2"), "127.0.0.2");
    trace_is("fe80::1 127.0.0.2");
    close_all();
}
END_TEST

START_TEST(the_next_one_when_it_fails) { /* and not after an hour */
    open_all(_i);
    accepts(ONE);
    records(has_six() ? "::1" : "fe80::1", "127.0.0.1");
    connects(to("host.test"), "127.0.0.1");
    close_all();
}
END_TEST

START_TEST(the_next_one_after_a_while) { /* section 5: a black hole; its socket is closed when another has won */
    size_t before;

    if (!has_six()) return;
    open_all(_i);
    hangs(SIX);
    hangs(ONE);
    accepts(TWO);
    records("::1", "127.0.0.1 127.0.0.2");
    options.attempt_delay_ms = 5;
    before = open_descriptors();
    connects(to("host.test"), "127.0.0.2");
    trace_is("::1 127.0.0.1 127.0.0.2");
    run_dry();
    ck_assert_uint_eq(open_descriptors(), before);
    close_all();
}
END_TEST

START_TEST(an_attempt_that_is_slow_may_win) { /* the others have failed */
    promise_t *p;

    if (!has_six()) return;
    open_all(0);
    hangs(SIX);
    records("::1", "127.0.0.1 127.0.0.2");
    options.attempt_delay_ms = 5;
    p = to("host.test");
    tried("::1 127.0.0.1 127.0.0.2");
    some_turns();
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    accepts(SIX); /* now there is room: the system asks again in a second */
    connects(p, "::1");
    close_all();
}
END_TEST

/* ---- addresses that are late ---- */

START_TEST(six_is_waited_for) { /* section 3: the resolution delay is an hour */
    promise_t *p;

    if (!has_six()) return;
    open_all(_i);
    accepts(SIX);
    accepts(ONE);
    records("hold ::1", "127.0.0.1");
    p = to("host.test");
    nameserver_asked(ns, 2);
    some_turns();
    trace_is("");
    nameserver_release(ns, "host.test", "AAAA");
    connects(p, "::1");
    trace_is("::1");
    close_all();
}
END_TEST

START_TEST(but_not_for_ever) {
    size_t before;

    open_all(_i);
    accepts(ONE);
    records("hold ::1", "127.0.0.1");
    options.resolution_delay_ms = 5;
    before = open_descriptors();
    connects(to("host.test"), "127.0.0.1");
    trace_is("127.0.0.1");
    run_dry(); /* nobody waits for the other answer any more */
    ck_assert_uint_eq(open_descriptors(), before);
    close_all();
}
END_TEST

START_TEST(without_six_four_goes_at_once) {
    open_all(0);
    accepts(ONE);
    records("!nodata", "127.0.0.1");
    connects(to("host.test"), "127.0.0.1");
    records("!servfail", "127.0.0.1");
    connects(to("host.test"), "127.0.0.1");
    close_all();
}
END_TEST

START_TEST(four_need_not_be_there) {
    if (!has_six()) return;
    open_all(0);
    accepts(SIX);
    records("::1", "hold 127.0.0.1");
    connects(to("host.test"), "::1");
    close_all();
}
END_TEST

START_TEST(addresses_that_come_when_all_others_have_failed) {
    promise_t *p;

    open_all(0);
    accepts(TWO);
    records("fe80::1", "hold 127.0.0.2");
    p = to("host.test");
    nameserver_asked(ns, 2);
    tried("fe80::1");
    some_turns();
    nameserver_release(ns, "host.test", "A");
    connects(p, "127.0.0.2");
    close_all();
}
END_TEST

/* ---- what goes wrong ---- */

START_TEST(the_first_one_says_why) {
    open_all(0);
    records("!nodata", "127.0.0.1 127.0.0.2");
    connects(to("host.test"), refused_by("127.0.0.1"));
    records("!nodata", "127.0.0.2");
    connects(to("host.test"), refused_by("127.0.0.2"));
    is(to("host.test"), "!errno111");
    records("!servfail", "127.0.0.1"); /* one was tried */
    is(to("host.test"), "!errno111");
    close_all();
}
END_TEST

START_TEST(no_addresses) {
    open_all(0);
    is(to("none.test"), "!dns1");
    records("!nodata", "!servfail");
    is(to("host.test"), "!dns5");
    records("!servfail", "!nodata");
    is(to("host.test"), "!dns5");
    records("!nodata", "!nodata");
    is(to("host.test"), "!dns2");
    is(to("a..b"), "!dns3");
    trace_is("");
    close_all();
}
END_TEST

START_TEST(bad_input) {
    open_all(0);
    is(to(NULL), "!errno22");
    is(to(""), "!dns3");
    close_all();
}
END_TEST

/* ---- without DNS ---- */

START_TEST(numeric_hosts_and_known_names) {
    open_all(_i);
    accepts(ONE);
    connects(to("127.0.0.1"), "127.0.0.1");
    connects(to("127.0.0.2"), refused_by("127.0.0.2"));
    connects(to("localhost"), "127.0.0.1");
    connects(promise_connect(loop, "127.0.0.1", port), "127.0.0.1");
    connects(promise_connect(loop, "localhost", port), "127.0.0.1");
    ck_assert_str_eq(nameserver_asked(ns, 0), "");
    trace_take();
    close_all();
}
END_TEST

static promise_value_t connect_inside(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_connect(NULL, "localhost", port)); /* the running loop */
}

START_TEST(from_a_handler) {
    open_all(0);
    accepts(ONE);
    connects(promise_try(loop, connect_inside, NULL), "127.0.0.1");
    close_all();
}
END_TEST

START_TEST(from_an_address_of_ones_own) {
    struct promise_address own, seen;
    promise_value_t v = {0};

    open_all(0);
    accepts(ONE);
    records("::1", "127.0.0.1");
    promise_address_parse(&own, "127.0.0.9", 0);
    options.local = &own;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(promise_loop_run(loop, to(i ? "127.0.0.1" : "host.test"), &v), 0);
        ck_assert_int_eq(promise_address_local(&seen, promise_stream_fd(promise_as_stream(v))), 0);
        promise_address_set_port(&seen, 0);
        ck_assert(promise_address_equal(&seen, &own));
    }
    promise_value_clear(&v);
    ck_assert_str_eq(nameserver_asked(ns, 1), "A:host.test"); /* the other family is of no use */
    promise_address_parse(&own, "::1", 0);
    records("!nodata", "127.0.0.1");
    is(to("host.test"), "!dns2");
    close_all();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("connect_name");
    TCase *t = tcase_create("connect_name");

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, six_is_asked_for_and_tried_first, 0, 2);
    tcase_add_test(t, the_families_take_turns);
    tcase_add_loop_test(t, the_next_one_when_it_fails, 0, 2);
    tcase_add_loop_test(t, the_next_one_after_a_while, 0, 2);
    tcase_add_test(t, an_attempt_that_is_slow_may_win);
    tcase_add_loop_test(t, six_is_waited_for, 0, 2);
    tcase_add_loop_test(t, but_not_for_ever, 0, 2);
    tcase_add_test(t, without_six_four_goes_at_once);
    tcase_add_test(t, four_need_not_be_there);
    tcase_add_test(t, addresses_that_come_when_all_others_have_failed);
    tcase_add_test(t, the_first_one_says_why);
    tcase_add_test(t, no_addresses);
    tcase_add_test(t, bad_input);
    tcase_add_loop_test(t, numeric_hosts_and_known_names, 0, 2);
    tcase_add_test(t, from_a_handler);
    tcase_add_test(t, from_an_address_of_ones_own);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
