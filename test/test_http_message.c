/* Messages that are made here: responses of a server's handler, and what is written of them. */
#include "../src/net/http_message.h"
#include "evloop.h"

#include <errno.h>
#include <promise/source.h>
#include <stdio.h>
#include <string.h>

static promise_value_t made; /* kept */

static void make(promise_value_t v) { promise_value_set(&made, v); }

static void is_einval(const char *text) {
    ck_assert(promise_is_rejection(made));
    ck_assert(promise_error_is(made, &promise_errno_errors, EINVAL));
    ck_assert_msg(strstr(promise_error_message(made), text) != NULL, "%s", promise_error_message(made));
}

static void open_it(void) {
    open_loop(0);
    made = promise_void();
}
static void close_it(void) {
    promise_value_clear(&made);
    promise_loop_free(loop);
    ck_assert_uint_eq(test_alloc_live(), live);
}

START_TEST(a_response) {
    char text[64];

    open_it();
    make(promise_http_response(404, promise_string("none")));
    ck_assert(promise_is(made, &promise_type_http));
    ck_assert_int_eq(promise_http_status(made), 404);
    ck_assert_str_eq(promise_http_reason_phrase(made), "Not Found");
    ck_assert_str_eq(promise_as_bytes(promise_http_body(made), NULL), "none");
    ck_assert_ptr_null(promise_http_method(made));
    ck_assert_ptr_null(promise_http_url(made));
    ck_assert_uint_eq(promise_http_header_count(made), 0);
    promise_print(made, text, sizeof text);
    ck_assert_str_eq(text, "HTTP 404 Not Found");
    make(promise_http_response(299, promise_void()));
    ck_assert_str_eq(promise_http_reason_phrase(made), "");
    ck_assert_str_eq(promise_as_bytes(promise_http_body(made), NULL), "");
    close_it();
}
END_TEST

START_TEST(responses_that_are_none) { /* V3: what they were given goes */
    open_it();
    make(promise_http_response(199, promise_string("x")));
    is_einval("status is 199");
    make(promise_http_response(1000, promise_void()));
    is_einval("status is 1000");
    make(promise_http_response(200, promise_int(1)));
    is_einval("body is int");
    make(promise_http_response(200, promise_throw_errno(EINVAL, "my own")));
    is_einval("my own");
    make(promise_http_response_stream(200, NULL, 0));
    is_einval("body is NULL");
    make(promise_http_response_stream(0, promise_items(loop, 0, NULL), 0));
    is_einval("status is 0");
    close_it();
}
END_TEST

START_TEST(headers_are_added) {
    static const char *const wrong[][2] = {{"", "x"},
                                           {"a b", "x"},
                                           {"a:", "x"},
                                           {"a", "x\r\ny: z"},
                                           {"a", "x\n"},
                                           {"a\r\n", "x"},
                                           {"Content-Length", "5"},
                                           {NULL, "x"},
                                           {"a", NULL},
                                           {"TRANSFER-ENCODING", "chunked"},
                                           {"Connection", "keep-alive"}};

    open_it();
    make(promise_http_response(200, promise_void()));
    for (int i = 0; i < 40; i++) { /* beyond those that have room at once */
        char name[16];
        snprintf(name, sizeof name, "N-%d", i);
        ck_assert_int_eq(promise_http_add_header(made, name, "v"), 0);
    }
    ck_assert_int_eq(promise_http_add_header(made, "n-7", "w"), 0);
    ck_assert_int_eq(promise_http_add_header(made, "N-7", ""), 0);
    ck_assert_str_eq(promise_http_header(made, "N-7"), "v, w, ");
    ck_assert_str_eq(promise_http_header(made, "n-39"), "v");
    ck_assert_str_eq(promise_http_header_name(made, 40), "n-7");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_int_eq(promise_http_add_header(made, wrong[i][0], wrong[i][1]), -1);
    ck_assert_uint_eq(promise_http_header_count(made), 42);
    ck_assert(promise__http_message_of(made)->keep_alive);
    ck_assert_int_eq(promise_http_add_header(made, "connection", "Close"), 0);
    ck_assert(!promise__http_message_of(made)->keep_alive);
    ck_assert_int_eq(promise_http_add_header(promise_out_of_memory(), "a", "b"), -1);
    close_it();
}
END_TEST

static void bad_index(void *v) { (void)promise_http_header_value(*(promise_value_t *)v, 0); }
static void no_message(void *arg) {
    (void)arg;
    (void)promise_http_status(promise_int(1));
}

START_TEST(what_stops_the_program) {
    open_it();
    make(promise_http_response(200, promise_void()));
    test_assert_stops(bad_index, &made, "promise_http_header_value: index is too large");
    test_assert_stops(no_message, NULL, "http");
    close_it();
}
END_TEST

START_TEST(what_is_written) {
    struct http_buffer b;
    promise_value_t v;

    open_it();
    make(promise_http_response(200, promise_void()));
    promise_http_add_header(made, "A", "b");
    promise__http_buffer_init(&b);
    promise__http_put_status(&b, 404);
    promise__http_put_fields(&b, promise__http_message_of(made));
    promise__http_put_framing(&b, (struct http_framing){HTTP_CHUNKED, 0});
    promise__http_put_framing(&b, (struct http_framing){HTTP_LENGTH, UINT64_MAX});
    promise__http_put_framing(&b, (struct http_framing){HTTP_EMPTY, 0});
    promise__http_put_framing(&b, (struct http_framing){HTTP_UNTIL_END, 0});
    v = promise__http_take(&b);
    ck_assert_str_eq(promise_as_bytes(v, NULL), "HTTP/1.1 404 Not Found\r\nA: b\r\nTransfer-Encoding: chunked\r\n"
                                                "Content-Length: 18446744073709551615\r\nContent-Length: 0\r\n");
    promise_value_clear(&v);
    for (int i = 0; i < 3; i++) { /* nobody gets a line break into a head */
        if (i == 0) promise__http_put_field(&b, "A\r\nB", "c");
        else if (i == 1) promise__http_put_field(&b, "A", "b\r\nC: d");
        else promise__http_putf(&b, "%300s", "x");
        make(promise__http_take(&b));
        ck_assert(promise_error_is(made, &promise_errno_errors, EINVAL));
    }
    for (int i = 0; i < 1000; i++) promise__http_put_field(&b, "Name", "value");
    v = promise__http_take(&b);
    ck_assert_uint_eq(strlen(promise_as_bytes(v, NULL)), 13000);
    promise_value_clear(&v);
    close_it();
}
END_TEST

START_TEST(a_made_body_as_a_stream) {
    promise_value_t v = promise_void(), piece;
    promise_iterator_t *it;

    open_it();
    piece = promise_string("piece");
    make(promise_http_response_stream(200, promise_items(loop, 1, &piece), 5));
    it = promise_http_chunks(made);
    ck_assert_int_eq(promise_loop_run(loop, promise_next(it), &v), 0);
    ck_assert_str_eq(promise_as_string(v), "piece");
    promise_iterator_close(it);
    promise_value_clear(&v);
    close_it();
}
END_TEST

START_TEST(each_allocation_fails_once) {
    size_t n = 0;

    open_it();
    do {
        int failed = 0;
        test_alloc_fail_at(++n);
        make(promise_http_response(200, promise_string("x")));
        for (int i = 0; i < 9; i++) failed -= promise_http_add_header(made, i & 1 ? "A" : "B", "c");
        if (!promise_is_rejection(made)) ck_assert_uint_eq(promise_http_header_count(made), 9u - (unsigned)failed);
        else ck_assert(promise_error_is(made, &promise_errno_errors, ENOMEM));
        ck_assert(!test_alloc_failed() || failed);
        promise_value_clear(&made);
    } while (test_alloc_failed());
    test_alloc_fail_at(0);
    close_it();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http_message");
    TCase *tcase = tcase_create("http_message");

    tcase_add_test(tcase, a_response);
    tcase_add_test(tcase, responses_that_are_none);
    tcase_add_test(tcase, headers_are_added);
    tcase_add_test(tcase, what_stops_the_program);
    tcase_add_test(tcase, what_is_written);
    tcase_add_test(tcase, a_made_body_as_a_stream);
    tcase_add_test(tcase, each_allocation_fails_once);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
