/* Names by the system, on threads (R14, R20, K2, J5, O2). What is asked for is in /etc/hosts, in numbers, or nowhere. */
#include "blocking.h"
#include "evloop.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "trace.h"

static promise_value_t outcome;

static promise_value_t run(promise_t *p) {
    promise_loop_run(loop, p, &outcome);
    return outcome;
}
static void close_loop(void) {
    promise_value_clear(&outcome);
    promise_loop_free(loop);
    ck_assert_uint_eq(promise_pool_shutdown(UINT64_MAX), 0); /* or a thread may still be letting go of the mailbox */
    ck_assert_uint_eq(test_alloc_live(), live);
}

static bool has(promise_value_t list, const char *wanted) {
    char text[PROMISE_ADDRESS_TEXT];

    for (size_t i = 0; i < promise_list_size(list); i++) {
        promise_address_print(promise_as_address(promise_list_get(list, i)), text, sizeof text);
        if (!strcmp(text, wanted)) return true;
    }
    return false;
}

static const struct promise_getaddrinfo_options four = {.family = AF_INET}, six = {.family = AF_INET6},
                                                passive = {.family = AF_INET, .flags = AI_PASSIVE};

START_TEST(numbers_need_no_thread) {
    open_loop(0);
    promise_t *p = promise_getaddrinfo(loop, NULL, "192.0.2.1", "80", NULL);
    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED);
    ck_assert_uint_eq(promise_list_size(run(p)), 1);
    ck_assert(has(outcome, "192.0.2.1:80"));
    ck_assert(has(run(promise_getaddrinfo(loop, NULL, "::1", NULL, NULL)), "[::1]:0"));
    ck_assert(has(run(promise_getaddrinfo(loop, NULL, NULL, "8080", &four)), "127.0.0.1:8080"));
    ck_assert(has(run(promise_getaddrinfo(loop, NULL, NULL, "8080", &passive)), "0.0.0.0:8080"));
    p = promise_getaddrinfo(loop, NULL, "192.0.2.1", "80", &six);
    ck_assert_int_eq(promise_get_state(p), PROMISE_REJECTED);
    ck_assert_ptr_eq(promise_error_domain(run(p)), &promise_getaddrinfo_errors);
    ck_assert_uint_eq(promise_pool_threads(promise_pool_for_names()), 0);
    close_loop();
}
END_TEST

START_TEST(names_of_the_system) {
    struct promise_address address;

    open_loop(0);
    ck_assert(has(run(promise_getaddrinfo(loop, NULL, "localhost", "80", &four)), "127.0.0.1:80"));
    ck_assert_uint_gt(promise_pool_threads(promise_pool_for_names()), 0);
    promise_pool_t *pool = promise_pool_new(NULL);
    ck_assert(has(run(promise_getaddrinfo(loop, pool, "localhost", NULL, &four)), "127.0.0.1:0"));
    ck_assert_uint_eq(promise_pool_threads(pool), 1);
    ck_assert_int_eq(promise_address_parse(&address, "127.0.0.1", 80), 0);
    ck_assert_ptr_nonnull(strstr(promise_as_string(run(promise_getnameinfo(loop, pool, &address))), "localhost"));
    promise_pool_free(pool);
    close_loop();
}
END_TEST

START_TEST(what_is_wrong_says_which) {
    struct promise_address path;

    open_loop(0);
    run(promise_getaddrinfo(loop, NULL, "no such name", NULL, NULL)); /* a space: nobody is asked */
    ck_assert_ptr_eq(promise_error_domain(outcome), &promise_getaddrinfo_errors);
    ck_assert_ptr_nonnull(strstr(promise_error_message(outcome), "getaddrinfo no such name: "));
    run(promise_getaddrinfo(loop, NULL, "127.0.0.1", "no such service", NULL));
    ck_assert(promise_error_is(outcome, &promise_getaddrinfo_errors, EAI_SERVICE));
    ck_assert_ptr_nonnull(strstr(promise_error_message(outcome), "127.0.0.1:no such service"));
    run(promise_getaddrinfo(loop, NULL, "127.0.0.1", "65536", NULL));
    ck_assert(promise_error_is(outcome, &promise_getaddrinfo_errors, EAI_SERVICE));
    ck_assert_str_eq(promise_error_message(outcome), "getaddrinfo 127.0.0.1:65536: the port is above 65535");
    ck_assert(has(run(promise_getaddrinfo(loop, NULL, "127.0.0.1", "65535", NULL)), "127.0.0.1:65535"));
    ck_assert_str_eq(promise_getaddrinfo_errors.describe(EAI_NONAME), gai_strerror(EAI_NONAME));
    run(promise_getaddrinfo(loop, NULL, "localhost", NULL, &(struct promise_getaddrinfo_options){.family = 12345}));
    ck_assert(promise_error_is(outcome, &promise_getaddrinfo_errors, EAI_FAMILY));
    ck_assert(promise_error_is(run(promise_getaddrinfo(loop, NULL, NULL, NULL, NULL)), &promise_errno_errors, EINVAL));
    ck_assert(promise_error_is(run(promise_getnameinfo(loop, NULL, NULL)), &promise_errno_errors, EINVAL));
    promise_address_unix(&path, "/x");
    ck_assert(promise_error_is(run(promise_getnameinfo(loop, NULL, &path)), &promise_errno_errors, EINVAL));
    close_loop();
}
END_TEST

/* ---- cancelled, the loop gone, out of memory ---- */

/* K2, J5: behind another that takes its time. R14: which holds up no files. */
START_TEST(K2_J5_pending) {
    struct promise_address address;

    open_loop(0);
    promise_address_parse(&address, "127.0.0.1", 80);
    promise_pool_t *pool = promise_pool_new(&(struct promise_pool_options){.threads = 1});
    promise_t *slow = promise_work(loop, pool, block, promise_void());
    block_begun();
    promise_t *p = promise_getaddrinfo(loop, pool, "localhost", NULL, NULL), *q = promise_getnameinfo(loop, pool, &address);
    ck_assert_uint_eq(promise_pool_waiting(pool), 2);
    if (_i) promise_loop_free(loop);
    else {
        promise_cancel(promise_ref(p));
        promise_cancel(promise_ref(q));
    }
    ck_assert_uint_eq(promise_pool_waiting(pool), 0);
    ck_assert(promise_is_canceled(promise_peek(p)));
    ck_assert(promise_is_canceled(promise_peek(q)));
    promise_unref(p);
    promise_unref(q);
    promise_unref(slow);
    block_go();
    promise_pool_free(pool);
    if (_i) loop = NULL;
    close_loop();
}
END_TEST

static promise_value_t too_late(promise_value_t v, void *arg) {
    struct promise_address address;
    promise_t **p = arg;

    (void)v;
    promise_address_parse(&address, "127.0.0.1", 80);
    p[0] = promise_getaddrinfo(NULL, NULL, "127.0.0.1", NULL, NULL);
    p[1] = promise_getnameinfo(NULL, NULL, &address);
    return promise_void();
}
START_TEST(J5_new_ones_are_refused) {
    promise_resolver_t *resolver;
    promise_t *p[2];

    open_loop(0);
    promise_unref(promise_finally(promise_new(loop, &resolver), too_late, p));
    promise_loop_free(loop);
    for (int i = 0; i < 2; i++) {
        ck_assert(promise_is_canceled(promise_peek(p[i])));
        promise_unref(p[i]);
    }
    promise_abandon(resolver);
    loop = NULL;
    close_loop();
}
END_TEST

START_TEST(O2_out_of_memory) {
    size_t n = 0;
    bool failed;

    do {
        open_loop(0);
        test_alloc_fail_at(++n);
        run(promise_getaddrinfo(loop, NULL, _i ? "localhost" : "127.0.0.1", NULL, &four));
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        if (promise_is_rejection(outcome)) ck_assert(failed && promise_error_is(outcome, &promise_errno_errors, ENOMEM));
        else ck_assert(has(outcome, "127.0.0.1:0"));
        close_loop();
    } while (failed);
    ck_assert_uint_gt(n, 3);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("getaddrinfo");
    TCase *names = tcase_create("names"), *ends = tcase_create("ends");

    tcase_add_test(names, numbers_need_no_thread);
    tcase_add_test(names, names_of_the_system);
    tcase_add_test(names, what_is_wrong_says_which);
    suite_add_tcase(suite, names);
    tcase_add_loop_test(ends, K2_J5_pending, 0, 2);
    tcase_add_test(ends, J5_new_ones_are_refused);
    tcase_add_loop_test(ends, O2_out_of_memory, 0, 2);
    suite_add_tcase(suite, ends);
    return test_main(suite);
}
