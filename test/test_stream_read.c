/* Reading from streams: each kind of read, at once and later, in pieces, at the end and after errors; and those that wait. */
#include "streaming.h"

#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void byte_by_byte(const char *text) {
    for (; *text; text++) {
        say_bytes(text, 1);
        turn(3);
    }
}

/* ---- each kind ---- */

START_TEST(read_gives_what_there_is) {
    promise_t *p;

    say("abcdef");
    arrive(s, 6);
    p = promise_stream_read(s, 4);
    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED); /* without waiting */
    gives(p, "abcd");
    gives(promise_stream_read(s, 100), "ef");
    p = promise_stream_read(s, 100);
    turn(2);
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    say("gh");
    gives(p, "gh");
    p = promise_stream_read(s, 1);
    say("ij");
    gives(p, "i");
    gives(promise_stream_read(s, SIZE_MAX), "j");
    say_bytes("a\0b", 3);
    gives_bytes(promise_stream_read(s, 10), "a\0b", 3);
}
END_TEST

START_TEST(read_exactly_waits_for_all) {
    promise_t *p = promise_stream_read_exactly(s, 5);

    byte_by_byte("abcd");
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    say("efg");
    gives(p, "abcde");
    gives(promise_stream_read_exactly(s, 2), "fg");
    p = promise_stream_read_exactly(s, 0);
    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED);
    gives(p, "");
    say_bytes("\0\0", 2);
    gives_bytes(promise_stream_read_exactly(s, 2), "\0\0", 2);
}
END_TEST

START_TEST(read_exactly_more_than_is_read_ahead) {
    size_t size = 1000000;
    promise_t *p = promise_stream_read_exactly(s, size);
    char *data = noise(size);

    for (size_t sent = 0; sent < size; sent += 10000) {
        say_bytes(data + sent, 10000);
        while (promise_stream_readable(s) < sent + 10000 && promise_get_state(p) == PROMISE_PENDING) turn(1);
    }
    gives_bytes(p, data, size);
}
END_TEST

START_TEST(read_exactly_at_the_end) {
    say("abc");
    hang_up();
    rejects_closed(promise_stream_read_exactly(s, 4));
    ck_assert_uint_eq(promise_stream_readable(s), 3); /* K6: it stays */
    gives(promise_stream_read_exactly(s, 3), "abc");
    gives_end(promise_stream_read_exactly(s, 1));
    gives(promise_stream_read_exactly(s, 0), "");
}
END_TEST

START_TEST(lines) {
    say("one\ntwo\r\n\n\r\nth\rree\nlast");
    hang_up();
    gives(promise_stream_read_line(s, 100), "one");
    ck_assert(promise_is(fulfilled(promise_stream_read_line(s, 100)), &promise_type_string));
    gives(promise_stream_read_line(s, 100), "");
    gives(promise_stream_read_line(s, 100), "");
    gives(promise_stream_read_line(s, 100), "th\rree");
    gives(promise_stream_read_line(s, 100), "last");
    gives_end(promise_stream_read_line(s, 100));
    gives_end(promise_stream_read_line(s, 100));
}
END_TEST

START_TEST(lines_in_pieces) {
    promise_t *p = promise_stream_read_line(s, 100);

    byte_by_byte("abc");
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    byte_by_byte("\n");
    gives(p, "abc");
    p = promise_stream_read_line(s, 3); /* "\r\n" in two reads, at the limit */
    byte_by_byte("abc\r");
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    byte_by_byte("\nx");
    gives(p, "abc");
    p = promise_stream_read_line(s, 100);
    byte_by_byte("\r\r\n");
    gives(p, "x\r");
}
END_TEST

START_TEST(a_NUL_in_a_line_is_kept) {
    say_bytes("a\0b\n", 4);
    gives_bytes(promise_stream_read_line(s, 3), "a\0b", 3);
}
END_TEST

START_TEST(the_limit_of_a_line) {
    say("abcde\nabcd\nabcd\r\n");
    rejects_with(promise_stream_read_line(s, 4), EMSGSIZE, "the line is longer than 4 bytes");
    rejects_with(promise_stream_read_line(s, 4), EMSGSIZE, ""); /* it stays */
    gives(promise_stream_read_line(s, 5), "abcde");
    gives(promise_stream_read_line(s, 4), "abcd");
    gives(promise_stream_read_line(s, 4), "abcd");
    say("abcd\r");
    arrive(s, 5);
    promise_t *p = promise_stream_read_line(s, 4);
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING); /* may be the end of the line */
    say("x");
    rejects_with(p, EMSGSIZE, "the line");
    gives(promise_stream_read_exactly(s, 6), "abcd\rx");
    p = promise_stream_read_line(s, 4); /* without an end: known at five */
    byte_by_byte("abcd");
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    say("e");
    rejects_with(p, EMSGSIZE, "the line");
    hang_up();
    rejects_with(promise_stream_read_line(s, 4), EMSGSIZE, "the line");
    gives(promise_stream_read_line(s, 5), "abcde");
}
END_TEST

START_TEST(the_last_line_at_the_limit) {
    say("abcd\r");
    hang_up();
    rejects_with(promise_stream_read_line(s, 4), EMSGSIZE, "the line"); /* the CR ends nothing here: it is in the line */
    gives(promise_stream_read_line(s, SIZE_MAX), "abcd\r");
}
END_TEST

START_TEST(until_a_delimiter) {
    promise_t *p = promise_stream_read_until(s, promise_string("--x"), 100);

    byte_by_byte("ab--");
    byte_by_byte("-");
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    byte_by_byte("-x");
    gives(p, "ab--");
    say("--xrest");
    gives(promise_stream_read_until(s, promise_bytes("--x", 3), 1), "");
    say_bytes("\0a\0\0b", 5);
    gives_bytes(promise_stream_read_until(s, promise_bytes("\0\0", 2), 10), "rest\0a", 6);
    hang_up();
    ck_assert(promise_is(fulfilled(promise_stream_read_until(s, promise_string("--x"), 10)), &promise_type_bytes));
    gives_end(promise_stream_read_until(s, promise_string("--x"), 10));
}
END_TEST

START_TEST(the_limit_before_a_delimiter) {
    promise_t *p;

    say("abcd;;");
    rejects_with(promise_stream_read_until(s, promise_string(";;"), 3), EMSGSIZE, "what comes before the delimiter");
    gives(promise_stream_read_until(s, promise_string(";;"), 4), "abcd");
    p = promise_stream_read_until(s, promise_string(";;"), 4);
    byte_by_byte("abcd;");
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING); /* five, and the second half may come */
    say("x");
    rejects_with(p, EMSGSIZE, "what comes");
    hang_up();
    rejects_with(promise_stream_read_until(s, promise_string(";;"), 4), EMSGSIZE, "what comes");
    gives(promise_stream_read_until(s, promise_string(";;"), SIZE_MAX), "abcd;x");
}
END_TEST

START_TEST(a_delimiter_that_is_none) {
    promise_value_t delimiter = {0};

    rejects_with(promise_stream_read_until(s, promise_string(""), 9), EINVAL, "promise_stream_read_until: delimiter is empty");
    rejects_with(promise_stream_read_until(s, promise_int(1), 9), EINVAL, "promise_stream_read_until: delimiter is neither");
    rejects_with(promise_stream_read_until(s, promise_throw_errno(EIO, "mine"), 9), EIO, "mine");
    rejects_with(promise_stream_read_until(s, promise_string("x"), 0), EINVAL, "promise_stream_read_until: max is 0");
    promise_value_set(&delimiter, promise_string("x")); /* V2: kept, and still ours */
    say("ax");
    gives(promise_stream_read_until(s, delimiter, 9), "a");
    promise_value_clear(&delimiter);
}
END_TEST

START_TEST(all_up_to_the_end) {
    promise_t *p = promise_stream_read_all(s, 6);

    byte_by_byte("abcdef");
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    hang_up();
    gives(p, "abcdef");
    gives(promise_stream_read_all(s, 6), ""); /* not the end: all of it, which is nothing */
}
END_TEST

START_TEST(more_than_all) {
    promise_t *p = promise_stream_read_all(s, 6);

    byte_by_byte("abcdefg");
    rejects_with(p, EMSGSIZE, "what came is longer than 6 bytes");
    hang_up();
    gives(promise_stream_read_all(s, 7), "abcdefg");
}
END_TEST

START_TEST(a_limit_of_0) {
    rejects_with(promise_stream_read(s, 0), EINVAL, "promise_stream_read: max is 0");
    rejects_with(promise_stream_read_line(s, 0), EINVAL, "promise_stream_read_line: max is 0");
    rejects_with(promise_stream_read_all(s, 0), EINVAL, "promise_stream_read_all: max is 0");
}
END_TEST

/* ---- the end, and errors ---- */

START_TEST(the_end_comes_last) { /* the trap: it arrives with data unread */
    say("abc");
    hang_up();
    turn(5);
    gives(promise_stream_read(s, 2), "ab");
    gives(promise_stream_read(s, 2), "c");
    gives_end(promise_stream_read(s, 2));
    gives_end(promise_stream_read(s, 2));
    ck_assert(!promise_stream_is_closed(s));
}
END_TEST

START_TEST(the_end_for_all_who_wait) {
    ask(promise_stream_read(s, 2), "some");
    ask(promise_stream_read_exactly(s, 2), "exactly");
    ask(promise_stream_read_line(s, 2), "line");
    ask(promise_stream_read_until(s, promise_string(";"), 2), "until");
    ask(promise_stream_read_all(s, 2), "all");
    leave();
    promise_loop_run(loop, NULL, NULL);
    trace_is("some=end exactly=end line=end until=end all=");
}
END_TEST

START_TEST(what_came_before_an_error) {
    say("abc\nde");
    arrive(s, 6);
    reset();
    gives(promise_stream_read_line(s, 9), "abc");
    gives(promise_stream_read(s, 1), "d");
    ck_assert(!promise_stream_is_closed(s));
    rejects_with(promise_stream_read_exactly(s, 3), ECONNRESET, "read from the peer of 127.0.0.1:");
    ck_assert(promise_stream_is_closed(s));
    rejects_with(promise_stream_read_line(s, 9), ECONNRESET, "read from");
    rejects_with(promise_stream_read_all(s, 9), ECONNRESET, "read from");
    rejects_with(promise_stream_read_until(s, promise_string(";"), 9), ECONNRESET, "read from");
    gives(promise_stream_read(s, 9), "e");
    rejects_with(promise_stream_read(s, 9), ECONNRESET, "read from");
    rejects_with(promise_stream_write(s, promise_string("x")), ECONNRESET, "read from");
    gives_void(promise_stream_close(s)); /* nothing was lost */
}
END_TEST

START_TEST(an_error_for_all_who_wait) {
    trace_messages = false;
    ask(promise_stream_read(s, 2), "a");
    ask(promise_stream_read_line(s, 2), "b");
    ask(promise_stream_read_all(s, 2), "c");
    turn(1);
    reset();
    promise_loop_run(loop, NULL, NULL);
    trace_is("a=!errno104 b=!errno104 c=!errno104");
}
END_TEST

/* ---- those that wait ---- */

START_TEST(in_the_order_of_the_calls) {
    ask(promise_stream_read_line(s, 9), "1");
    ask(promise_stream_read(s, 2), "2");
    ask(promise_stream_read_exactly(s, 3), "3");
    ask(promise_stream_read_until(s, promise_string(";"), 9), "4");
    ask(promise_stream_read(s, 9), "5");
    ask(promise_stream_read_all(s, 9), "6");
    say("abc\ndefghi;jk");
    hang_up();
    promise_loop_run(loop, NULL, NULL);
    trace_is("1=abc 2=de 3=fgh 4=i 5=jk 6=");
}
END_TEST

START_TEST(one_that_comes_later_does_not_overtake) {
    ask(promise_stream_read_exactly(s, 6), "six");
    say("abc");
    arrive(s, 3);
    ask(promise_stream_read(s, 1), "one"); /* there are bytes, but not for this one */
    say("defg");
    for (int i = 0; i < 5; i++) turn(1);
    trace_is("six=abcdef one=g");
}
END_TEST

/* 2.2.4 */
START_TEST(no_handler_runs_inside_a_call) {
    say("ab");
    arrive(s, 2);
    ask(promise_stream_read(s, 1), "a");
    ask(promise_stream_read(s, 1), "b");
    trace_is("");
    turn(1);
    trace_is("a=a b=b");
}
END_TEST

/* ---- cancelling (K2, K6) ---- */

typedef promise_t *start_fn(void);
static promise_t *some(void) { return promise_stream_read(s, 99); }
static promise_t *exactly(void) { return promise_stream_read_exactly(s, 99); }
static promise_t *line(void) { return promise_stream_read_line(s, 99); }
static promise_t *until(void) { return promise_stream_read_until(s, promise_string(";"), 99); }
static promise_t *all(void) { return promise_stream_read_all(s, 99); }
static start_fn *const kinds[] = {some, exactly, line, until, all};
enum { KINDS = sizeof kinds / sizeof *kinds };

START_TEST(K6_cancelled_before_anything_came) {
    promise_t *p = kinds[_i]();

    turn(1);
    promise_cancel(p);
    say("abc");
    gives(promise_stream_read(s, 99), "abc");
}
END_TEST

START_TEST(K6_cancelled_with_a_part) {
    promise_t *p;

    if (!_i) return; /* that kind takes any part */
    p = kinds[_i]();
    say("abc");
    arrive(s, 3);
    promise_cancel(p);
    gives(promise_stream_read(s, 99), "abc");
}
END_TEST

START_TEST(K6_the_first_cancelled_gives_the_next_its_turn) {
    promise_t *p;

    if (!_i) return;
    p = kinds[_i]();
    ask(promise_stream_read(s, 2), "next");
    ask(promise_stream_read(s, 9), "last");
    say("abc");
    arrive(s, 3);
    trace_is("");
    promise_cancel(p);
    trace_is(""); /* 2.2.4 */
    turn(2);
    trace_is("next=ab last=c"); /* without anything more coming */
}
END_TEST

START_TEST(K6_cancelled_in_the_middle) {
    promise_t *first = promise_stream_read_exactly(s, 2), *p = kinds[_i]();

    ask(promise_stream_read(s, 9), "last");
    promise_cancel(p);
    say("abcd");
    gives(first, "ab");
    turn(2);
    trace_is("last=cd");
}
END_TEST

START_TEST(K6_cancelled_at_the_tail) {
    promise_t *first = promise_stream_read_exactly(s, 2), *p = kinds[_i]();

    promise_cancel(p);
    ask(promise_stream_read(s, 9), "last");
    say("abcd");
    gives(first, "ab");
    turn(2);
    trace_is("last=cd");
}
END_TEST

static promise_value_t cancel_it(promise_value_t v, void *p) {
    promise_cancel(p);
    return v;
}

START_TEST(K6_two_cancelled_at_once) {
    promise_t *ps[2] = {promise_stream_read_exactly(s, 9), promise_stream_read_exactly(s, 2)}, *both;

    both = promise_all(loop, 2, ps);
    say("abc");
    arrive(s, 3);
    promise_cancel(both); /* the second one must not be served in between */
    turn(2);
    gives(promise_stream_read(s, 9), "abc");
}
END_TEST

START_TEST(cancelled_by_the_one_that_was_served_with_it) {
    promise_t *second = promise_stream_read(s, 9);

    (void)second;
    promise_cancel(second);
    promise_t *a = promise_stream_read(s, 1), *b = promise_stream_read(s, 1);
    a = promise_then(a, cancel_it, b); /* settled already, when the handler runs: it is lost, as with any promise */
    say("xyz");
    gives(a, "x");
    gives(promise_stream_read(s, 9), "z");
}
END_TEST

START_TEST(K5_a_timeout_of_a_read) {
    ck_assert(promise_is_timeout(rejected(promise_timeout(promise_stream_read(s, 9), 1))));
    say("abc");
    gives(promise_stream_read(s, 9), "abc");
}
END_TEST

/* ---- iterators ---- */

START_TEST(chunks) {
    promise_iterator_t *it = promise_stream_chunks(s, 3);

    say("abcde");
    hang_up();
    arrive(s, 5);
    gives(promise_next(it), "abc");
    gives(promise_next(it), "de");
    gives_end(promise_next(it));
    gives_end(promise_next(it));
    promise_iterator_close(it);
}
END_TEST

START_TEST(each_line) {
    say("a\nb\r\nc");
    hang_up();
    gives_void(promise_each(promise_stream_lines(s, 9), 1, see, "line"));
    trace_is("line=a line=b line=c");
}
END_TEST

START_TEST(an_iterator_holds_its_stream) {
    promise_iterator_t *it = promise_stream_lines(s, 9);

    promise_stream_unref(s);
    s = NULL;
    say("a\n");
    gives(promise_next(it), "a");
    promise_iterator_close(it);
    hears_end(); /* it was the last one */
}
END_TEST

START_TEST(an_iterator_closed_early) {
    promise_iterator_t *it = promise_stream_chunks(s, 9);

    ask(promise_next(it), "next");
    turn(1);
    promise_iterator_close(it);
    turn(1);
    trace_is("next=!canceled");
    say("abc");
    gives(promise_stream_read(s, 9), "abc"); /* K6 */
}
END_TEST

START_TEST(an_iterator_that_rejects) {
    promise_iterator_t *it = promise_stream_lines(s, 2);

    say("abc\n");
    rejects_with(promise_next(it), EMSGSIZE, "the line");
    gives_end(promise_next(it));
    promise_iterator_close(it);
    gives(promise_stream_read(s, 9), "abc\n");
    rejects_with(promise_each(promise_stream_chunks(s, 0), 1, see, "x"), EINVAL, "promise_stream_read: max is 0");
}
END_TEST

/* ---- backpressure ---- */

START_TEST(nobody_reads_and_nothing_grows) {
    char *data = noise(20000);
    size_t said = 0;

    for (int idle = 0; idle < 5;) { /* the kernel's buffers are full, and so is the read-ahead */
        ssize_t n = send(peer, data, 20000, MSG_DONTWAIT | MSG_NOSIGNAL);
        idle = n < 0 ? idle + 1 : 0;
        said += n < 0 ? 0 : (size_t)n;
        turn(2);
    }
    ck_assert_uint_ge(promise_stream_readable(s), 65536);
    ck_assert_uint_le(promise_stream_readable(s), (size_t)2 * 65536);
    hang_up();
    for (size_t got = 0; got < said;) {
        promise_value_t v = fulfilled(promise_stream_read(s, 50000));
        size_t size;
        const char *bytes = promise_as_bytes(v, &size);
        ck_assert_int_eq(bytes[0], data[got % 20000]);
        got += size;
    }
    gives_end(promise_stream_read(s, 1));
}
END_TEST

/* ---- memory ---- */

static void open_ends(void) {
    promise_stream_t *ends[2];

    promise_stream_pair(loop, ends);
    s = ends[0];
    t = ends[1];
}

static promise_t *some_reads(void) {
    promise_t *ps[5];

    open_ends();
    ps[0] = promise_stream_write(t, promise_string("one\ntwo;three"));
    ps[1] = promise_stream_read_line(s, 9);
    ps[2] = promise_stream_read_until(s, promise_string(";"), 9);
    ps[3] = promise_stream_read_exactly(s, 3);
    ps[4] = promise_stream_read(s, 9);
    return promise_all(loop, 5, ps);
}

static promise_value_t ignore(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

static promise_t *an_iteration(void) {
    promise_t *ps[3];

    open_ends();
    ps[0] = promise_stream_write(t, promise_string("one\ntwo"));
    ps[1] = promise_stream_shutdown(t);
    ps[2] = promise_each(promise_stream_lines(s, 9), 1, ignore, NULL);
    return promise_all(loop, 3, ps);
}

START_TEST(each_allocation_fails_once) { ck_assert_uint_ge(each_allocation(_i ? an_iteration : some_reads, stream_drop), 4); }
END_TEST

int main(void) {
    Suite *suite = suite_create("stream_read");
    TCase *unix_pair = tcase_create("a Unix socket"), *tcp = tcase_create("TCP"), *none = tcase_create("memory");

    tcase_add_checked_fixture(unix_pair, stream_open, stream_close);
    tcase_add_test(unix_pair, read_gives_what_there_is);
    tcase_add_test(unix_pair, read_exactly_waits_for_all);
    tcase_add_test(unix_pair, read_exactly_more_than_is_read_ahead);
    tcase_add_test(unix_pair, read_exactly_at_the_end);
    tcase_add_test(unix_pair, lines);
    tcase_add_test(unix_pair, lines_in_pieces);
    tcase_add_test(unix_pair, a_NUL_in_a_line_is_kept);
    tcase_add_test(unix_pair, the_limit_of_a_line);
    tcase_add_test(unix_pair, the_last_line_at_the_limit);
    tcase_add_test(unix_pair, until_a_delimiter);
    tcase_add_test(unix_pair, the_limit_before_a_delimiter);
    tcase_add_test(unix_pair, a_delimiter_that_is_none);
    tcase_add_test(unix_pair, all_up_to_the_end);
    tcase_add_test(unix_pair, more_than_all);
    tcase_add_test(unix_pair, a_limit_of_0);
    tcase_add_test(unix_pair, the_end_comes_last);
    tcase_add_test(unix_pair, the_end_for_all_who_wait);
    tcase_add_test(unix_pair, in_the_order_of_the_calls);
    tcase_add_test(unix_pair, one_that_comes_later_does_not_overtake);
    tcase_add_test(unix_pair, no_handler_runs_inside_a_call);
    tcase_add_loop_test(unix_pair, K6_cancelled_before_anything_came, 0, KINDS);
    tcase_add_loop_test(unix_pair, K6_cancelled_with_a_part, 0, KINDS);
    tcase_add_loop_test(unix_pair, K6_the_first_cancelled_gives_the_next_its_turn, 0, KINDS);
    tcase_add_loop_test(unix_pair, K6_cancelled_in_the_middle, 0, KINDS);
    tcase_add_loop_test(unix_pair, K6_cancelled_at_the_tail, 0, KINDS);
    tcase_add_test(unix_pair, K6_two_cancelled_at_once);
    tcase_add_test(unix_pair, cancelled_by_the_one_that_was_served_with_it);
    tcase_add_test(unix_pair, K5_a_timeout_of_a_read);
    tcase_add_test(unix_pair, chunks);
    tcase_add_test(unix_pair, each_line);
    tcase_add_test(unix_pair, an_iterator_holds_its_stream);
    tcase_add_test(unix_pair, an_iterator_closed_early);
    tcase_add_test(unix_pair, an_iterator_that_rejects);
    tcase_add_test(unix_pair, nobody_reads_and_nothing_grows);
    suite_add_tcase(suite, unix_pair);
    tcase_add_checked_fixture(tcp, stream_open_tcp, stream_close);
    tcase_add_test(tcp, what_came_before_an_error);
    tcase_add_test(tcp, an_error_for_all_who_wait);
    suite_add_tcase(suite, tcp);
    tcase_add_checked_fixture(none, stream_open_none, stream_close);
    tcase_add_loop_test(none, each_allocation_fails_once, 0, 2);
    suite_add_tcase(suite, none);
    return test_main(suite);
}
