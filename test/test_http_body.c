/* Bodies of messages, from one end of a pair of streams to the other: all framings, whole and broken. */
#include "../src/net/http_message.h"
#include "evloop.h"

#include <errno.h>
#include <string.h>

static promise_stream_t *ends[2]; /* the peer's, and ours */
static promise_value_t outcome;   /* kept */
static int done;                  /* 1: whole, -1: not; each call adds to it */
static struct http_reader *reader;

static void open_ends(void) {
    open_loop(0);
    promise_stream_pair(loop, ends);
    done = 0;
}

static void close_ends(void) {
    promise_value_clear(&outcome);
    promise_stream_unref(ends[0]);
    promise_stream_unref(ends[1]);
    promise_loop_free(loop);
    ck_assert_uint_eq(test_alloc_live(), live);
}

static void on_done(bool whole, void *arg) {
    ck_assert_ptr_eq(arg, &done);
    done += whole ? 1 : -1;
}

static void open_reader(enum http_framing_kind kind, uint64_t size) {
    reader = promise__http_reader_new(ends[1], (struct http_framing){kind, size}, on_done, &done);
    ck_assert_ptr_nonnull(reader);
}

/* The peer says text; with "|" at its end, and then no more. */
static void say(const char *text) {
    size_t size = strlen(text);
    bool end = size && text[size - 1] == '|';

    if (size - end) promise_unref(promise_stream_write(ends[0], promise_bytes(text, size - end)));
    if (end) promise_unref(promise_stream_shutdown(ends[0]));
}

static int run(promise_t *p) {
    promise_value_clear(&outcome);
    return promise_loop_run(loop, p, &outcome);
}

static void is_bytes(const char *expected) {
    size_t size;
    const char *bytes;

    ck_assert_msg(promise_is(outcome, &promise_type_bytes), "%s", promise_error_message(outcome));
    bytes = promise_as_bytes(outcome, &size);
    ck_assert_uint_eq(size, strlen(expected));
    ck_assert_mem_eq(bytes, expected, size);
}

/* ---- heads ---- */

static const struct {
    const char *said, *head; /* NULL: the end */
    int code;                /* or this error */
} heads[] = {
    {"GET / HTTP/1.1\r\nA: b\r\n\r\nmore", "GET / HTTP/1.1\r\nA: b", 0},
    {"GET / HTTP/1.1\r\nA: b\r\n\r\n|", "GET / HTTP/1.1\r\nA: b", 0},
    {"\r\n\r\n|", "", 0},
    {"|", NULL, 0},
    {"GET / HTTP/1.1\r\nA: b|", NULL, PROMISE_HTTP_ETRUNCATED},
    {"GET / HTTP/1.1\r\nA: b\r\n|", NULL, PROMISE_HTTP_ETRUNCATED},
    {"GET / HTTP/1.1\r\nA: b\r\n\r|", NULL, PROMISE_HTTP_ETRUNCATED},
    {"GET / HTTP/1.1\r\nA: b\r\n\rx", NULL, PROMISE_HTTP_EPROTOCOL},
    {"GET /of-more-than-32-bytes HTTP/1.1\r\n\r\n", NULL, PROMISE_HTTP_ETOOLARGE},
    {"GET /of-more-than-32-bytes HTTP/1.1", NULL, PROMISE_HTTP_ETOOLARGE},
};

START_TEST(a_head_is_read_to_its_end) {
    open_ends();
    say(heads[_i].said);
    if (run(promise__http_read_head(ends[1], 32)) == 0) {
        ck_assert_int_eq(heads[_i].code, 0);
        if (heads[_i].head) is_bytes(heads[_i].head);
        else ck_assert(promise_is_end(outcome));
    } else {
        ck_assert_msg(promise_error_domain(outcome) == &promise_http_errors, "%s", promise_error_message(outcome));
        ck_assert_int_eq(promise_error_code(outcome), heads[_i].code);
    }
    close_ends();
}
END_TEST

START_TEST(a_head_byte_by_byte) {
    static const char head[] = "GET / HTTP/1.1\r\nA: b\r\n\r\n";
    promise_t *p;

    open_ends();
    p = promise__http_read_head(ends[1], 32);
    for (size_t i = 0; i < sizeof head - 1; i++) {
        ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
        ck_assert_int_eq(run(promise_stream_write(ends[0], promise_bytes(head + i, 1))), 0);
        for (int turn = 0; turn < 3; turn++) promise_loop_turn(loop);
    }
    ck_assert_int_eq(run(p), 0);
    is_bytes("GET / HTTP/1.1\r\nA: b");
    close_ends();
}
END_TEST

/* ---- bodies ---- */

static const struct {
    enum http_framing_kind kind;
    uint64_t size;
    const char *said, *body;
    int code;
} bodies[] = {
    {HTTP_LENGTH, 5, "hello", "hello", 0},
    {HTTP_LENGTH, 5, "hello, and more", "hello", 0},
    {HTTP_LENGTH, 5, "hell|", NULL, PROMISE_HTTP_ETRUNCATED},
    {HTTP_LENGTH, 5, "|", NULL, PROMISE_HTTP_ETRUNCATED},
    {HTTP_LENGTH, 11, "eleven byte|", NULL, PROMISE_HTTP_ETOOLARGE},
    {HTTP_UNTIL_END, 0, "hello|", "hello", 0},
    {HTTP_UNTIL_END, 0, "|", "", 0},
    {HTTP_UNTIL_END, 0, "eleven byte|", NULL, PROMISE_HTTP_ETOOLARGE},
    {HTTP_CHUNKED, 0, "0\r\n\r\n", "", 0},
    {HTTP_CHUNKED, 0, "5\r\nhello\r\n0\r\n\r\nmore", "hello", 0},
    {HTTP_CHUNKED, 0, "2\r\nhe\r\n003;a=b;c=\"d\"\r\nllo\r\n0;x\r\n\r\n", "hello", 0},
    {HTTP_CHUNKED, 0, "A \r\n0123456789\r\n00\r\nDigest: x\r\nAnother:\r\n\r\n", "0123456789", 0},
    {HTTP_CHUNKED, 0, "b\r\neleven byte\r\n0\r\n\r\n", NULL, PROMISE_HTTP_ETOOLARGE},
    {HTTP_CHUNKED, 0, "|", NULL, PROMISE_HTTP_ETRUNCATED},
    {HTTP_CHUNKED, 0, "5\r\nhel|", NULL, PROMISE_HTTP_ETRUNCATED},
    {HTTP_CHUNKED, 0, "5\r\nhello|", NULL, PROMISE_HTTP_ETRUNCATED},
    {HTTP_CHUNKED, 0, "5\r\nhello\r|", NULL, PROMISE_HTTP_ETRUNCATED},
    {HTTP_CHUNKED, 0, "5\r\nhello\r\n|", NULL, PROMISE_HTTP_ETRUNCATED},
    {HTTP_CHUNKED, 0, "5\r\nhello\r\n0|", NULL, PROMISE_HTTP_ETRUNCATED},
    {HTTP_CHUNKED, 0, "5\r\nhello\r\n0\r\n|", NULL, PROMISE_HTTP_ETRUNCATED},
    {HTTP_CHUNKED, 0, "5\r\nhello\r\n0\r\nA: b\r\n|", NULL, PROMISE_HTTP_ETRUNCATED},
    {HTTP_CHUNKED, 0, "5\r\nhello!\r\n0\r\n\r\n", NULL, PROMISE_HTTP_EPROTOCOL},
    {HTTP_CHUNKED, 0, "5\nhello\r\n0\r\n\r\n", NULL, PROMISE_HTTP_EPROTOCOL},
    {HTTP_CHUNKED, 0, "5;a\nb\r\nhello\r\n0\r\n\r\n", NULL, PROMISE_HTTP_EPROTOCOL},
    {HTTP_CHUNKED, 0, "\r\n5\r\nhello\r\n0\r\n\r\n", NULL, PROMISE_HTTP_EPROTOCOL},
    {HTTP_CHUNKED, 0, "g\r\nhello\r\n0\r\n\r\n", NULL, PROMISE_HTTP_EPROTOCOL},
    {HTTP_CHUNKED, 0, "-5\r\nhello\r\n0\r\n\r\n", NULL, PROMISE_HTTP_EPROTOCOL},
    {HTTP_CHUNKED, 0, "0x5\r\nhello\r\n0\r\n\r\n", NULL, PROMISE_HTTP_EPROTOCOL},
    {HTTP_CHUNKED, 0, "5 5\r\nhello\r\n0\r\n\r\n", "hello", 0}, /* what follows a blank is an extension */
    {HTTP_CHUNKED, 0, "10000000000000000\r\nhello\r\n", NULL, PROMISE_HTTP_EPROTOCOL},
    {HTTP_CHUNKED, 0, "0\r\nA b\r\n\r\n", NULL, PROMISE_HTTP_EPROTOCOL},
    {HTTP_CHUNKED, 0, "0\r\n A: b\r\n\r\n", NULL, PROMISE_HTTP_EPROTOCOL},
};

/* Either the whole body, or the one error; done is called once, whatever is asked for later. */
static void check_outcome(int status, const char *body, int code) {
    if (body) {
        ck_assert_msg(status == 0, "%s", promise_error_message(outcome));
        is_bytes(body);
        ck_assert_int_eq(done, 1);
    } else {
        ck_assert_int_eq(status, -1);
        ck_assert_msg(promise_error_domain(outcome) == &promise_http_errors, "%s", promise_error_message(outcome));
        ck_assert_int_eq(promise_error_code(outcome), code);
        ck_assert_int_eq(done, -1);
    }
    status = run(promise__http_reader_next(reader));
    if (body) ck_assert(status == 0 && promise_is_end(outcome));
    else ck_assert(status == -1 && promise_error_code(outcome) == code);
    promise__http_reader_free(reader);
    ck_assert_int_eq(done, body ? 1 : -1);
}

START_TEST(a_body_as_a_whole) {
    open_ends();
    open_reader(bodies[_i].kind, bodies[_i].size);
    say(bodies[_i].said);
    check_outcome(run(promise__http_reader_all(reader, 10)), bodies[_i].body, bodies[_i].code);
    close_ends();
}
END_TEST

static promise_value_t append(promise_value_t pair, void *arg) {
    size_t a, b;
    const char *before = promise_as_bytes(promise_list_get(pair, 0), &a);
    const char *piece = promise_as_bytes(promise_list_get(pair, 1), &b);

    (void)arg;
    ck_assert_uint_gt(b, 0);
    return promise_stringf("%.*s%.*s", (int)a, before, (int)b, piece);
}

/* The iterator owns the reader, and lets go of it. */
START_TEST(a_body_piece_by_piece) {
    const char *body = bodies[_i].body;
    int status;

    open_ends();
    open_reader(bodies[_i].kind, bodies[_i].size);
    say(bodies[_i].said);
    status = run(promise_reduce(promise__http_reader_chunks(reader), promise_string(""), append, NULL));
    if (bodies[_i].code == PROMISE_HTTP_ETOOLARGE) body = "eleven byte"; /* there is no limit here */
    if (body) ck_assert_msg(status == 0 && !strcmp(promise_as_string(outcome), body), "%s", promise_error_message(outcome));
    else ck_assert_int_eq(promise_error_code(outcome), bodies[_i].code);
    ck_assert_int_eq(done, body ? 1 : -1);
    close_ends();
}
END_TEST

START_TEST(a_body_byte_by_byte) {
    static const char said[] = "3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nA: b\r\n\r\n";
    promise_t *p;

    open_ends();
    open_reader(HTTP_CHUNKED, 0);
    p = promise__http_reader_all(reader, 10);
    for (size_t i = 0; i < sizeof said - 1; i++) {
        ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
        ck_assert_int_eq(run(promise_stream_write(ends[0], promise_bytes(said + i, 1))), 0);
        for (int turn = 0; turn < 3; turn++) promise_loop_turn(loop);
    }
    check_outcome(run(p), "abcd", 0);
    close_ends();
}
END_TEST

START_TEST(endless_extensions_and_trailers_are_refused) {
    char line[HTTP_MAX_CHUNK_LINE + 1];

    open_ends();
    open_reader(HTTP_CHUNKED, 0);
    memset(line, 'x', sizeof line);
    memcpy(line, _i ? "T: " : "5; ", 3);
    line[sizeof line - 1] = 0;
    if (_i) promise_unref(promise_stream_write(ends[0], promise_string("0\r\n")));
    for (size_t size = 0; size <= HTTP_MAX_TRAILERS; size += sizeof line - 1)
        promise_unref(promise_stream_write(ends[0], promise_stringf(_i ? "%s\r\n" : "%s", line)));
    check_outcome(run(promise__http_reader_all(reader, 10)), NULL, PROMISE_HTTP_EPROTOCOL);
    close_ends();
}
END_TEST

START_TEST(a_large_body_comes_in_pieces) {
    static char data[1 << 20];
    size_t size;

    open_ends();
    memset(data, 'x', sizeof data);
    open_reader(_i ? HTTP_CHUNKED : HTTP_LENGTH, sizeof data);
    if (_i) promise_unref(promise_stream_write(ends[0], promise_stringf("%zx\r\n", sizeof data)));
    promise_unref(promise_stream_write(ends[0], promise_bytes(data, sizeof data)));
    if (_i) promise_unref(promise_stream_write(ends[0], promise_string("\r\n0\r\n\r\n")));
    ck_assert_int_eq(run(promise__http_reader_all(reader, sizeof data)), 0);
    ck_assert_mem_eq(promise_as_bytes(outcome, &size), data, sizeof data);
    ck_assert_uint_eq(size, sizeof data);
    ck_assert_int_eq(done, 1);
    promise__http_reader_free(reader);
    close_ends();
}
END_TEST

START_TEST(K6_a_cancelled_read_loses_nothing) {
    open_ends();
    open_reader(HTTP_CHUNKED, 0);
    promise_cancel(promise__http_reader_next(reader));
    say("3\r\nab");
    for (int turn = 0; turn < 3; turn++) promise_loop_turn(loop);
    promise_cancel(promise__http_reader_next(reader));
    say("c\r\n0\r\n\r\n");
    check_outcome(run(promise__http_reader_all(reader, 10)), "abc", 0);
    close_ends();
}
END_TEST

START_TEST(letting_go_in_the_middle_tells) {
    promise_iterator_t *it;

    open_ends();
    open_reader(HTTP_LENGTH, 10);
    it = promise__http_reader_chunks(reader);
    say("hello");
    ck_assert_int_eq(run(promise_next(it)), 0);
    is_bytes("hello");
    promise_unref(promise_next(it));
    promise_iterator_close(it);
    ck_assert_int_eq(promise_loop_turn(loop), 1);
    ck_assert_int_eq(done, -1);
    close_ends();
}
END_TEST

START_TEST(what_breaks_the_stream_is_the_cause) {
    open_ends();
    open_reader(HTTP_LENGTH, 10);
    promise_unref(promise_stream_write(ends[1], promise_string("never read")));
    ck_assert_int_eq(run(promise_stream_drain(ends[1])), 0);
    promise_stream_abort(ends[0]);
    ck_assert_int_eq(run(promise__http_reader_all(reader, 10)), -1);
    ck_assert_int_eq(promise_error_code(outcome), PROMISE_HTTP_ETRUNCATED);
    ck_assert(promise_error_is(outcome, &promise_errno_errors, ECONNRESET));
    promise__http_reader_free(reader);
    close_ends();
}
END_TEST

START_TEST(our_own_close_is_not_the_peers_fault) {
    promise_t *p;

    open_ends();
    open_reader(HTTP_LENGTH, 10);
    p = promise__http_reader_all(reader, 10);
    promise_stream_abort(ends[1]);
    ck_assert_int_eq(run(p), -1);
    ck_assert_ptr_eq(promise_error_domain(outcome), &promise_errors);
    ck_assert_int_eq(promise_error_code(outcome), PROMISE_ECLOSED);
    promise__http_reader_free(reader);
    close_ends();
}
END_TEST

START_TEST(J5_the_loop_goes_while_a_body_is_read) {
    promise_t *p;

    open_ends();
    open_reader(HTTP_CHUNKED, 0);
    say("3\r\nab");
    p = promise__http_reader_all(reader, 10);
    promise_loop_turn(loop);
    promise_loop_free(loop);
    ck_assert(promise_is_canceled(promise_peek(p)));
    promise_unref(p);
    promise__http_reader_free(reader);
    ck_assert_int_eq(done, -1);
    promise_stream_unref(ends[0]);
    promise_stream_unref(ends[1]);
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))

int main(void) {
    Suite *suite = suite_create("http_body");
    TCase *tcase = tcase_create("http_body");

    tcase_add_loop_test(tcase, a_head_is_read_to_its_end, 0, COUNT(heads));
    tcase_add_test(tcase, a_head_byte_by_byte);
    tcase_add_loop_test(tcase, a_body_as_a_whole, 0, COUNT(bodies));
    tcase_add_loop_test(tcase, a_body_piece_by_piece, 0, COUNT(bodies));
    tcase_add_test(tcase, a_body_byte_by_byte);
    tcase_add_loop_test(tcase, endless_extensions_and_trailers_are_refused, 0, 2);
    tcase_add_loop_test(tcase, a_large_body_comes_in_pieces, 0, 2);
    tcase_add_test(tcase, K6_a_cancelled_read_loses_nothing);
    tcase_add_test(tcase, letting_go_in_the_middle_tells);
    tcase_add_test(tcase, what_breaks_the_stream_is_the_cause);
    tcase_add_test(tcase, our_own_close_is_not_the_peers_fault);
    tcase_add_test(tcase, J5_the_loop_goes_while_a_body_is_read);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
