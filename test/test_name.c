/* Names of promises. */
#include "hosted.h"

#include <stdio.h>
#include <string.h>

static promise_t *new_named(struct source *w, const char *name) {
    promise_t *p = source_open(loop, w, name);

    ck_assert_int_eq(promise_set_name(p, name), 0);
    return p;
}

START_TEST(set_and_get) {
    struct source w;
    char name[] = "copied";
    promise_t *p = new_named(&w, name);

    name[0] = 'X';
    ck_assert_str_eq(promise_get_name(p), "copied");
    ck_assert_int_eq(promise_set_name(p, "other"), 0);
    ck_assert_str_eq(promise_get_name(p), "other");
    ck_assert_int_eq(promise_set_name(p, ""), 0);
    ck_assert_str_eq(promise_get_name(p), "");
    ck_assert_int_eq(promise_set_name(p, NULL), 0);
    ck_assert_int_eq(promise_set_name(p, NULL), 0);
    ck_assert_ptr_null(promise_get_name(p));
    source_resolve(&w, promise_void());
    promise_unref(p);
}
END_TEST

/* Its own name, or a part of it. */
START_TEST(set_to_itself) {
    struct source w;
    promise_t *p = new_named(&w, "a name of some length");

    ck_assert_int_eq(promise_set_name(p, promise_get_name(p)), 0);
    ck_assert_str_eq(promise_get_name(p), "a name of some length");
    ck_assert_int_eq(promise_set_name(p, promise_get_name(p) + 2), 0);
    ck_assert_str_eq(promise_get_name(p), "name of some length");
    source_resolve(&w, promise_void());
    promise_unref(p);
}
END_TEST

/* Many, so that the table grows; each goes with its promise. */
START_TEST(many) {
    enum { N = 1000 };
    static struct source w[N];
    static promise_t *p[N];
    char name[20];

    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "promise %d", i);
        p[i] = new_named(&w[i], name);
    }
    for (int i = 0; i < N; i += 2) {
        source_resolve(&w[i], promise_void());
        promise_unref(p[i]);
    }
    for (int i = 1; i < N; i += 2) {
        snprintf(name, sizeof name, "promise %d", i);
        ck_assert_str_eq(promise_get_name(p[i]), name);
    }
    for (int i = 1; i < N; i += 2) {
        source_resolve(&w[i], promise_void());
        promise_unref(p[i]);
    }
}
END_TEST

/* A slot that is used again has no name of before. */
START_TEST(gone_with_its_promise) {
    for (int i = 0; i < 100; i++) {
        promise_t *p = promise_from(loop, promise_int(i));
        ck_assert_ptr_null(promise_get_name(p));
        ck_assert_int_eq(promise_set_name(p, "x"), 0);
        promise_unref(p);
    }
}
END_TEST

/* Each way to go: shortened, cancelled, as a link that nobody holds, with the loop. */
static promise_value_t rename_it(promise_value_t v, void *p) {
    ck_assert_int_eq(promise_set_name(*(promise_t **)p, "running"), 0);
    promise_unref(*(promise_t **)p);
    return v;
}
START_TEST(each_way_to_go) {
    struct source w[4];
    promise_t *p;

    p = promise_then(promise_from(loop, promise_void()), give, source_open(loop, &w[0], "0"));
    ck_assert_int_eq(promise_set_name(p, "shortened"), 0);
    watch(p, "0");
    promise_cancel(new_named(&w[1], "1"));
    p = promise_then(new_named(&w[2], "2"), see, "2");
    ck_assert_int_eq(promise_set_name(p, "link"), 0);
    watch(p, "tail");
    promise_unref(new_named(&w[3], "3"));
    p = promise_then(promise_from(loop, promise_void()), rename_it, &p);
    hosted_run();
    source_resolve(&w[0], promise_int(0));
    source_resolve(&w[2], promise_int(2));
    hosted_run();
    trace_is("stop:1 0=0 2=2 tail=2");
    hosted_free();
    trace_is("stop:3");
}
END_TEST

/* A promise that outlives its loop keeps its name. */
START_TEST(outlives_the_loop) {
    struct source w;
    promise_t *p = new_named(&w, "kept");

    hosted_free();
    trace_is("stop:kept");
    ck_assert_str_eq(promise_get_name(p), "kept");
    ck_assert_int_eq(promise_set_name(p, "later"), 0);
    ck_assert_str_eq(promise_get_name(p), "later");
    promise_unref(p);
}
END_TEST

/* Out of memory at each allocation: -1, and the name of before stays. */
START_TEST(out_of_memory) {
    struct source w;
    promise_t *p = source_open(loop, &w, "w");
    size_t n = 0;
    int status;

    do {
        test_alloc_fail_at(++n);
        status = promise_set_name(p, "first");
        ck_assert_int_eq(status, test_alloc_failed() ? -1 : 0);
    } while (status < 0);
    test_alloc_fail_at(1);
    ck_assert_int_eq(promise_set_name(p, "second"), -1);
    test_alloc_fail_at(0);
    ck_assert_str_eq(promise_get_name(p), "first");
    source_resolve(&w, promise_void());
    promise_unref(p);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("name");
    TCase *tcase = tcase_create("name");

    tcase_add_checked_fixture(tcase, hosted_start, hosted_end);
    tcase_add_test(tcase, set_and_get);
    tcase_add_test(tcase, set_to_itself);
    tcase_add_test(tcase, many);
    tcase_add_test(tcase, gone_with_its_promise);
    tcase_add_test(tcase, each_way_to_go);
    tcase_add_test(tcase, outlives_the_loop);
    tcase_add_test(tcase, out_of_memory);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
