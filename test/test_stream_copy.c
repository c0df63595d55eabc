/* Copying: both directions at once as a proxy does, at the pace of the slower one, and whatever ends it. */
#include "streaming.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Two streams, each with a plain peer; what the left one says is copied to the right one. */
static promise_stream_t *left, *right;
static int left_peer, right_peer;

static void open_both(void) {
    int ends[2];

    stream_open_none();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    left = promise_stream_new(loop, ends[0]);
    left_peer = ends[1];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    right = promise_stream_new(loop, ends[0]);
    right_peer = ends[1];
}

static void close_fd(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void close_both(void) {
    promise_stream_unref(left);
    promise_stream_unref(right);
    close_fd(&left_peer);
    close_fd(&right_peer);
    stream_close();
}

/* The one peer that say(), hear() and the like mean. */
static void as_left(void) { peer = left_peer; }
static void as_right(void) { peer = right_peer; }
static void nobody(void) { peer = -1; }

#define left_does(call) (as_left(), (call), nobody())
#define right_does(call) (as_right(), (call), nobody())

static promise_t *there(void) { return promise_stream_copy(left, right); }
static promise_t *back(void) { return promise_stream_copy(right, left); }

/* ---- what is copied ---- */

START_TEST(up_to_the_end) {
    promise_t *p = there();

    left_does(say("abc"));
    right_does(hears("abc"));
    left_does(say_bytes("\0def", 4));
    right_does(hear(4));
    left_does(hang_up());
    gives_int(p, 7);
    ck_assert(!promise_stream_is_closed(left) && !promise_stream_is_closed(right)); /* both stay open */
    gives_void(promise_stream_shutdown(right));
    right_does(hears_end());
}
END_TEST

START_TEST(nothing) {
    left_does(hang_up());
    gives_int(there(), 0);
}
END_TEST

START_TEST(what_has_come_before) {
    left_does(say("abcdef"));
    arrive(left, 6);
    gives(promise_stream_read(left, 2), "ab");
    promise_unref(promise_stream_write(right, promise_string("<")));
    left_does(hang_up());
    gives_int(there(), 4);
    right_does(hears("<cdef"));
}
END_TEST

START_TEST(a_read_that_waits_goes_first) {
    ask(promise_stream_read_exactly(left, 3), "read");
    ask(there(), "copy");
    turn(1);
    ask(promise_stream_read(left, 9), "last");
    left_does(say("abcdef"));
    right_does(hears("def"));
    left_does(hang_up());
    turn(3);
    trace_is("read=abc last=end copy=3");
}
END_TEST

/* Carries the end over, as a proxy does. */
static promise_value_t carry_over(promise_value_t v, void *to) {
    (void)v;
    return promise_adopt(promise_stream_shutdown(to));
}

START_TEST(both_directions_at_once) {
    size_t size = 500000;
    char *data = noise(size);
    promise_t *p = promise_all_of(loop, promise_then(there(), carry_over, right), promise_then(back(), carry_over, left), NULL);

    for (size_t done = 0; done < size; done += 50000) {
        left_does(say_bytes(data + done, 50000));
        right_does(say_bytes(data + size - done - 50000, 50000));
        as_right();
        ck_assert_mem_eq(hear(50000), data + done, 50000);
        as_left();
        ck_assert_mem_eq(hear(50000), data + size - done - 50000, 50000);
        nobody();
    }
    left_does(hang_up());
    right_does(hears_end());
    right_does(say("last"));
    left_does(hears("last")); /* half-closed: the other direction goes on */
    right_does(hang_up());
    left_does(hears_end());
    fulfilled(p);
}
END_TEST

START_TEST(to_itself_is_an_echo) {
    promise_t *p = promise_stream_copy(left, left);

    left_does(say("abc"));
    left_does(hears("abc"));
    left_does(hang_up());
    gives_int(p, 3);
}
END_TEST

/* ---- backpressure ---- */

START_TEST(constant_memory_with_a_slow_consumer) {
    size_t said = 0, got = 0, size = 20000;
    char *data = noise(size);
    promise_t *p = there();

    for (int idle = 0; idle < 5;) { /* until nothing more goes in */
        ssize_t n = send(left_peer, data + said % size, size - said % size, MSG_DONTWAIT | MSG_NOSIGNAL);
        idle = n < 0 ? idle + 1 : 0;
        said += n < 0 ? 0 : (size_t)n;
        turn(2);
    }
    ck_assert_uint_le(promise_stream_unsent(right), (size_t)2 * 65536);
    ck_assert_uint_le(promise_stream_readable(left), (size_t)2 * 65536);
    left_does(hang_up());
    as_right();
    for (; said - got >= 1000; got += 1000) ck_assert_mem_eq(hear(1000), data + got % size, 1000);
    ck_assert_mem_eq(hear(said - got), data + got % size, said - got);
    nobody();
    gives_int(p, (int64_t)said);
}
END_TEST

/* ---- what breaks ---- */

/* A reset is noticed, though nobody writes. */
static void open_tcp_on_the_right(void) {
    struct promise_address address;
    int listener = peer_bind(SOCK_STREAM, &address), connected[2];

    promise_stream_unref(right);
    close_fd(&right_peer);
    ck_assert_int_eq(listen(listener, 1), 0);
    connected[0] = peer_connect(&address);
    connected[1] = accept(listener, NULL, NULL);
    close(listener);
    right = promise_stream_new(loop, connected[0]);
    right_peer = connected[1];
}

START_TEST(the_target_breaks_while_the_source_is_silent) {
    promise_t *p;

    open_tcp_on_the_right();
    p = there();
    turn(2);
    switch (_i) {
    case 0:
        promise_stream_abort(right);
        rejects_closed(p);
        break;
    case 1:
        right_does(reset());
        right_peer = -1;
        rejects_with(p, ECONNRESET, "read from");
        break;
    default:
        promise_unref(promise_stream_close(right));
        rejects_closed(p);
    }
    left_does(say("abc")); /* K6 */
    gives(promise_stream_read(left, 9), "abc");
}
END_TEST

static void open_pipe_on_the_right(void) {
    int ends[2];

    promise_stream_unref(right);
    close_fd(&right_peer);
    ck_assert_int_eq(pipe(ends), 0);
    right = promise_stream_new(loop, ends[1]);
    right_peer = ends[0];
}

START_TEST(the_reader_of_a_pipe_goes_while_the_source_is_silent) {
    promise_t *p;

    open_pipe_on_the_right();
    p = there();
    left_does(say("abc"));
    right_does(hears("abc"));
    close_fd(&right_peer);
    rejects_with(p, EPIPE, "write to");
}
END_TEST

START_TEST(the_target_breaks) {
    promise_t *p = there();

    left_does(say("abc"));
    right_does(hears("abc"));
    close_fd(&right_peer);
    left_does(say("abc"));
    rejects_with(p, EPIPE, "write to");
    left_does(say("def"));
    gives(promise_stream_read(left, 9), "def");
}
END_TEST

START_TEST(the_target_was_shut_down) {
    promise_unref(promise_stream_shutdown(right));
    rejects_with(there(), EPIPE, "the stream was shut down");
    promise_stream_abort(right);
    rejects_closed(there());
}
END_TEST

START_TEST(the_source_is_aborted) {
    promise_t *p = there();

    turn(2);
    promise_stream_abort(left);
    rejects_closed(p);
    ck_assert(!promise_stream_is_closed(right));
    gives_void(promise_stream_close(right)); /* and its wait for a break is gone: nothing holds it */
}
END_TEST

START_TEST(cancelled_at_each_state) {
    promise_t *p = there();

    if (_i == 1) left_does(say("abc")), turn(3);
    if (_i == 2) promise_unref(promise_stream_write(right, promise_bytes(noise(1000000), 1000000))), turn(3);
    if (_i == 3) left_does(hang_up());
    promise_cancel(p);
    turn(2);
    if (_i == 1) right_does(hears("abc"));
    if (_i == 3) return;
    left_does(say("def"));
    gives(promise_stream_read(left, 9), "def"); /* K6 */
}
END_TEST

START_TEST(it_holds_both) {
    promise_t *p = there();

    promise_stream_unref(left);
    promise_stream_unref(right);
    left = right = NULL;
    left_does(say("abc"));
    right_does(hears("abc"));
    left_does(hang_up());
    gives_int(p, 3);
    right_does(hears_end());
}
END_TEST

START_TEST(J5_the_loop_is_freed) {
    trace_messages = false;
    ask(there(), "there");
    ask(back(), "back");
    if (_i) left_does(say("abc"));
    turn((unsigned)_i);
    promise_loop_free(loop);
    loop = NULL;
    trace_is("there=!canceled back=!canceled");
}
END_TEST

/* ---- memory ---- */

static promise_t *a_copy(void) {
    promise_stream_t *in[2], *out[2];
    promise_t *ps[4];

    promise_stream_pair(loop, in);
    promise_stream_pair(loop, out);
    s = in[0];
    t = out[1];
    ps[0] = promise_stream_write(s, promise_bytes(noise(100000), 100000));
    ps[1] = promise_stream_shutdown(s);
    ps[2] = promise_stream_copy(in[1], out[0]);
    ps[3] = promise_stream_read_exactly(t, 100000);
    promise_stream_unref(in[1]);
    promise_stream_unref(out[0]);
    return promise_all(loop, 4, ps);
}

/* One that breaks for want of memory may be told as what it is to others: closed, or ended too early. */
START_TEST(each_allocation_fails_once) {
    promise_loop_t *outer = loop;
    size_t before = test_alloc_live(), n = 0;
    bool failed;

    do {
        promise_value_t v = {0};
        loop = promise_loop_new(NULL);
        test_alloc_fail_at(++n);
        if (promise_loop_run(loop, a_copy(), &v) < 0)
            ck_assert(test_alloc_failed() && !promise_error_is(v, &promise_errors, PROMISE_ESTALLED));
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        promise_value_clear(&v);
        stream_drop();
        promise_loop_free(loop);
        ck_assert_uint_eq(test_alloc_live(), before);
    } while (failed);
    ck_assert_uint_ge(n, 10);
    loop = outer;
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stream_copy");
    TCase *both = tcase_create("copy"), *none = tcase_create("memory");

    tcase_add_checked_fixture(both, open_both, close_both);
    tcase_add_test(both, up_to_the_end);
    tcase_add_test(both, nothing);
    tcase_add_test(both, what_has_come_before);
    tcase_add_test(both, a_read_that_waits_goes_first);
    tcase_add_test(both, both_directions_at_once);
    tcase_add_test(both, to_itself_is_an_echo);
    tcase_add_test(both, constant_memory_with_a_slow_consumer);
    tcase_add_loop_test(both, the_target_breaks_while_the_source_is_silent, 0, 3);
    tcase_add_test(both, the_reader_of_a_pipe_goes_while_the_source_is_silent);
    tcase_add_test(both, the_target_breaks);
    tcase_add_test(both, the_target_was_shut_down);
    tcase_add_test(both, the_source_is_aborted);
    tcase_add_loop_test(both, cancelled_at_each_state, 0, 4);
    tcase_add_test(both, it_holds_both);
    tcase_add_loop_test(both, J5_the_loop_is_freed, 0, 3);
    suite_add_tcase(suite, both);
    tcase_add_checked_fixture(none, stream_open_none, stream_close);
    tcase_add_test(none, each_allocation_fails_once);
    suite_add_tcase(suite, none);
    return test_main(suite);
}
