/* Lists, with and without names. */
#include "hosted.h"

#include <errno.h>
#include <string.h>

static size_t live;
static void start(void) { live = test_alloc_live(); }
static void end(void) { ck_assert_uint_eq(test_alloc_live(), live); }

START_TEST(elements) {
    promise_value_t items[] = {promise_int(1), promise_string("two"), promise_throw_value(promise_string("three"))};
    promise_value_t v = promise_list(3, items), kept = {0};

    ck_assert_uint_eq(promise_list_size(v), 3);
    ck_assert_int_eq(promise_as_int(promise_list_get(v, 0)), 1);
    ck_assert_str_eq(promise_as_string(promise_list_get(v, 1)), "two");
    ck_assert(promise_is_rejection(promise_list_get(v, 2)));
    ck_assert_ptr_null(promise_list_name(v, 1));
    ck_assert(promise_is_void(promise_get(v, "two")));
    promise_value_set(&kept, promise_list_get(v, 1)); /* V2: an element is lent */
    promise_value_clear(&v);
    ck_assert_str_eq(promise_as_string(kept), "two");
    promise_value_clear(&kept);
}
END_TEST

/* V2: kept and lent elements are referenced, fresh ones taken over. */
START_TEST(V2_elements) {
    promise_value_t kept = {0}, items[3], v, w;

    promise_value_set(&kept, promise_string("shared"));
    items[0] = kept;
    items[1] = promise_string("fresh");
    v = promise_list(2, items);
    items[2] = promise_list_get(v, 1);
    w = promise_list(1, &items[2]);
    promise_value_clear(&v);
    ck_assert_str_eq(promise_as_string(kept), "shared");
    ck_assert_str_eq(promise_as_string(promise_list_get(w, 0)), "fresh");
    promise_value_clear(&kept);
    promise_value_clear(&w);
}
END_TEST

START_TEST(push) {
    promise_value_t v = promise_list(0, NULL), same = {0};

    promise_value_set(&same, v); /* fresh: taken over, so same is the one reference */
    for (int i = 0; i < 100; i++) ck_assert_int_eq(promise_list_push(same, promise_stringf("%d", i)), 0);
    ck_assert_uint_eq(promise_list_size(same), 100);
    ck_assert_str_eq(promise_as_string(promise_list_get(same, 99)), "99");
    ck_assert_int_eq(promise_list_push(same, promise_list_get(same, 0)), 0); /* one of its own */
    ck_assert_str_eq(promise_as_string(promise_list_get(same, 100)), "0");
    promise_value_clear(&same);
}
END_TEST

START_TEST(names) {
    const char *keys[] = {"a", "b", "a"};
    promise_value_t items[] = {promise_int(1), promise_string("x"), promise_int(3)}, v = promise_keyed(3, keys, items);

    ck_assert_int_eq(promise_as_int(promise_get(v, "a")), 1); /* the first of several */
    ck_assert_str_eq(promise_as_string(promise_get(v, "b")), "x");
    ck_assert(promise_is_void(promise_get(v, "c")));
    ck_assert_str_eq(promise_list_name(v, 2), "a");
    for (int i = 0; i < 20; i++) ck_assert_int_eq(promise_list_push(v, promise_int(i)), 0);
    ck_assert_ptr_null(promise_list_name(v, 22));
    ck_assert_str_eq(promise_as_string(promise_get(v, "b")), "x");
    promise_value_clear(&v);
    v = promise_keyed(0, NULL, NULL);
    ck_assert_uint_eq(promise_list_size(v), 0);
    promise_value_clear(&v);
}
END_TEST

START_TEST(bad_names) {
    const char *keys[] = {"a", NULL};
    promise_value_t items[] = {promise_string("x"), promise_string("y")}, v = promise_keyed(2, keys, items);

    ck_assert(promise_error_is(v, &promise_errno_errors, EINVAL));
    ck_assert_ptr_nonnull(strstr(promise_error_message(v), "promise_keyed: a name is NULL"));
    promise_value_clear(&v);
    items[0] = promise_string("x");
    v = promise_keyed(1, NULL, items);
    ck_assert_ptr_nonnull(strstr(promise_error_message(v), "promise_keyed: names is NULL"));
    promise_value_clear(&v);
}
END_TEST

/* V3: at each allocation; the elements are freed. */
START_TEST(V3_out_of_memory) {
    const char *keys[] = {"a", "b"};
    bool failed;
    size_t n = 0;

    do {
        promise_value_t items[2] = {promise_string("x"), promise_string("y")}, v;
        test_alloc_fail_at(++n);
        v = promise_keyed(2, keys, items);
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        ck_assert_int_eq(failed, promise_error_is(v, &promise_errno_errors, ENOMEM));
        promise_value_clear(&v);
        ck_assert_uint_eq(test_alloc_live(), live);
    } while (failed);
    ck_assert_uint_gt(n, 4);
}
END_TEST

START_TEST(V3_push_out_of_memory) {
    const char *key = "a";
    promise_value_t first = promise_int(0), v = promise_keyed(1, &key, &first);

    for (size_t n = 1; n <= 2; n++) { /* the names grow, and the items */
        promise_value_t item = promise_string("x");
        test_alloc_fail_at(n);
        ck_assert_int_eq(promise_list_push(v, item), -1); /* taken over all the same */
        test_alloc_fail_at(0);
    }
    for (int i = 1; i < 50; i++) ck_assert_int_eq(promise_list_push(v, promise_int(i)), 0);
    ck_assert_int_eq(promise_as_int(promise_list_get(v, 49)), 49);
    ck_assert_int_eq(promise_as_int(promise_get(v, "a")), 0);
    promise_value_clear(&v);
}
END_TEST

static void get_beyond(void *arg) { promise_list_get(promise_list(0, NULL), 0), (void)arg; }
static void get_of_int(void *arg) { promise_list_get(promise_int(1), 0), (void)arg; }
static void size_of_rejection(void *arg) { promise_list_size(promise_throw_value(promise_list(0, NULL))), (void)arg; }
static void get_null(void *arg) { promise_get(promise_list(0, NULL), NULL), (void)arg; }
START_TEST(misuse_stops) {
    test_assert_stops(get_beyond, NULL, "promise_list_get: index 0 of a list of 0");
    test_assert_stops(get_of_int, NULL, "promise_list_get: expected list, got int");
    test_assert_stops(size_of_rejection, NULL, "promise_list_size: expected list, got a rejection: list");
    test_assert_stops(get_null, NULL, "promise_get: name is NULL");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("list");
    TCase *tcase = tcase_create("list");

    tcase_add_checked_fixture(tcase, start, end);
    tcase_add_test(tcase, elements);
    tcase_add_test(tcase, V2_elements);
    tcase_add_test(tcase, push);
    tcase_add_test(tcase, names);
    tcase_add_test(tcase, bad_names);
    tcase_add_test(tcase, V3_out_of_memory);
    tcase_add_test(tcase, V3_push_out_of_memory);
    tcase_add_test(tcase, misuse_stops);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
