/* Functions by name, and rejections that become bytes and rejections again. */
#include "working.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static promise_value_t calls(const char *name, promise_value_t v) { return promise_function_call(working_functions, name, v); }

/* v, consumed, is these bytes, or a rejection with "!" and that message. */
static void is(promise_value_t v, const char *text) {
    if (*text == '!') ck_assert_str_eq(promise_error_message(v), text + 1);
    else ck_assert_str_eq(promise_as_bytes(v, NULL), text);
    ck_assert(promise_is_rejection(v) == (*text == '!'));
    if (*text != '!') ck_assert(promise_is(v, &promise_type_bytes));
    promise_value_clear(&v);
}

START_TEST(called_with_bytes_gives_bytes) {
    size_t live = test_alloc_live();
    promise_value_t kept = {0};

    is(calls("echo", promise_string("a text")), "a text");
    is(calls("echo", promise_bytes("some bytes", 10)), "some bytes");
    is(calls("echo", promise_void()), "");
    is(calls("nothing", promise_void()), "");
    is(calls("an int", promise_void()), "!an int: expected bytes, got int: Invalid argument");
    is(calls("echo", promise_int(1)), "!promise_function_call: expected bytes, got int: Invalid argument");
    is(calls("echo", promise_throw_errno(EIO, "read")), "!read: Input/output error");
    is(calls("fail", promise_string("5")), "!what fails: Input/output error");
    is(calls("nope", promise_string("5")), "!there is no function \"nope\"");
    is(promise_function_call(NULL, "echo", promise_void()), "!there is no function \"echo\"");
    promise_value_set(&kept, promise_string("kept"));
    is(calls("echo", kept), "kept"); /* V2: it is still ours */
    ck_assert_str_eq(promise_as_string(kept), "kept");
    promise_value_clear(&kept);
    ck_assert_str_eq(promise_function_find(working_functions, "echo")->name, "echo");
    ck_assert_ptr_null(promise_function_find(working_functions, "nope"));
    ck_assert_ptr_null(promise_function_find(NULL, "nope"));
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

START_TEST(no_name) {
    size_t live = test_alloc_live();

    ck_assert_ptr_null(promise_function_find(working_functions, NULL));
    is(promise_function_call(working_functions, NULL, promise_string("x")),
       "!promise_function_call: name is NULL: Invalid argument");
    is(calls(NULL, promise_throw_errno(EIO, "read")), "!read: Input/output error");
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

static promise_value_t travel(promise_value_t v) { return promise_error_unpack(promise_error_pack(v), working_domains); }

START_TEST(all_of_an_error_travels) {
    size_t live = test_alloc_live();
    promise_value_t v = promise_throw_errno(ENOENT, "the file"), cause;

    v = travel(promise_wrap(v, &working_errors, -WORKING_ODD, "what came of it"));
    ck_assert_ptr_eq(promise_error_domain(v), &working_errors);
    ck_assert_int_eq(promise_error_code(v), -WORKING_ODD);
    ck_assert_str_eq(promise_error_message(v), "what came of it");
    ck_assert_ptr_nonnull(strstr(promise_error_where(v), "test_function.c:"));
    cause = promise_error_cause(v);
    ck_assert_str_eq(promise_error_message(cause), "the file: No such file or directory");
    ck_assert(promise_is_rejection(cause));
    ck_assert(promise_is_void(promise_error_cause(cause)));
    promise_value_clear(&v);
    v = travel(promise_out_of_memory());
    ck_assert(promise_error_is(v, &promise_errno_errors, ENOMEM));
    promise_value_clear(&v);
    v = travel(promise_was_canceled());
    ck_assert(promise_is_canceled(v));
    ck_assert_ptr_null(promise_error_where(v));
    promise_value_clear(&v);
    v = travel(promise_throw_value(promise_string("a text")));
    ck_assert_ptr_eq(promise_error_domain(v), &promise_value_errors);
    ck_assert_str_eq(promise_error_message(v), "a text");
    promise_value_clear(&v);
    v = travel(promise_throw_value(promise_int(3)));
    ck_assert_str_eq(promise_error_message(v), "int");
    promise_value_clear(&v);
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

/* V4: a chain of causes is cut at 64, and neither its making nor its end recurses. */
START_TEST(a_long_chain_is_cut) {
    promise_value_t v = promise_throw_errno(ENOENT, "the first"), at;
    size_t deep = 0;

    for (int i = 0; i < 1000; i++) v = promise_wrap(v, &promise_errno_errors, EIO, "number %d", i);
    v = travel(v);
    for (at = v; promise_is_rejection(at); at = promise_error_cause(at)) deep++;
    ck_assert_uint_eq(deep, 64);
    ck_assert_str_eq(promise_error_message(v), "number 999");
    promise_value_clear(&v);
}
END_TEST

START_TEST(of_strangers_the_name_is_kept) {
    char name[100];
    const struct promise_domain *first, long_one = {name, NULL};
    promise_value_t v;

    v = promise_error_unpack(promise_error_pack(promise_throw(&working_errors, 5, "why")), NULL);
    first = promise_error_domain(v);
    ck_assert_ptr_ne(first, &working_errors);
    ck_assert_str_eq(first->name, "working");
    ck_assert_int_eq(promise_error_code(v), 5);
    promise_value_clear(&v);
    v = promise_error_unpack(promise_error_pack(promise_throw(&working_errors, 6, "why")), NULL);
    ck_assert_ptr_eq(promise_error_domain(v), first);
    promise_value_clear(&v);
    for (int i = 0; i < 100; i++) { /* there is room for 64 */
        struct promise_domain other = {name, NULL};
        snprintf(name, sizeof name, "other %d", i);
        v = promise_error_unpack(promise_error_pack(promise_throw(&other, i, "why")), NULL);
        ck_assert_str_eq(promise_error_domain(v)->name, i < 63 ? name : "unknown");
        promise_value_clear(&v);
    }
    memset(name, 'x', sizeof name);
    name[99] = 0;
    v = promise_error_unpack(promise_error_pack(promise_throw(&long_one, 1, "why")), NULL);
    ck_assert_str_eq(promise_error_domain(v)->name, "unknown");
    promise_value_clear(&v);
}
END_TEST

START_TEST(what_is_no_rejection_is_told) {
    promise_value_t bytes = {0}, v;
    const char *data;
    size_t size;

    promise_value_set(&bytes, promise_error_pack(promise_throw_errno(ENOENT, "the file")));
    data = promise_as_bytes(bytes, &size);
    for (size_t part = 0; part < size; part++) {
        v = promise_error_unpack(promise_bytes(data, part), NULL);
        ck_assert(promise_error_is(v, &promise_errno_errors, EPROTO));
        promise_value_clear(&v);
    }
    is(promise_error_unpack(promise_int(3), NULL), "!promise_error_unpack: expected bytes, got int: Protocol error");
    is(promise_error_unpack(promise_void(), NULL), "!promise_error_unpack: expected bytes, got void: Protocol error");
    is(promise_error_unpack(promise_string("\1"), NULL), "!promise_error_unpack: this is no rejection: Protocol error");
    v = promise_error_unpack(promise_throw_errno(EIO, "read"), NULL);
    ck_assert_str_eq(promise_error_message(v), "read: Input/output error");
    promise_value_clear(&v);
    promise_value_clear(&bytes);
}
END_TEST

START_TEST(each_allocation_fails_once) {
    size_t live = test_alloc_live(), n = 0;
    promise_value_t v;

    do {
        test_alloc_fail_at(++n);
        v = promise_throw_errno(ENOENT, "the file");
        v = travel(promise_wrap(v, &working_errors, 1, "what came of it"));
        ck_assert(promise_is_rejection(v));
        promise_value_clear(&v);
        v = calls("echo", promise_string("x"));
        promise_value_clear(&v);
    } while (test_alloc_failed());
    test_alloc_fail_at(0);
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("function");
    TCase *tcase = tcase_create("function");
    const TTest *const all[] = {called_with_bytes_gives_bytes, no_name,
                                all_of_an_error_travels,       a_long_chain_is_cut,
                                of_strangers_the_name_is_kept, what_is_no_rejection_is_told,
                                each_allocation_fails_once};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) tcase_add_test(tcase, all[i]);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
