/* Rejections and the errors in them (V1, V3, N4). */
#include "hosted.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { STORE_EMISSING = 1 };
static char words[40];
static const char *store_describe(int code) {
    if (code != STORE_EMISSING) return NULL;
    strcpy(words, "missing");
    return words;
}
static const struct promise_domain store = {"store", store_describe}, bare = {"bare", NULL};

static size_t live;
static void start(void) { live = test_alloc_live(); }
static void end(void) { ck_assert_uint_eq(test_alloc_live(), live); }

START_TEST(V1_throw) {
    promise_value_t v = promise_throw(&store, STORE_EMISSING, "no %s in %d", "key", 7);

    ck_assert(promise_is_rejection(v));
    ck_assert(promise_is(promise_reason(v), &promise_type_error));
    ck_assert(promise_error_is(v, &store, STORE_EMISSING) && promise_error_is(promise_reason(v), &store, STORE_EMISSING));
    ck_assert(!promise_error_is(v, &store, 2) && !promise_error_is(v, &bare, STORE_EMISSING)); /* N4: codes are per domain */
    ck_assert_ptr_eq(promise_error_domain(v), &store);
    ck_assert_int_eq(promise_error_code(v), STORE_EMISSING);
    ck_assert_str_eq(promise_error_message(v), "no key in 7");
    ck_assert_ptr_nonnull(strstr(promise_error_where(v), "test_error.c:"));
    ck_assert(promise_is_void(promise_error_cause(v)) && promise_is_void(promise_error_reasons(v)));
    promise_value_clear(&v);
}
END_TEST

/* Without a message: the domain's words for the code, copied, or the domain's name. */
START_TEST(words_of_the_domain) {
    promise_value_t v = promise_throw_at(NULL, &store, STORE_EMISSING, NULL), w = promise_throw_at(NULL, &store, 9, NULL);

    strcpy(words, "changed");
    ck_assert_str_eq(promise_error_message(v), "missing");
    ck_assert_str_eq(promise_error_message(w), "store");
    ck_assert_ptr_null(promise_error_where(v));
    promise_value_clear(&v);
    promise_value_clear(&w);
    v = promise_throw_at(NULL, &bare, 1, NULL);
    ck_assert_str_eq(promise_error_message(v), "bare");
    promise_value_clear(&v);
}
END_TEST

/* The words for codes that the system does not know are made up, and do not last. */
START_TEST(words_of_unknown_codes) {
    char expected[100];
    promise_value_t v = promise_throw_at(NULL, &promise_errno_errors, 99999, NULL), w = promise_throw_errno(99998, NULL);

    snprintf(expected, sizeof expected, "%s", strerror(77777));
    snprintf(expected, sizeof expected, "%s", strerror(99999));
    strerror(77777);
    ck_assert_str_eq(promise_error_message(v), expected);
    ck_assert_str_ne(promise_error_message(w), expected);
    promise_value_clear(&v);
    promise_value_clear(&w);
}
END_TEST

START_TEST(throw_errno) {
    char expected[100];
    promise_value_t v = promise_throw_errno(ENOENT, "open %s", "file"), w = promise_throw_errno(EACCES, NULL);

    snprintf(expected, sizeof expected, "open file: %s", strerror(ENOENT));
    ck_assert_str_eq(promise_error_message(v), expected);
    ck_assert_str_eq(promise_error_message(w), strerror(EACCES));
    ck_assert(promise_error_is(v, &promise_errno_errors, ENOENT));
    promise_value_clear(&v);
    promise_value_clear(&w);
}
END_TEST

START_TEST(every_code_has_words) {
    for (int code = PROMISE_ECANCELED; code <= PROMISE_EAGGREGATE; code++) {
        promise_value_t v = promise_throw_at(NULL, &promise_errors, code, NULL);
        ck_assert_str_ne(promise_error_message(v), "unknown error");
        ck_assert_int_eq(promise_is_canceled(v), code == PROMISE_ECANCELED);
        ck_assert_int_eq(promise_is_timeout(v), code == PROMISE_ETIMEDOUT);
        promise_value_clear(&v);
    }
}
END_TEST

/* Causes: any value can be one, is_ looks through them, and cause() gives them with their mark. */
START_TEST(causes) {
    promise_value_t v = promise_throw_errno(ENOENT, NULL);

    v = promise_wrap(v, &store, STORE_EMISSING, "no entry");
    v = promise_wrap(v, &promise_errors, PROMISE_ECANCELED, NULL);
    ck_assert(promise_error_is(v, &promise_errno_errors, ENOENT) && promise_error_is(v, &store, STORE_EMISSING));
    ck_assert(promise_is_canceled(v));
    ck_assert_int_eq(promise_error_code(promise_error_cause(v)), STORE_EMISSING);
    ck_assert(promise_is_rejection(promise_error_cause(promise_error_cause(v))));
    ck_assert(!promise_error_is(promise_error_cause(v), &promise_errors, PROMISE_ECANCELED));
    promise_value_clear(&v);
    v = promise_wrap(promise_string("only text"), &bare, 1, "x");
    ck_assert_str_eq(promise_as_string(promise_error_cause(v)), "only text");
    promise_value_clear(&v);
}
END_TEST

/* V2: a cause that is lent or kept is referenced. */
START_TEST(V2_cause) {
    promise_value_t kept = {0}, v;

    promise_value_set(&kept, promise_throw(&bare, 1, "cause"));
    v = promise_wrap(kept, &bare, 2, "x");
    promise_value_clear(&kept);
    ck_assert_str_eq(promise_error_message(promise_error_cause(v)), "cause");
    promise_value_clear(&v);
}
END_TEST

/* The functions that look take any reason. */
START_TEST(reasons_of_any_type) {
    promise_value_t text = promise_throw_value(promise_string("text")), number = promise_throw_value(promise_int(5));

    ck_assert_str_eq(promise_error_message(text), "text");
    ck_assert_str_eq(promise_error_message(number), "int");
    ck_assert_str_eq(promise_error_message(promise_void()), "void");
    ck_assert_ptr_eq(promise_error_domain(number), &promise_value_errors);
    ck_assert_int_eq(promise_error_code(number), 0);
    ck_assert_ptr_null(promise_error_where(text));
    ck_assert(!promise_error_is(text, &promise_value_errors, 0));
    ck_assert(promise_is_void(promise_error_cause(text)));
    promise_value_clear(&text);
}
END_TEST

START_TEST(bad_domain) {
    promise_value_t v = promise_throw(NULL, 1, "x"), w = promise_wrap(promise_string("freed"), NULL, 1, "x");

    ck_assert(promise_error_is(v, &promise_errno_errors, EINVAL) && promise_error_is(w, &promise_errno_errors, EINVAL));
    ck_assert_ptr_nonnull(strstr(promise_error_message(w), "promise_wrap: domain is NULL"));
    promise_value_clear(&v);
    promise_value_clear(&w);
}
END_TEST

/* V3: the ENOMEM rejection, static, and the cause is freed. */
START_TEST(V3_out_of_memory) {
    promise_value_t cause = promise_string("freed"), v;

    test_alloc_fail_at(1);
    v = promise_wrap(cause, &store, STORE_EMISSING, "x");
    test_alloc_fail_at(0);
    ck_assert(promise_is_rejection(v) && promise_error_is(v, &promise_errno_errors, ENOMEM));
    ck_assert_uint_eq(test_alloc_live(), live);
    for (int i = 0; i < 5; i++) promise_value_clear(&(promise_value_t){v.type, {.pointer = v.as.pointer}}); /* never counted */
    ck_assert_str_eq(promise_error_message(v), "out of memory");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("error");
    TCase *tcase = tcase_create("error");

    tcase_add_checked_fixture(tcase, start, end);
    tcase_add_test(tcase, V1_throw);
    tcase_add_test(tcase, words_of_the_domain);
    tcase_add_test(tcase, words_of_unknown_codes);
    tcase_add_test(tcase, throw_errno);
    tcase_add_test(tcase, every_code_has_words);
    tcase_add_test(tcase, causes);
    tcase_add_test(tcase, V2_cause);
    tcase_add_test(tcase, reasons_of_any_type);
    tcase_add_test(tcase, bad_domain);
    tcase_add_test(tcase, V3_out_of_memory);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
