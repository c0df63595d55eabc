/* Values: types, whose they are (V2), out of memory (V3), reading a wrong type. */
#include "hosted.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct user {
    int refs;
};
static int freed;
static void user_free(struct user *u) { freed++, (void)u; }
static void user_retain(struct user *u) { u->refs++; }
static void user_release(struct user *u) { u->refs--; }
PROMISE_DECLARE_TYPE(user, struct user)
PROMISE_DEFINE_TYPE(user, struct user, user_free)
PROMISE_DECLARE_TYPE(counted, struct user)
PROMISE_DEFINE_COUNTED_TYPE(counted, struct user, user_retain, user_release)
static void count_free(void *object) { freed++, (void)object; }

static void start(void) { freed = 0; }
static void check_printed(promise_value_t v, const char *text) {
    char buffer[64];

    ck_assert_uint_eq(promise_print(v, buffer, sizeof buffer), strlen(text));
    ck_assert_str_eq(buffer, text);
    ck_assert_uint_eq(promise_print(v, NULL, 0), strlen(text));
    promise_print(v, buffer, 3);
    ck_assert_uint_le(strlen(buffer), 2);
    promise_value_clear(&v);
    ck_assert(promise_is_void(v));
}

START_TEST(plain_values) {
    int x;
    promise_value_t zero = {0};

    ck_assert_uint_eq(sizeof zero, 2 * sizeof(void *));
    ck_assert(promise_is_void(zero) && promise_is_void(promise_void()) && promise_is(zero, NULL));
    ck_assert(promise_is_end(promise_end()) && !promise_is_end(zero) && !promise_is_void(promise_end()));
    ck_assert_int_eq(promise_as_int(promise_int(INT64_MIN)), INT64_MIN);
    ck_assert_double_eq(promise_as_double(promise_double(-0.5)), -0.5);
    ck_assert_ptr_eq(promise_as_pointer(promise_pointer(&x)), &x);
    ck_assert_ptr_null(promise_as_pointer(promise_pointer(NULL)));
    ck_assert(promise_is(promise_int(0), &promise_type_int) && !promise_is_void(promise_int(0)));
}
END_TEST

START_TEST(texts) {
    char text[] = "copied";
    size_t size;
    promise_value_t v = promise_string(text), w = promise_string_take(strdup("taken")), f = promise_stringf("%d %s", 7, "x");

    text[0] = 'X';
    ck_assert_str_eq(promise_as_string(v), "copied");
    ck_assert_str_eq(promise_as_bytes(v, &size), "copied");
    ck_assert_uint_eq(size, 6);
    ck_assert_str_eq(promise_as_string(w), "taken");
    ck_assert_str_eq(promise_as_string(f), "7 x");
    promise_value_clear(&v);
    promise_value_clear(&w);
    promise_value_clear(&f);
    v = promise_string("");
    ck_assert_str_eq(promise_as_string(v), "");
    promise_value_clear(&v);
}
END_TEST

/* A NUL follows the last byte, also behind those that were taken over. */
START_TEST(bytes) {
    char *given = malloc(3);
    size_t size;
    promise_value_t v = promise_bytes("a\0b", 3), w, none = promise_bytes(NULL, 0), taken = promise_bytes_take(NULL, 0);

    memcpy(given, "xyz", 3);
    w = promise_bytes_take(given, 3);
    ck_assert_int_eq(memcmp(promise_as_bytes(v, &size), "a\0b\0", 4), 0);
    ck_assert_uint_eq(size, 3);
    ck_assert_str_eq(promise_as_bytes(w, NULL), "xyz");
    ck_assert_str_eq(promise_as_bytes(none, &size), "");
    ck_assert_uint_eq(size, 0);
    ck_assert_str_eq(promise_as_bytes(taken, &size), "");
    promise_value_clear(&v);
    promise_value_clear(&w);
    promise_value_clear(&none);
    promise_value_clear(&taken);
}
END_TEST

START_TEST(boxes_and_objects) {
    struct user u = {.refs = 1};
    promise_value_t box = promise_box(&u, count_free), borrowed = promise_box(NULL, NULL), v = user_value(&u),
                    c = counted_value(&u);

    ck_assert_ptr_eq(promise_as_box(box), &u);
    ck_assert_ptr_null(promise_as_box(borrowed));
    ck_assert_ptr_eq(user_of(v), &u);
    ck_assert_ptr_eq(counted_of(c), &u);
    ck_assert_ptr_eq(promise_as_object(v, &promise_type_user), &u);
    promise_value_clear(&box);
    promise_value_clear(&borrowed);
    ck_assert_int_eq(freed, 1);
    promise_value_clear(&v);
    ck_assert_int_eq(freed, 2);
    promise_value_clear(&c);
    ck_assert_int_eq(u.refs, 0);
    promise_value_clear(&c); /* void by now */
    ck_assert_int_eq(u.refs, 0);
}
END_TEST

/* Bad arguments are EINVAL rejections that name the argument. */
START_TEST(bad_arguments) {
    struct user u;
    promise_value_t bad[] = {promise_string(NULL),        promise_string_take(NULL), promise_bytes(NULL, 1),
                             promise_bytes_take(NULL, 1), promise_object(NULL, &u),  promise_object(&promise_type_user, NULL),
                             promise_list(1, NULL)};
    const char *named[] = {"promise_string: text",     "promise_string_take: text", "promise_bytes: data",
                           "promise_bytes_take: data", "promise_object: type",      "promise_object: object",
                           "promise_list: values"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert(promise_is_rejection(bad[i]));
        ck_assert(promise_error_is(bad[i], &promise_errno_errors, EINVAL));
        ck_assert_ptr_nonnull(strstr(promise_error_message(bad[i]), named[i]));
        promise_value_clear(&bad[i]);
    }
}
END_TEST

/* ---- V1 ---- */

/* V1: the mark comes and goes; whose it is stays. */
START_TEST(V1_marks) {
    promise_value_t v = promise_string("x"), r = promise_throw_value(v);

    ck_assert(promise_is_rejection(r) && !promise_is_rejection(v));
    ck_assert(!promise_is(r, &promise_type_string));
    ck_assert(promise_is(promise_reason(r), &promise_type_string));
    ck_assert(promise_is_rejection(promise_throw_value(r)));
    ck_assert(!promise_is_rejection(promise_reason(v)));
    ck_assert(promise_is_rejection(promise_throw_value(promise_void())) &&
              !promise_is_void(promise_throw_value(promise_void())));
    ck_assert_str_eq(promise_type_name(r), "string");
    promise_value_clear(&r);
}
END_TEST

/* ---- V2: whose it is ---- */

/* V2: fresh is taken over by a slot, kept is referenced by another; each lets go of its own. */
START_TEST(V2_slots) {
    struct user u;
    promise_value_t a = {0}, b = {0};

    promise_value_set(&a, user_value(&u));
    promise_value_set(&b, a);
    promise_value_set(&a, a); /* to itself */
    promise_value_clear(&a);
    ck_assert_int_eq(freed, 0);
    promise_value_set(&b, promise_int(1));
    ck_assert_int_eq(freed, 1);
    promise_value_clear(&b);
    promise_value_clear(&b);
    ck_assert_int_eq(freed, 1);
}
END_TEST

static promise_value_t slot;
static promise_value_t keep(promise_value_t v, void *arg) {
    (void)arg;
    promise_value_set(&slot, v);
    return promise_void();
}
static promise_value_t give_kept(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return slot;
}
/* V2: lent to a handler, and kept beyond it; kept, and returned, any number of times. */
/* Moved: as fresh, which is taken over; the slot is void. Of what is lent, one more. */
START_TEST(V2_moved) {
    promise_value_t place = {0}, v = promise_box(&freed, count_free), list = promise_list(1, &v), moved;

    promise_value_set(&place, promise_list_get(list, 0)); /* kept */
    moved = promise_value_move(&place);
    ck_assert(promise_is_void(place));
    promise_value_clear(&list);
    ck_assert_int_eq(freed, 0);
    list = promise_list(1, &moved);   /* takes it over */
    place = promise_list_get(list, 0); /* lent */
    moved = promise_value_move(&place);
    ck_assert(promise_is_void(place));
    promise_value_clear(&list);
    ck_assert_int_eq(freed, 0);
    ck_assert_ptr_eq(promise_as_box(moved), &freed);
    place = moved; /* fresh */
    moved = promise_value_move(&place);
    promise_value_clear(&moved);
    ck_assert_int_eq(freed, 1);

    place = promise_throw_errno(EIO, "broken");
    moved = promise_value_move(&place);
    ck_assert(promise_is_void(place) && promise_is_rejection(moved));
    promise_value_clear(&moved);
    moved = promise_value_move(&place);
    ck_assert(promise_is_void(moved));
}
END_TEST

START_TEST(V2_lent_and_kept) {
    struct user u;
    promise_t *p;

    hosted_start();
    promise_unref(promise_then(promise_from(loop, user_value(&u)), keep, NULL));
    hosted_run();
    ck_assert_int_eq(freed, 0);
    p = promise_try(loop, give_kept, NULL);
    promise_unref(promise_try(loop, give_kept, NULL));
    hosted_run();
    promise_value_clear(&slot);
    ck_assert_int_eq(freed, 0);
    ck_assert_ptr_eq(user_of(promise_peek(p)), &u);
    promise_value_set(&slot, promise_peek(p)); /* a peek is lent */
    promise_unref(p);
    ck_assert_int_eq(freed, 0);
    promise_value_clear(&slot);
    ck_assert_int_eq(freed, 1);
    hosted_end();
}
END_TEST

static promise_value_t give_lent(promise_value_t v, void *arg) {
    promise_resolver_t *r = arg;

    promise_resolve(r, v); /* as an argument, and as a result */
    return v;
}
START_TEST(V2_lent_as_argument_and_result) {
    struct user u;
    promise_resolver_t *r;
    promise_t *p, *q;

    hosted_start();
    p = promise_new(loop, &r);
    q = promise_then(promise_from(loop, user_value(&u)), give_lent, r);
    hosted_run();
    ck_assert_ptr_eq(user_of(promise_peek(p)), &u);
    ck_assert_ptr_eq(user_of(promise_peek(q)), &u);
    promise_unref(p);
    ck_assert_int_eq(freed, 0);
    promise_unref(q);
    ck_assert_int_eq(freed, 1);
    hosted_end();
}
END_TEST

/* ---- V3: out of memory ---- */

static struct user any_user;
static promise_value_t make(int what, const promise_value_t *item) {
    switch (what) {
    case 0: return promise_string("x");
    case 1: return promise_string_take(strdup("x"));
    case 2: return promise_stringf("%s", "x");
    case 3: return promise_bytes("x", 1);
    case 4: return promise_bytes_take(malloc(1), 1);
    case 5: return promise_box(&any_user, count_free);
    case 6: return user_value(&any_user);
    default: return promise_list(1, item);
    }
}
/* V3: the ENOMEM rejection, and what it was to take is freed. */
START_TEST(V3_out_of_memory) {
    size_t live = test_alloc_live();

    for (int what = 0; what < 8; what++)
        for (size_t n = 1;; n++) {
            promise_value_t v, item = what == 7 ? user_value(&any_user) : promise_void();
            freed = 0;
            test_alloc_fail_at(n);
            v = make(what, &item);
            if (!test_alloc_failed()) {
                test_alloc_fail_at(0);
                promise_value_clear(&v);
                break;
            }
            ck_assert(promise_error_is(v, &promise_errno_errors, ENOMEM) && promise_is_rejection(v));
            ck_assert_int_eq(freed, what >= 5);
            promise_value_clear(&v);
            ck_assert_uint_eq(test_alloc_live(), live);
        }
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

/* ---- text ---- */

static size_t print_user(const void *object, char *buffer, size_t size) {
    ck_assert_ptr_nonnull(object);
    return (size_t)snprintf(buffer, size, "user!");
}
START_TEST(printed) {
    static const struct promise_type printing = {.size = sizeof printing, .name = "printing", .print = print_user};
    struct user u = {.refs = 1};

    check_printed(promise_void(), "void");
    check_printed(promise_end(), "end");
    check_printed(promise_int(-12), "-12");
    check_printed(promise_double(1.5), "1.5");
    check_printed(promise_string("text"), "text");
    check_printed(promise_bytes("abc", 3), "3 bytes");
    check_printed(promise_list(0, NULL), "a list of 0");
    check_printed(user_value(&u), "user");
    check_printed(counted_value(&u), "counted");
    check_printed(promise_object(&printing, &u), "user!");
    check_printed(promise_throw_value(promise_int(3)), "3");
    check_printed(promise_throw(&promise_errors, PROMISE_ECLOSED, "shut"), "promise[5]: shut");
}
END_TEST

/* ---- reading a wrong type stops the program, naming both ---- */

static void int_as_string(void *arg) { promise_as_string(promise_int(1)), (void)arg; }
static void void_as_int(void *arg) { promise_as_int(promise_void()), (void)arg; }
static void string_as_double(void *arg) { promise_as_double(promise_string("x")), (void)arg; }
static void int_as_user(void *arg) { user_of(promise_int(1)), (void)arg; }
static void int_as_bytes(void *arg) { promise_as_bytes(promise_int(1), NULL), (void)arg; }
static void rejection_as_int(void *arg) { promise_as_int(promise_throw(&promise_errors, 1, "no luck")), (void)arg; }
static void int_as_promise(void *arg) { promise_as_promise(promise_int(1)), (void)arg; }
START_TEST(wrong_types_stop) {
    test_assert_stops(int_as_string, NULL, "promise_as_string: expected string, got int");
    test_assert_stops(void_as_int, NULL, "promise_as_int: expected int, got void");
    test_assert_stops(string_as_double, NULL, "promise_as_double: expected double, got string");
    test_assert_stops(int_as_user, NULL, "promise_as_object: expected user, got int");
    test_assert_stops(int_as_bytes, NULL, "promise_as_bytes: expected bytes, got int");
    test_assert_stops(rejection_as_int, NULL, "promise_as_int: expected int, got a rejection: no luck");
    test_assert_stops(int_as_promise, NULL, "promise_as_promise: expected promise, got int");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("value");
    TCase *tcase = tcase_create("value");

    tcase_add_checked_fixture(tcase, start, NULL);
    tcase_add_test(tcase, plain_values);
    tcase_add_test(tcase, texts);
    tcase_add_test(tcase, bytes);
    tcase_add_test(tcase, boxes_and_objects);
    tcase_add_test(tcase, bad_arguments);
    tcase_add_test(tcase, V1_marks);
    tcase_add_test(tcase, V2_slots);
    tcase_add_test(tcase, V2_moved);
    tcase_add_test(tcase, V2_lent_and_kept);
    tcase_add_test(tcase, V2_lent_as_argument_and_result);
    tcase_add_test(tcase, V3_out_of_memory);
    tcase_add_test(tcase, printed);
    tcase_add_test(tcase, wrong_types_stop);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
