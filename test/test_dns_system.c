/* promise_dns_t by the system, for lookups, both ways, and for connecting by name (R20, K2, J5, O2). */
#include "blocking.h"
#include "evloop.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "trace.h"

static promise_dns_t *dns;
static promise_pool_t *pool;
static promise_value_t outcome;

static void open_system(void) {
    open_loop(0);
    pool = promise_pool_new(&(struct promise_pool_options){.threads = 1});
    dns = promise_dns_new(loop, &(struct promise_dns_options){.by_system = true, .pool = pool});
}
static void close_system(void) {
    promise_value_clear(&outcome);
    promise_loop_free(loop);
    promise_pool_free(pool);
    ck_assert_uint_eq(test_alloc_live(), live);
}

static promise_value_t run(promise_t *p) {
    promise_loop_run(loop, p, &outcome);
    return outcome;
}
static promise_t *four(const char *name) { return promise_dns_lookup(dns, name, PROMISE_DNS_IPV4); }

START_TEST(both_ways) {
    struct promise_address address;

    open_system();
    ck_assert_str_eq(shown(run(four("localhost"))), "[127.0.0.1:0]");
    ck_assert_uint_gt(promise_list_size(run(promise_dns_lookup(dns, "localhost", PROMISE_DNS_ANY))), 0);
    ck_assert_str_eq(shown(run(promise_dns_lookup(dns, "::1", PROMISE_DNS_ANY))), "[[::1]:0]");
    promise_address_parse(&address, "127.0.0.1", 0);
    ck_assert_ptr_nonnull(strstr(promise_as_string(run(promise_dns_reverse(dns, &address))), "localhost"));
    ck_assert_uint_eq(promise_pool_threads(pool), 1);
    close_system();
}
END_TEST

START_TEST(errors_are_those_of_lookups) {
    open_system();
    run(four("no such name"));
    ck_assert_ptr_eq(promise_error_domain(outcome), &promise_dns_errors);
    ck_assert_ptr_nonnull(strstr(promise_error_message(outcome), "lookup no such name: "));
    ck_assert_ptr_eq(promise_error_domain(promise_error_cause(outcome)), &promise_getaddrinfo_errors);
    ck_assert(promise_error_is(run(four("::1")), &promise_dns_errors, PROMISE_DNS_ENODATA));
    ck_assert(promise_error_is(run(four(NULL)), &promise_errno_errors, EINVAL));
    close_system();
}
END_TEST

static promise_value_t close_dns(promise_value_t v, void *arg) {
    (void)arg;
    promise_dns_close(dns);
    return v;
}
/* In the handler of an answer: alone, and beside another, which has come as well or is still asked for. */
START_TEST(T4_closed_by_a_handler) {
    promise_t *p, *other;

    open_system();
    p = promise_then_catch(four("localhost"), close_dns, close_dns, NULL);
    other = _i ? four("localhost") : NULL;
    ck_assert_str_eq(shown(run(p)), "[127.0.0.1:0]");
    if (other && promise_is_rejection(run(other)))
        ck_assert(promise_error_is(outcome, &promise_errors, PROMISE_ECLOSED));
    close_system();
}
END_TEST

/* ---- connecting by name ---- */

static promise_value_t is_stream(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert_ptr_nonnull(promise_as_stream(v));
    return promise_int(1);
}

START_TEST(connecting_by_name) {
    open_system();
    promise_listener_t *listener = promise_listener_new(loop, "127.0.0.1", 0);
    promise_t *p = promise_connect_with(loop, "localhost", promise_listener_port(listener),
                                        &(struct promise_connect_options){.dns = dns, .resolution_delay_ms = 1});
    ck_assert_int_eq(promise_as_int(run(promise_then(p, is_stream, NULL))), 1);
    promise_listener_close(listener);
    close_system();
}
END_TEST

/* ---- pending, behind another that takes its time ---- */

START_TEST(K2_J5_pending) {
    open_system();
    promise_t *slow = promise_work(loop, pool, block, promise_void());
    block_begun();
    promise_t *p = four("localhost"), *q = four("localhost");
    if (_i == 0) {
        promise_cancel(promise_ref(p));
        promise_cancel(promise_ref(q));
    }
    if (_i == 1) promise_dns_close(dns);
    if (_i == 2) promise_loop_free(loop);
    ck_assert_uint_eq(promise_pool_waiting(pool), 0);
    if (_i == 1) ck_assert(promise_error_is(promise_peek(p), &promise_errors, PROMISE_ECLOSED));
    else ck_assert(promise_is_canceled(promise_peek(p)));
    ck_assert_int_eq(promise_get_state(q), PROMISE_REJECTED);
    promise_cancel(p); /* which handles it */
    promise_cancel(q);
    promise_unref(slow);
    block_go();
    if (_i == 2) loop = NULL;
    close_system();
}
END_TEST

START_TEST(O2_out_of_memory) {
    size_t n = 0;
    bool failed;

    do {
        open_system();
        test_alloc_fail_at(++n);
        promise_t *p = four("localhost");
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        run(p);
        ck_assert(failed ? promise_error_is(outcome, &promise_errno_errors, ENOMEM) : promise_is(outcome, &promise_type_list));
        close_system();
    } while (failed);
    ck_assert_uint_gt(n, 3);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("dns_system");
    TCase *all = tcase_create("all");

    tcase_add_test(all, both_ways);
    tcase_add_test(all, errors_are_those_of_lookups);
    tcase_add_loop_test(all, T4_closed_by_a_handler, 0, 2);
    tcase_add_test(all, connecting_by_name);
    tcase_add_loop_test(all, K2_J5_pending, 0, 3);
    tcase_add_test(all, O2_out_of_memory);
    suite_add_tcase(suite, all);
    return test_main(suite);
}
