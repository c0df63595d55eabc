/*
 * Lookups that are cancelled, resolvers that are closed, loops that are freed, memory that runs out: nothing is left, nothing
 * is called afterwards, whatever evdns owes us.
 */
#include "dns_support.h"

#include <errno.h>
#include <string.h>

static promise_t *look_up(void) { return promise_dns_lookup(dns, "host.test", PROMISE_DNS_IPV4); }

static promise_t *reverse(const char *text) {
    struct promise_address address;

    ck_assert_int_eq(promise_address_parse(&address, text, 0), 0);
    return promise_dns_reverse(dns, &address);
}

static void run_dry(void) { ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0); }

/* A query that has been sent and waits; n questions have been asked then. */
static promise_t *held(size_t n) {
    promise_t *p;

    nameserver_set(ns, "host.test", "A", "hold 127.0.0.1");
    p = look_up();
    nameserver_asked(ns, n);
    return p;
}

/* ---- cancelled ---- */

START_TEST(K2_a_cancelled_lookup_is_forgotten) {
    size_t before;
    promise_t *p;

    open_dns(_i);
    before = test_alloc_live();
    p = traced(held(1), "p");
    promise_cancel(p);
    run_dry();
    trace_is("p=!canceled");
    ck_assert_uint_eq(test_alloc_live(), before);
    nameserver_release(ns, "host.test", "A"); /* nobody reads it */
    run_dry();
    close_dns();
}
END_TEST

START_TEST(K2_others_go_on) {
    promise_t *a, *b, *c;

    open_dns(_i);
    a = traced(held(1), "a");
    b = traced(held(2), "b");
    nameserver_set(ns, "1.2.0.192.in-addr.arpa", "PTR", "hold !nxdomain");
    c = traced(reverse("192.0.2.1"), "c");
    nameserver_asked(ns, 3);
    promise_cancel(a);
    nameserver_release(ns, "host.test", "A");
    nameserver_release(ns, "1.2.0.192.in-addr.arpa", "PTR");
    run_dry();
    trace_is("a=!canceled b=[127.0.0.1:0] c=!dns1");
    promise_unref(b);
    promise_unref(c);
    close_dns();
}
END_TEST

/* Its answer has come, and evdns is about to call, but the drain cancels it before. */
static promise_value_t cancel_it(promise_value_t v, void *arg) {
    (void)v;
    promise_cancel(*(promise_t **)arg);
    return promise_void();
}

START_TEST(K6_cancelled_when_its_answer_is_there) {
    promise_t *a, *b;

    open_dns(_i);
    a = held(1);
    b = traced(held(2), "b");
    promise_unref(promise_then(a, cancel_it, &b));
    nameserver_release(ns, "host.test", "A"); /* both come in one go */
    run_dry();
    trace_is("b=!canceled");
    close_dns();
}
END_TEST

START_TEST(both_questions_of_one_lookup_are_cancelled) {
    promise_t *p;

    open_dns(0);
    nameserver_set(ns, "host.test", "A", "hold 127.0.0.1");
    nameserver_set(ns, "host.test", "AAAA", "hold ::1");
    p = traced(promise_dns_lookup(dns, "host.test", PROMISE_DNS_ANY), "p");
    nameserver_asked(ns, 2);
    nameserver_release(ns, "host.test", "A");
    promise_loop_turn(loop);
    promise_cancel(p);
    run_dry();
    trace_is("p=!canceled");
    close_dns();
}
END_TEST

START_TEST(cancelled_while_it_searches) {
    const char *servers[] = {NULL, NULL};
    struct promise_dns_options options = {.nameservers = servers, .no_system = true};
    promise_t *p;

    open_dns(0);
    servers[0] = nameserver_address(ns);
    options.resolv_conf = temporary_file("search one.test two.test\n");
    dns = promise_dns_new(loop, &options);
    nameserver_set(ns, "host.two.test", "A", "hold 127.0.0.1");
    p = traced(promise_dns_lookup(dns, "host", PROMISE_DNS_IPV4), "p");
    nameserver_asked(ns, 1);
    promise_loop_turn(loop);
    nameserver_asked(ns, 2);
    promise_cancel(p);
    run_dry();
    trace_is("p=!canceled");
    close_dns();
}
END_TEST

START_TEST(more_than_evdns_asks_at_once) { /* 64: the others wait there, and are cancelled there */
    enum { MANY = 200 };
    static promise_t *p[MANY];

    open_dns(_i);
    nameserver_set(ns, "host.test", "A", "hold 127.0.0.1");
    for (size_t i = 0; i < MANY; i++) p[i] = look_up();
    nameserver_asked(ns, 64);
    for (size_t i = 0; i < MANY; i += 2) promise_cancel(p[i]);
    nameserver_set(ns, "host.test", "A", "127.0.0.1");
    promise_loop_turn(loop);
    nameserver_set(ns, "host.test", "A", "hold 127.0.0.1");
    nameserver_release(ns, "host.test", "A");
    nameserver_set(ns, "host.test", "A", "127.0.0.1");
    for (size_t i = 1; i < MANY; i += 2) is(p[i], "[127.0.0.1:0]");
    close_dns();
}
END_TEST

/* ---- closed ---- */

START_TEST(what_is_pending_when_it_is_closed_rejects) {
    promise_t *p;

    open_dns(_i);
    p = traced(held(1), "p");
    promise_unref(traced(held(2), "q"));
    promise_cancel(held(3));
    promise_dns_close(dns);
    run_dry();
    trace_is("q=!closed p=!closed");
    promise_unref(p);
    close_dns();
}
END_TEST

static promise_value_t close_it(promise_value_t v, void *arg) {
    (void)arg;
    promise_dns_close(dns);
    return v;
}

START_TEST(closed_in_the_handler_of_its_own_answer) { /* and another answer is about to come */
    open_dns(_i);
    promise_unref(promise_then(held(1), close_it, NULL));
    promise_unref(traced(held(2), "q"));
    nameserver_release(ns, "host.test", "A");
    run_dry();
    trace_is("q=!closed");
    close_dns();
}
END_TEST

/* ---- the loop is freed ---- */

START_TEST(J5_with_lookups_pending) { /* on the caller's base, which is freed before it turns again */
    open_dns(_i % 2);
    promise_unref(traced(held(1), "p"));
    promise_unref(traced(held(2), "q"));
    if (_i / 2) {
        promise_cancel(held(3));
        promise_cancel(held(4));
    }
    free_the_loop();
    ck_assert_ptr_nonnull(strstr(trace_take(), "p=!canceled"));
    close_dns();
}
END_TEST

START_TEST(J5_after_some_turns) {
    open_dns(_i % 2);
    promise_unref(traced(held(1), "p"));
    promise_unref(traced(promise_dns_lookup(promise_dns_default(loop), "127.0.0.1", PROMISE_DNS_ANY), "q"));
    for (int i = 0; i < _i / 2; i++) promise_loop_turn(loop);
    free_the_loop();
    trace_take();
    close_dns();
}
END_TEST

static promise_value_t free_it(promise_value_t v, void *arg) {
    (void)arg;
    free_the_loop();
    return v;
}

START_TEST(J5_in_the_handler_of_an_answer) { /* and others are about to come, or were cancelled */
    open_dns(_i);
    promise_unref(promise_then(held(1), free_it, NULL));
    promise_unref(traced(held(2), "q"));
    promise_cancel(held(3));
    nameserver_release(ns, "host.test", "A");
    promise_loop_run(loop, NULL, NULL);
    trace_is("q=!canceled");
    close_dns();
}
END_TEST

static void free_event(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what, (void)arg;
    free_the_loop();
}

START_TEST(J5_in_an_event_of_the_callers) { /* with answers on their way */
    static const struct timeval now = {0, 0};

    open_dns(1);
    promise_unref(traced(held(1), "p"));
    promise_unref(traced(held(2), "q"));
    nameserver_release(ns, "host.test", "A");
    event_base_once(base, -1, EV_TIMEOUT, free_event, NULL, &now);
    event_base_dispatch(base);
    ck_assert_ptr_null(loop);
    trace_take(); /* cancelled, or answered */
    close_dns();
}
END_TEST

/* Asks again when it is cancelled (K3, J5). */
static promise_value_t again(promise_value_t v, void *arg) {
    const char *servers[] = {nameserver_address(ns), NULL};
    struct promise_dns_options options = {.nameservers = servers, .no_system = true};

    (void)v, (void)arg;
    trace("again");
    promise_unref(traced(promise_dns_lookup(dns, "host.test", PROMISE_DNS_ANY), "a"));
    promise_unref(traced(promise_dns_lookup(promise_dns_new(NULL, &options), "host.test", PROMISE_DNS_ANY), "b"));
    promise_unref(traced(promise_dns_lookup(promise_dns_default(NULL), "127.0.0.1", PROMISE_DNS_ANY), "c"));
    return promise_void();
}

START_TEST(J5_who_asks_while_the_loop_goes_is_refused) {
    open_dns(_i);
    promise_unref(promise_catch(held(1), again, NULL));
    free_the_loop();
    ck_assert_ptr_nonnull(strstr(trace_take(), "again"));
    close_dns();
}
END_TEST

START_TEST(a_promise_that_outlives_its_loop) {
    promise_t *p;

    open_dns(_i);
    p = held(1);
    free_the_loop();
    ck_assert_str_eq(shown(promise_peek(p)), "!canceled");
    promise_unref(p);
    close_dns();
}
END_TEST

/* ---- out of memory ---- */

/* Everything once, the nth allocation failing; true when it did. */
static bool all_of_it(size_t n, bool for_good) {
    const char *servers[] = {nameserver_address(ns), NULL};
    struct promise_dns_options options = {.nameservers = servers, .no_system = true, .timeout_ms = 60000};
    promise_dns_t *own;
    promise_t *p[5];
    bool failed;

    options.hosts_file = "/etc/hosts";
    if (for_good) test_alloc_fail_from(n);
    else test_alloc_fail_at(n);
    own = promise_dns_new(loop, &options);
    p[0] = promise_dns_lookup(own, "host.test", PROMISE_DNS_ANY);
    p[1] = promise_dns_lookup(own, "127.0.0.1", PROMISE_DNS_ANY);
    p[2] = promise_dns_lookup(own, "www.localhost", PROMISE_DNS_ANY);
    p[3] = promise_dns_lookup(promise_dns_default(loop), "::1", PROMISE_DNS_IPV6);
    p[4] = promise_dns_lookup(own, "none.test", PROMISE_DNS_IPV4);
    for (size_t i = 0; i < 5; i++) {
        promise_value_t v = {0};
        int status = promise_loop_run(loop, p[i], &v);
        if (status < 0 && i != 4) ck_assert_msg(promise_error_is(v, &promise_errno_errors, ENOMEM), "%zu: %s", i, shown(v));
        promise_value_clear(&v);
    }
    failed = test_alloc_failed();
    test_alloc_fail_at(0);
    promise_dns_close(own);
    return failed;
}

static void each_allocation(bool for_good) {
    bool failed = true;

    for (size_t n = 0; failed || n <= 1; n++) {
        open_dns(0);
        nameserver_set(ns, "host.test", "A", "127.0.0.1 127.0.0.2");
        nameserver_set(ns, "host.test", "AAAA", "::1");
        failed = all_of_it(n, for_good);
        close_dns();
    }
}

START_TEST(O2_V3_one_allocation_fails) { each_allocation(false); }
END_TEST
START_TEST(O2_V3_memory_stays_out) { each_allocation(true); }
END_TEST

int main(void) {
    Suite *suite = suite_create("dns_end");
    TCase *t = tcase_create("dns_end");

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, K2_a_cancelled_lookup_is_forgotten, 0, 2);
    tcase_add_loop_test(t, K2_others_go_on, 0, 2);
    tcase_add_loop_test(t, K6_cancelled_when_its_answer_is_there, 0, 2);
    tcase_add_test(t, both_questions_of_one_lookup_are_cancelled);
    tcase_add_test(t, cancelled_while_it_searches);
    tcase_add_loop_test(t, more_than_evdns_asks_at_once, 0, 2);
    tcase_add_loop_test(t, what_is_pending_when_it_is_closed_rejects, 0, 2);
    tcase_add_loop_test(t, closed_in_the_handler_of_its_own_answer, 0, 2);
    tcase_add_loop_test(t, J5_with_lookups_pending, 0, 4);
    tcase_add_loop_test(t, J5_after_some_turns, 0, 6);
    tcase_add_loop_test(t, J5_in_the_handler_of_an_answer, 0, 2);
    tcase_add_test(t, J5_in_an_event_of_the_callers);
    tcase_add_loop_test(t, J5_who_asks_while_the_loop_goes_is_refused, 0, 2);
    tcase_add_loop_test(t, a_promise_that_outlives_its_loop, 0, 2);
    tcase_add_test(t, O2_V3_one_allocation_fails);
    tcase_add_test(t, O2_V3_memory_stays_out);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
