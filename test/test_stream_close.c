/* The end of streams: shutdown, close, abort, release; layers; and what is told of data that could not be sent. */
#include "streaming.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static promise_t *write_text(const char *text) { return promise_stream_write(s, promise_string(text)); }

static promise_t *write_much(size_t size) { return promise_stream_write(s, promise_bytes(noise(size), size)); }

/* ---- shutdown ---- */

START_TEST(one_side_is_shut_down) {
    promise_unref(write_text("abc"));
    gives_void(promise_stream_shutdown(s));
    hears("abc");
    hears_end();
    say("def"); /* the other one goes on */
    gives(promise_stream_read(s, 9), "def");
    rejects_with(write_text("x"), EPIPE, "the stream was shut down");
    rejects_with(promise_stream_shutdown(s), EPIPE, "the stream was shut down before");
    gives_void(promise_stream_drain(s));
    ck_assert(!promise_stream_is_closed(s));
    gives_void(promise_stream_close(s));
}
END_TEST

START_TEST(R17_shutdown_waits_for_all_to_be_sent) {
    size_t size = 1000000;
    promise_t *p;

    promise_unref(write_much(size));
    p = promise_stream_shutdown(s);
    turn(3);
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    ck_assert_mem_eq(hear(size), noise(size), size);
    hears_end();
    gives_void(p);
}
END_TEST

START_TEST(closed_while_it_shuts_down) {
    promise_t *p;

    promise_unref(write_much(1000000));
    p = promise_stream_shutdown(s);
    promise_stream_abort(s);
    rejects_closed(p);
}
END_TEST

/* ---- close ---- */

START_TEST(nothing_to_send_closes_at_once) {
    promise_t *p = promise_stream_close(s);

    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED);
    ck_assert_int_eq(promise_stream_fd(s), -1);
    gives_void(p);
    hears_end();
    ck_assert(promise_stream_is_closed(s));
    rejects_closed(promise_stream_read(s, 1));
    rejects_closed(write_text("x"));
    rejects_closed(promise_stream_drain(s));
    rejects_closed(promise_stream_shutdown(s));
    gives_void(promise_stream_close(s));
}
END_TEST

START_TEST(a_little_is_sent_by_the_call) {
    promise_unref(write_text("abc"));
    promise_unref(promise_stream_close(s));
    ck_assert_int_eq(promise_stream_fd(s), -1);
    hears("abc");
    hears_end();
}
END_TEST

START_TEST(R17_close_waits_for_all_to_be_sent) {
    size_t size = 1000000;
    promise_t *p, *second;

    promise_unref(write_much(size));
    p = promise_stream_close(s);
    second = promise_stream_close(s);
    ck_assert(promise_stream_is_closed(s));
    rejects_closed(write_text("too late"));
    rejects_closed(promise_stream_read(s, 1));
    turn(3);
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    promise_stream_unref(s); /* the close holds it */
    s = NULL;
    ck_assert_mem_eq(hear(size), noise(size), size);
    hears_end();
    gives_void(p);
    gives_void(second);
}
END_TEST

START_TEST(close_rejects_the_reads_that_wait) {
    trace_messages = false;
    ask(promise_stream_read(s, 1), "some");
    ask(promise_stream_read_all(s, 1), "all");
    stuff(s);
    ask(promise_stream_drain(s), "drain");
    ask(promise_stream_close(s), "close");
    turn(3);
    trace_is("some=!closed all=!closed");
    while (promise_stream_fd(s) >= 0) hear(1000);
    turn(2);
    trace_is("drain=- close=-");
}
END_TEST

static bool is_gone(void *fd) { return recv(*(int *)fd, &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN; }

START_TEST(a_peer_that_never_reads_and_a_cancel) {
    promise_t *p;

    promise_unref(write_much(1000000));
    p = promise_stream_close(s);
    turn(3);
    promise_cancel(p);
    turn(2);
    ck_assert_int_eq(promise_stream_fd(s), -1);
    ck_assert(is_gone(&peer));
    ck_assert(promise_is_canceled(rejected(promise_stream_close(s)))); /* the outcome of the first */
}
END_TEST

START_TEST(K5_a_peer_that_never_reads_and_a_timeout) {
    promise_unref(write_much(1000000));
    ck_assert(promise_is_timeout(rejected(promise_timeout(promise_stream_close(s), 1))));
    ck_assert_int_eq(promise_stream_fd(s), -1); /* it is aborted: nobody else wants the close */
}
END_TEST

START_TEST(a_timeout_of_one_of_two_closes) {
    promise_t *other;

    promise_unref(write_much(1000000));
    other = promise_stream_close(s);
    ck_assert(promise_is_timeout(rejected(promise_timeout(promise_stream_close(s), 1))));
    ck_assert_int_ge(promise_stream_fd(s), 0);
    hear(1000000);
    gives_void(other);
}
END_TEST

START_TEST(a_close_that_is_let_go_of) { /* K4: it goes on */
    promise_unref(write_much(1000000));
    promise_unref(promise_stream_close(s));
    promise_stream_unref(s);
    s = NULL;
    hear(1000000);
    hears_end();
}
END_TEST

START_TEST(an_abort_while_it_closes) {
    promise_t *p;

    promise_unref(write_much(1000000));
    p = promise_stream_close(s);
    promise_stream_abort(s);
    rejects_closed(p);
    rejects_closed(promise_stream_close(s));
}
END_TEST

START_TEST(closed_after_a_shutdown) {
    promise_t *shut, *p;

    promise_unref(write_much(1000000));
    shut = promise_stream_shutdown(s);
    p = promise_stream_close(s);
    hear(1000000);
    hears_end();
    gives_void(shut);
    gives_void(p);
}
END_TEST

/* ---- what was not sent ---- */

START_TEST(nobody_knows_that_it_was_not_sent) {
    promise_unref(write_text("lost"));
    promise_unref(promise_stream_close(t));
    rejects_with(promise_stream_close(s), EPIPE, "write to");
    rejects_with(promise_stream_close(s), EPIPE, "write to");
    ck_assert_int_eq(promise_stream_fd(s), -1); /* closed all the same */
}
END_TEST

START_TEST(the_writer_knows) {
    promise_t *writer = write_much(1000000);

    promise_unref(promise_stream_close(t));
    rejects_with(writer, EPIPE, "write to");
    gives_void(promise_stream_close(s));
}
END_TEST

START_TEST(it_breaks_while_it_closes) {
    promise_t *p;

    promise_stream_set_high_water(s, SIZE_MAX);
    gives_void(write_much(1000000)); /* told: all well */
    p = promise_stream_close(s);
    promise_unref(promise_stream_close(t));
    rejects_with(p, EPIPE, "write to");
    rejects_with(promise_stream_close(s), EPIPE, "write to");
}
END_TEST

START_TEST(all_was_sent_and_then_it_broke) {
    gives_void(write_text("abc"));
    gives(promise_stream_read(t, 9), "abc");
    promise_stream_abort(t);
    gives_end(promise_stream_read(s, 9));
    gives_void(promise_stream_close(s));
}
END_TEST

/* ---- abort ---- */

START_TEST(abort_drops_what_was_not_sent) {
    trace_messages = false;
    ask(promise_stream_read(s, 1), "read");
    stuff(s);
    ask(promise_stream_drain(s), "drain");
    promise_stream_abort(s);
    ck_assert_int_eq(promise_stream_fd(s), -1);
    promise_stream_abort(s);
    turn(2);
    trace_is("read=!closed drain=!closed");
    rejects_closed(promise_stream_read(s, 1));
    gives_void(promise_stream_close(s));
}
END_TEST

static promise_value_t end_it(promise_value_t v, void *how) {
    switch (*(int *)how) {
    case 0: promise_stream_abort(s); break;
    case 1: return promise_adopt(promise_stream_close(s));
    case 2: promise_stream_unref(s), s = NULL; break;
    default: promise_stream_abort(s), promise_stream_unref(s), s = NULL;
    }
    return v;
}

START_TEST(T4_ended_inside_its_own_handlers) {
    int how = _i;

    trace_messages = false;
    ask(promise_then(promise_stream_read_line(s, 9), end_it, &how), "line");
    if (how < 2) ask(promise_stream_read(s, 1), "next");
    say("abc\n");
    turn(3);
    trace_is(how == 0 ? "next=!closed line=abc" : how == 1 ? "next=!closed line=-" : "line=abc");
    hears_end();
}
END_TEST

START_TEST(T4_ended_inside_the_handler_of_a_writer) {
    int how = _i;
    promise_t *p;

    stuff(s);
    p = promise_then(promise_stream_drain(s), end_it, &how);
    while (promise_get_state(p) == PROMISE_PENDING) hear(1000);
    promise_unref(p);
    turn(2);
}
END_TEST

START_TEST(T4_ended_inside_the_handler_of_an_error) {
    int how = _i;

    ask(promise_stream_read(s, 9), "read");
    promise_unref(promise_catch(promise_stream_read(s, 9), end_it, &how));
    turn(1);
    reset();
    turn(4);
    ck_assert_str_eq(trace_take(), "read=!errno104");
}
END_TEST

/* ---- release ---- */

START_TEST(released_with_bytes_in_both_buffers) {
    struct bufferevent *bev;
    char data[8];
    size_t stuffed = stuff(s), unsent = promise_stream_unsent(s);

    say("abc");
    arrive(s, 3);
    trace_messages = false;
    ask(promise_stream_read_exactly(s, 9), "read");
    ask(promise_stream_drain(s), "drain");
    bev = promise_stream_release(s);
    turn(2);
    trace_is("read=!closed drain=!closed");
    ck_assert_ptr_null(promise_stream_release(s));
    ck_assert_ptr_null(promise_stream_bufferevent(s));
    ck_assert(promise_stream_is_closed(s));
    gives_void(promise_stream_close(s));
    ck_assert_uint_eq(evbuffer_get_length(bufferevent_get_output(bev)), unsent);
    ck_assert_uint_eq(bufferevent_read(bev, data, sizeof data), 3);
    ck_assert_mem_eq(data, "abc", 3);
    hear(stuffed); /* libevent sends the rest */
    bufferevent_write(bev, "def", 3);
    hears("def");
    t = promise_stream_wrap(loop, bev); /* and it can be one again */
    say("ghi");
    gives(promise_stream_read(t, 9), "ghi");
}
END_TEST

START_TEST(released_with_nothing_waiting_and_written_a_moment_ago) {
    struct bufferevent *bev;

    promise_unref(write_text("abc"));
    bev = promise_stream_release(s);
    hears("abc");
    bufferevent_free(bev);
    hears_end();
}
END_TEST

/* ---- layers ---- */

static promise_resolver_t *finishing;

static promise_t *finish(promise_stream_t *stream, bool closing, void *data) {
    ck_assert_ptr_eq(stream, s);
    trace("finish:%s:%s", (char *)data, closing ? "closing" : "shutting");
    ck_assert_uint_eq(promise_stream_unsent(s), 0); /* all was sent */
    return finishing ? promise_from(loop, promise_void()) : promise_new(loop, &finishing);
}
static promise_value_t failed(promise_stream_t *stream, short what, void *data) {
    ck_assert_ptr_eq(stream, s);
    trace("failed:%s:%s", (char *)data, what & BEV_EVENT_READING ? "reading" : "writing");
    return promise_throw_errno(EPROTO, "the layer's words");
}
static void gone(void *data) { trace("gone:%s", (char *)data); }
static const struct promise_stream_layer layer = {sizeof layer, finish, failed, gone},
                                         silent = {.size = sizeof silent};

static void open_layer(void) {
    struct bufferevent *bev;
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    bev = bufferevent_socket_new(promise_loop_base(loop), ends[0], BEV_OPT_CLOSE_ON_FREE);
    s = promise_stream_wrap(loop, bev);
    peer = ends[1];
    promise_stream_set_layer(s, &layer, "L");
    ck_assert_str_eq(promise_stream_layer_data(s, &layer), "L");
    ck_assert_ptr_null(promise_stream_layer_data(s, &silent));
}

START_TEST(a_layer_finishes_before_the_close) {
    promise_t *p;

    open_layer();
    promise_unref(write_text("abc"));
    p = promise_stream_close(s);
    hears("abc");
    turn(3);
    trace_is("finish:L:closing");
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    promise_resolve(finishing, promise_void());
    gives_void(p);
    trace_is("gone:L");
    hears_end();
}
END_TEST

START_TEST(a_layer_that_cannot_finish) {
    promise_t *p;

    open_layer();
    p = promise_stream_close(s);
    turn(3);
    trace_is("finish:L:closing");
    promise_reject(finishing, promise_throw_errno(EPROTO, "farewell"));
    rejects_with(p, EPROTO, "farewell");
    trace_is("gone:L");
    hears_end(); /* closed all the same */
}
END_TEST

START_TEST(a_layer_whose_finish_is_cancelled) {
    promise_t *p;

    open_layer();
    p = promise_stream_close(s);
    turn(3);
    promise_cancel(p);
    turn(2);
    trace_is("finish:L:closing gone:L");
    ck_assert(!promise_resolver_is_pending(finishing));
    promise_abandon(finishing);
    hears_end();
}
END_TEST

START_TEST(a_layer_is_shut_down) {
    promise_t *p;

    open_layer();
    p = promise_stream_shutdown(s);
    turn(3);
    trace_is("finish:L:shutting");
    promise_resolve(finishing, promise_void());
    gives_void(p);
    ck_assert(!is_gone(&peer)); /* not by shutdown(2) */
    gives_void(promise_stream_close(s));
    trace_is("finish:L:closing gone:L");
}
END_TEST

START_TEST(a_layer_has_the_words_for_errors) {
    open_layer();
    stuff(s);
    leave();
    rejects_with(promise_stream_drain(s), EPROTO, "the layer's words");
    trace_take();
    gives_void(promise_stream_close(s)); /* nothing to finish on what is broken */
    trace_is("gone:L");
}
END_TEST

START_TEST(a_layer_goes_once) {
    struct bufferevent *bev;

    open_layer();
    promise_stream_set_layer(s, &silent, NULL);
    promise_stream_set_layer(s, &layer, "second"); /* there is one to a stream */
    trace_is("gone:second");
    ck_assert_str_eq(promise_stream_layer_data(s, &layer), "L");
    switch (_i) {
    case 0: promise_stream_abort(s); break;
    case 1: promise_stream_unref(s), s = NULL; break;
    case 2: bev = promise_stream_release(s), bufferevent_free(bev); break;
    default: promise_loop_free(loop), loop = NULL;
    }
    trace_is("gone:L");
    if (s) promise_stream_set_layer(s, &layer, "late");
    if (s) trace_is("gone:late");
    hears_end();
}
END_TEST

/* ---- memory ---- */

static promise_t *a_close(void) {
    promise_stream_t *ends[2];
    promise_t *ps[2];

    promise_stream_pair(loop, ends);
    s = ends[0];
    t = ends[1];
    promise_unref(write_much(300000)); /* the close tells, or the stream is aborted */
    ps[0] = promise_stream_close(s);
    ps[1] = promise_stream_read_all(t, 1000000);
    return promise_all(loop, 2, ps);
}

static promise_t *a_shutdown(void) {
    promise_t *ps[2];
    promise_stream_t *ends[2];

    promise_stream_pair(loop, ends);
    s = ends[0];
    t = ends[1];
    ps[0] = promise_stream_shutdown(s);
    ps[1] = promise_stream_read(t, 9);
    return promise_all(loop, 2, ps);
}

START_TEST(each_allocation_fails_once) { ck_assert_uint_ge(each_allocation(_i ? a_close : a_shutdown, stream_drop), 4); }
END_TEST

int main(void) {
    Suite *suite = suite_create("stream_close");
    TCase *one = tcase_create("a Unix socket"), *two = tcase_create("two"), *tcp = tcase_create("TCP"),
          *none = tcase_create("others");

    tcase_add_checked_fixture(one, stream_open, stream_close);
    tcase_add_test(one, one_side_is_shut_down);
    tcase_add_test(one, R17_shutdown_waits_for_all_to_be_sent);
    tcase_add_test(one, closed_while_it_shuts_down);
    tcase_add_test(one, nothing_to_send_closes_at_once);
    tcase_add_test(one, a_little_is_sent_by_the_call);
    tcase_add_test(one, R17_close_waits_for_all_to_be_sent);
    tcase_add_test(one, close_rejects_the_reads_that_wait);
    tcase_add_test(one, a_peer_that_never_reads_and_a_cancel);
    tcase_add_test(one, K5_a_peer_that_never_reads_and_a_timeout);
    tcase_add_test(one, a_timeout_of_one_of_two_closes);
    tcase_add_test(one, a_close_that_is_let_go_of);
    tcase_add_test(one, an_abort_while_it_closes);
    tcase_add_test(one, closed_after_a_shutdown);
    tcase_add_test(one, abort_drops_what_was_not_sent);
    tcase_add_loop_test(one, T4_ended_inside_its_own_handlers, 0, 4);
    tcase_add_loop_test(one, T4_ended_inside_the_handler_of_a_writer, 0, 4);
    tcase_add_test(one, released_with_bytes_in_both_buffers);
    tcase_add_test(one, released_with_nothing_waiting_and_written_a_moment_ago);
    suite_add_tcase(suite, one);
    tcase_add_checked_fixture(two, stream_open_two, stream_close);
    tcase_add_test(two, nobody_knows_that_it_was_not_sent);
    tcase_add_test(two, the_writer_knows);
    tcase_add_test(two, it_breaks_while_it_closes);
    tcase_add_test(two, all_was_sent_and_then_it_broke);
    suite_add_tcase(suite, two);
    tcase_add_checked_fixture(tcp, stream_open_tcp, stream_close);
    tcase_add_test(tcp, one_side_is_shut_down);
    tcase_add_loop_test(tcp, T4_ended_inside_the_handler_of_an_error, 0, 4);
    suite_add_tcase(suite, tcp);
    tcase_add_checked_fixture(none, stream_open_none, stream_close);
    tcase_add_test(none, a_layer_finishes_before_the_close);
    tcase_add_test(none, a_layer_that_cannot_finish);
    tcase_add_test(none, a_layer_whose_finish_is_cancelled);
    tcase_add_test(none, a_layer_is_shut_down);
    tcase_add_test(none, a_layer_has_the_words_for_errors);
    tcase_add_loop_test(none, a_layer_goes_once, 0, 4);
    tcase_add_loop_test(none, each_allocation_fails_once, 0, 2);
    suite_add_tcase(suite, none);
    return test_main(suite);
}
