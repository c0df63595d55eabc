/* Writing to streams: order, backpressure, what is sent together, files, wrapped bufferevents, and peers that have gone. */
#include "streaming.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static promise_t *write_text(const char *text) { return promise_stream_write(s, promise_string(text)); }

static promise_value_t then_write(promise_value_t v, void *text) {
    (void)v;
    return promise_adopt(write_text(text));
}

/* ---- what is sent ---- */

START_TEST(in_the_order_of_the_calls) {
    char *data = noise(5000);

    promise_unref(write_text("abc"));
    promise_unref(promise_stream_write(s, promise_bytes(data, 5000))); /* too large to be copied */
    promise_unref(promise_stream_write(s, promise_bytes("\0x\0", 3)));
    promise_unref(write_text(""));
    promise_unref(write_text("end"));
    hears("abc");
    ck_assert_mem_eq(hear(5000), data, 5000);
    ck_assert_mem_eq(hear(6), "\0x\0end", 6);
}
END_TEST

START_TEST(what_is_written_in_one_drain_is_sent_together) {
    promise_t *p = promise_from(loop, promise_void());
    char text[16];
    int type = SOCK_SEQPACKET, ends[2]; /* a packet for each system call */

    stream_drop();
    ck_assert_int_eq(socketpair(AF_UNIX, type, 0, ends), 0);
    s = promise_stream_new(loop, ends[0]);
    peer = ends[1];
    p = promise_then(p, then_write, "one ");
    p = promise_then(p, then_write, "two ");
    p = promise_then(p, then_write, "three");
    gives_void(p);
    ck_assert_int_eq(recv(peer, text, sizeof text, 0), 13);
    ck_assert_mem_eq(text, "one two three", 13);
    promise_unref(write_text("four")); /* outside of a drain too */
    promise_unref(write_text("five"));
    ck_assert_uint_eq(promise_stream_unsent(s), 8);
    turn(2);
    ck_assert_uint_eq(promise_stream_unsent(s), 0);
    ck_assert_int_eq(recv(peer, text, sizeof text, 0), 8);
}
END_TEST

START_TEST(large_writes_arrive_whole) {
    size_t size = 3000000;
    char *data = noise(size);
    promise_t *p = promise_stream_write(s, promise_bytes(data, size));

    ck_assert_mem_eq(hear(size), data, size);
    gives_void(p);
}
END_TEST

START_TEST(many_small_writes_arrive_whole) {
    enum { WRITES = 3000, SIZE = 700 };
    char *data = noise(SIZE);

    for (int i = 0; i < WRITES; i++) promise_unref(promise_stream_write(s, promise_bytes(data, SIZE)));
    for (int i = 0; i < WRITES; i++) ck_assert_mem_eq(hear(SIZE), data, SIZE);
    gives_void(promise_stream_drain(s));
}
END_TEST

/* V2: a large value is in the buffer itself, with a reference of its own, which goes when it is sent. */
START_TEST(values_are_let_go_of_when_they_are_sent) {
    size_t before = test_alloc_live();
    promise_value_t v = {0};
    char *data = noise(300000);

    promise_value_set(&v, promise_bytes(data, 300000));
    for (int i = 0; i < 3; i++) promise_unref(promise_stream_write(s, v));
    promise_value_clear(&v);
    ck_assert_uint_gt(test_alloc_live(), before);
    for (int i = 0; i < 3; i++) ck_assert_mem_eq(hear(300000), data, 300000);
    gives_void(promise_stream_drain(s));
    turn(2);
    ck_assert_uint_eq(test_alloc_live(), before);
}
END_TEST

START_TEST(values_are_let_go_of_when_they_are_not_sent) {
    size_t before = test_alloc_live();

    for (int i = 0; i < 3; i++) promise_unref(promise_stream_write(s, promise_bytes(noise(300000), 300000)));
    turn(2);
    promise_stream_abort(s);
    turn(2);
    ck_assert_uint_eq(test_alloc_live(), before);
}
END_TEST

START_TEST(what_cannot_be_written) {
    rejects_with(promise_stream_write(s, promise_int(1)), EINVAL, "promise_stream_write: data is neither a string nor bytes");
    rejects_with(promise_stream_write(s, promise_void()), EINVAL, "promise_stream_write: data");
    rejects_with(promise_stream_write(s, promise_throw_errno(EIO, "mine")), EIO, "mine");
    ck_assert(!promise_stream_is_closed(s));
    gives_void(promise_stream_write(s, promise_bytes(NULL, 0)));
}
END_TEST

/* ---- backpressure ---- */

START_TEST(write_waits_above_the_high_water_mark) {
    size_t stuffed = stuff(s), unsent = promise_stream_unsent(s);
    promise_t *p;

    promise_stream_set_high_water(s, unsent + 10);
    p = write_text("0123456789");
    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED); /* at the mark */
    promise_unref(p);
    p = write_text("x");
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING); /* above */
    hear(stuffed);
    hears("0123456789x");
    gives_void(p);
}
END_TEST

START_TEST(a_high_water_mark_of_0) {
    promise_t *p;

    promise_stream_set_high_water(s, 0);
    p = write_text("abc"); /* the kernel has it */
    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED);
    gives_void(p);
    hears("abc");
    stuff(s);
    p = write_text("x");
    turn(3);
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    while (promise_get_state(p) == PROMISE_PENDING) hear(1000);
    ck_assert_uint_eq(promise_stream_unsent(s), 0);
    gives_void(p);
}
END_TEST

/* The writer of an endless stream to a peer that does not read is stopped; memory stays. */
static promise_value_t write_more(promise_value_t v, void *count) {
    (void)v;
    ++*(int *)count;
    return promise_adopt(promise_stream_write(s, promise_bytes(noise(10000), 10000)));
}

START_TEST(R19_a_writer_that_waits_is_held_up) {
    int count = 0, before;
    promise_t *p = promise_repeat(loop, write_more, &count);

    turn(100);
    before = count;
    turn(100);
    ck_assert_int_eq(count, before);
    ck_assert_uint_le(promise_stream_unsent(s), 65536 + 10000);
    hear(500000);
    turn(10);
    ck_assert_int_gt(count, before); /* goes on */
    promise_cancel(p);
}
END_TEST

START_TEST(each_mark_by_itself) { /* several wait, for different marks */
    size_t unsent;

    stuff(s);
    promise_unref(promise_stream_write(s, promise_bytes(noise(1000000), 1000000))); /* more than is sent at once */
    unsent = promise_stream_unsent(s);
    ask(promise_stream_drain(s), "drain");
    promise_stream_set_high_water(s, unsent / 2);
    ask(write_text("x"), "half");
    promise_stream_set_high_water(s, unsent);
    ask(write_text("y"), "all");
    turn(3);
    trace_is("");
    while (promise_stream_unsent(s)) hear(1000);
    turn(3);
    trace_is("all=- half=- drain=-");
}
END_TEST

START_TEST(a_drain_with_nothing_to_send) {
    promise_t *p = promise_stream_drain(s);
    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED);
    gives_void(p);
}
END_TEST

START_TEST(cancelled_writes_are_sent_all_the_same) {
    size_t stuffed = stuff(s);
    promise_t *p, *first, *last;

    promise_stream_set_high_water(s, 0);
    first = write_text("abc");
    p = write_text("def");
    last = promise_stream_drain(s);
    promise_cancel(p);
    promise_cancel(first);
    promise_cancel(last);
    hear(stuffed);
    hears("abcdef");
    ask(write_text("ghi"), "later");
    turn(3);
    trace_is("later=-");
}
END_TEST

/* The last reference goes with the last writer who waits, in the midst of telling it. */
START_TEST(nobody_but_the_writer_holds_it) {
    size_t size = 1000000;
    char *data = noise(size);

    promise_unref(promise_stream_write(s, promise_bytes(data, size)));
    promise_unref(promise_stream_drain(s));
    promise_stream_unref(s);
    s = NULL;
    ck_assert_mem_eq(hear(size), data, size);
    hears_end();
}
END_TEST

START_TEST(nobody_but_the_writer_holds_it_and_it_breaks) {
    promise_unref(promise_stream_write(s, promise_bytes(noise(1000000), 1000000)));
    turn(2);
    promise_stream_unref(s);
    s = NULL;
    leave();
    turn(3);
}
END_TEST

/* ---- peers that have gone (R17, SIGPIPE) ---- */

START_TEST(EPIPE_is_told_to_those_who_wait) {
    trace_messages = false;
    stuff(s);
    ask(promise_stream_drain(s), "drain");
    leave();
    turn(3);
    trace_is("drain=!errno32");
    ck_assert(promise_stream_is_closed(s));
    gives_void(promise_stream_close(s)); /* it is known */
}
END_TEST

START_TEST(EPIPE_is_told_by_the_next_write) {
    leave();
    promise_unref(write_text("x")); /* the kernel takes it, or not; nobody has been told */
    turn(5);
    rejects_with(write_text("y"), EPIPE, "write to");
    rejects_with(promise_stream_drain(s), EPIPE, "write to");
    rejects_with(promise_stream_shutdown(s), EPIPE, "write to");
    gives_void(promise_stream_close(s));
}
END_TEST

START_TEST(a_reset_names_the_peer) {
    stuff(s);
    reset();
    rejects_with(promise_stream_drain(s), ECONNRESET, "");
    rejects_with(promise_stream_read(s, 1), ECONNRESET, "");
    ck_assert_ptr_nonnull(strstr(promise_error_message(rejected(promise_stream_read(s, 1))), " the peer of 127.0.0.1:"));
}
END_TEST

static void is_ignored(void) {
    struct sigaction now;

    ck_assert_int_eq(sigaction(SIGPIPE, NULL, &now), 0);
    ck_assert(now.sa_handler == SIG_IGN);
}

START_TEST(SIGPIPE_is_ignored_from_the_first_stream_on) {
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    signal(SIGPIPE, SIG_DFL);
    s = promise_stream_new(loop, ends[1]);
    is_ignored();
    close(ends[0]);
    promise_unref(write_text("x"));
    rejects_with(promise_stream_drain(s), EPIPE, "write to");
    signal(SIGPIPE, SIG_DFL); /* once: who sets it later, wants it */
    promise_stream_unref(s);
    ck_assert_int_eq(pipe(ends), 0);
    s = promise_stream_new(loop, ends[0]);
    close(ends[1]);
    ck_assert(signal(SIGPIPE, SIG_IGN) == SIG_DFL);
}
END_TEST

static void on_sigpipe(int number) { (void)number; }

START_TEST(SIGPIPE_that_the_program_handles_stays_so) {
    promise_stream_t *ends[2];

    signal(SIGPIPE, on_sigpipe);
    promise_stream_pair(loop, ends);
    s = ends[0];
    t = ends[1];
    ck_assert(signal(SIGPIPE, SIG_IGN) == on_sigpipe);
}
END_TEST

/* ---- pipes: one direction ---- */

static void open_pipe(int end) {
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    s = promise_stream_new(loop, ends[end]);
    peer = ends[!end];
}

START_TEST(the_writing_end_of_a_pipe) {
    open_pipe(1);
    gives_void(write_text("abc"));
    turn(1);
    hears("abc");
    rejects_with(promise_stream_read(s, 1), EBADF, "promise_stream_read: the descriptor is for writing alone");
    rejects_with(promise_stream_copy(s, s), EBADF, "promise_stream_copy: the descriptor is for writing alone");
    gives_void(promise_stream_close(s));
    hears_end();
}
END_TEST

START_TEST(a_pipe_shut_down) {
    open_pipe(1);
    promise_unref(write_text("abc"));
    gives_void(promise_stream_shutdown(s));
    hears("abc");
    hears_end();
    ck_assert(promise_stream_is_closed(s));
    gives_void(promise_stream_close(s));
}
END_TEST

START_TEST(the_reader_of_a_pipe_goes) {
    open_pipe(1);
    stuff(s);
    leave();
    rejects_with(promise_stream_drain(s), EPIPE, "write to");
    stream_drop();
    open_pipe(1);
    turn(1);
    leave();
    turn(3); /* noticed, with nothing to write */
    ck_assert(promise_stream_is_closed(s));
    rejects_with(write_text("x"), EPIPE, "write to");
}
END_TEST

START_TEST(the_reading_end_of_a_pipe) {
    open_pipe(0);
    ck_assert_int_eq(write(peer, "abc", 3), 3);
    gives(promise_stream_read(s, 9), "abc");
    rejects_with(write_text("x"), EBADF, "the descriptor is for reading alone");
    gives_void(promise_stream_drain(s));
    leave();
    gives_end(promise_stream_read(s, 9));
}
END_TEST

/* ---- files ---- */

/* An open file with these bytes and no name. */
static int file_of(const void *data, size_t size) {
    char name[] = "/tmp/libpromise-test-XXXXXX";
    int fd = mkstemp(name);

    ck_assert_int_ge(fd, 0);
    unlink(name);
    ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
    return fd;
}

START_TEST(a_file_between_texts) {
    promise_unref(write_text("<"));
    promise_unref(promise_stream_write_file(s, file_of("0123456789", 10), 0, SIZE_MAX));
    promise_unref(write_text("|"));
    promise_unref(promise_stream_write_file(s, file_of("0123456789", 10), 2, 3));
    promise_unref(promise_stream_write_file(s, file_of("0123456789", 10), 8, SIZE_MAX));
    promise_unref(promise_stream_write_file(s, file_of("0123456789", 10), 10, SIZE_MAX));
    promise_unref(promise_stream_write_file(s, file_of("0123456789", 10), 4, 0));
    promise_unref(write_text(">"));
    hears("<0123456789|23489>");
}
END_TEST

START_TEST(a_large_file) {
    size_t size = 2000000;
    char *data = noise(size);
    promise_t *p = promise_stream_write_file(s, file_of(data, size), 0, size);

    ck_assert_mem_eq(hear(size), data, size);
    gives_void(p);
}
END_TEST

START_TEST(wrong_files) {
    int fd = file_of("abc", 3), ends[2];

    rejects_with(promise_stream_write_file(s, -1, 0, 1), EBADF, "promise_stream_write_file: 1 bytes from 0");
    rejects_with(promise_stream_write_file(s, dup(fd), 0, 4), ERANGE, "promise_stream_write_file: 4 bytes from 0");
    rejects_with(promise_stream_write_file(s, dup(fd), 4, 0), ERANGE, "promise_stream_write_file");
    rejects_with(promise_stream_write_file(s, dup(fd), UINT64_MAX, SIZE_MAX), ERANGE, "promise_stream_write_file");
    rejects_with(promise_stream_write_file(s, fd, 2, SIZE_MAX - 1), ERANGE, "promise_stream_write_file");
    ck_assert_int_eq(pipe(ends), 0);
    rejects_with(promise_stream_write_file(s, ends[0], 0, 1), EINVAL, "promise_stream_write_file");
    close(ends[1]);
    rejects_with(promise_stream_write_file(s, open("/tmp", O_RDONLY), 0, SIZE_MAX), EINVAL, "promise_stream_write_file");
    fd = open(in_folder("file"), O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(write(fd, "abc", 3), 3);
    rejects_with(promise_stream_write_file(s, fd, 0, 3), EBADF, "promise_stream_write_file");
    ck_assert(!promise_stream_is_closed(s));
    hang_up();
    gives_void(promise_stream_close(s));
    rejects_closed(promise_stream_write_file(s, file_of("abc", 3), 0, 3)); /* and all of them are closed */
}
END_TEST

START_TEST(a_file_that_becomes_shorter) {
    size_t size = 4000000;
    int fd = file_of(noise(size), size), copy = dup(fd);
    promise_t *p = promise_stream_write_file(s, fd, 0, size);

    turn(1);
    ck_assert_int_eq(ftruncate(copy, 0), 0);
    close(copy);
    while (promise_get_state(p) == PROMISE_PENDING) {
        char data[65536];
        if (recv(peer, data, sizeof data, MSG_DONTWAIT) < 0) turn(1);
    }
    rejects_with(p, EIO, "write to");
    rejects_with(write_text("x"), EIO, "write to");
}
END_TEST

/* ---- bufferevents of the user's ---- */

START_TEST(an_end_of_a_pair) {
    struct bufferevent *pair[2];
    char *data = noise(100000);

    ck_assert_int_eq(bufferevent_pair_new(promise_loop_base(loop), 0, pair), 0);
    s = promise_stream_wrap(loop, pair[0]);
    t = promise_stream_wrap(loop, pair[1]);
    ck_assert_int_eq(promise_stream_fd(s), -1);
    gives_void(write_text("abc"));
    gives(promise_stream_read(t, 9), "abc");
    promise_unref(promise_stream_write(s, promise_bytes(data, 100000)));
    gives_bytes(promise_stream_read_exactly(t, 100000), data, 100000);
    gives_void(promise_stream_shutdown(s));
    gives_end(promise_stream_read(t, 9)); /* libevent's free tells the other end nothing: the flush does */
    promise_unref(promise_stream_write(t, promise_string("still")));
    gives(promise_stream_read(s, 9), "still");
    gives_void(promise_stream_close(t));
    gives_end(promise_stream_read(s, 9));
}
END_TEST

/* A filter that turns letters round by 13, and says "bye" at the end; the input it passes on. */
static enum bufferevent_filter_result turn_round(struct evbuffer *in, struct evbuffer *out, ev_ssize_t limit,
                                                 enum bufferevent_flush_mode mode, void *arg) {
    char c;
    size_t done = 0;

    (void)limit, (void)arg;
    while (evbuffer_remove(in, &c, 1) == 1) {
        if (c >= 'a' && c <= 'z') c = (char)('a' + (c - 'a' + 13) % 26);
        evbuffer_add(out, &c, 1);
        done++;
    }
    if (mode == BEV_FINISHED) evbuffer_add(out, "bye", 3);
    return done || mode == BEV_FINISHED ? BEV_OK : BEV_NEED_MORE;
}
static enum bufferevent_filter_result pass_on(struct evbuffer *in, struct evbuffer *out, ev_ssize_t limit,
                                              enum bufferevent_flush_mode mode, void *arg) {
    (void)limit, (void)mode, (void)arg;
    if (!evbuffer_get_length(in)) return BEV_NEED_MORE;
    return evbuffer_add_buffer(out, in) == 0 ? BEV_OK : BEV_ERROR;
}

/* deferred: its callbacks are; else libevent calls back from inside our own calls. */
static void open_filter(bool deferred) {
    struct bufferevent *below, *filter;
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    below = bufferevent_socket_new(promise_loop_base(loop), ends[0], BEV_OPT_CLOSE_ON_FREE);
    filter = bufferevent_filter_new(below, pass_on, turn_round,
                                    BEV_OPT_CLOSE_ON_FREE | (deferred ? BEV_OPT_DEFER_CALLBACKS : 0), NULL, NULL);
    ck_assert_ptr_nonnull(filter);
    s = promise_stream_wrap(loop, filter);
    peer = ends[1];
}

START_TEST(a_filter) {
    open_filter(_i);
    ask(promise_stream_read_line(s, 9), "line");
    ask(write_text("nop"), "write");
    trace_is(""); /* 2.2.4: also when libevent calls back from within */
    hears("abc");
    say("xyz\nabc");
    while (promise_stream_readable(s) < 3) turn(1);
    turn(2);
    trace_is("write=- line=xyz");
    gives(promise_stream_read(s, 9), "abc");
    gives_void(promise_stream_shutdown(s));
    hears("bye");
    hears_end();
    say("more");
    gives(promise_stream_read(s, 9), "more");
    hang_up();
    gives_end(promise_stream_read(s, 9));
}
END_TEST

START_TEST(R17_what_is_below_a_filter_is_not_sent_yet) {
    size_t size = 2000000;
    promise_t *p;

    open_filter(_i);
    p = promise_stream_write(s, promise_bytes(memset(noise(size), 'n', size), size));
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING); /* backpressure */
    ck_assert_uint_eq(promise_stream_unsent(s), size);
    promise_unref(p);
    p = promise_stream_close(s);
    turn(3);
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    for (size_t i = 0; i < size; i += 1000) ck_assert_int_eq(hear(1000)[999], 'a');
    hears("bye");
    gives_void(p);
    hears_end();
}
END_TEST

START_TEST(nobody_reads_from_a_filter_and_nothing_grows) {
    char *data = noise(20000);

    open_filter(_i);
    for (int idle = 0; idle < 5;) {
        idle = send(peer, data, 20000, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? idle + 1 : 0;
        turn(2);
    }
    ck_assert_uint_le(promise_stream_readable(s), (size_t)4 * 65536);
}
END_TEST

START_TEST(a_timeout_of_a_bufferevent) {
    const struct timeval soon = {0, 1000};
    struct bufferevent *bev;
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    bev = bufferevent_socket_new(promise_loop_base(loop), ends[0], BEV_OPT_CLOSE_ON_FREE);
    bufferevent_set_timeouts(bev, &soon, NULL);
    s = promise_stream_wrap(loop, bev);
    peer = ends[1];
    ck_assert(promise_is_timeout(rejected(promise_stream_read(s, 1))));
    ck_assert(promise_is_timeout(rejected(promise_stream_read(s, 1)))); /* the trap: libevent has stopped reading */
    bufferevent_set_timeouts(bev, NULL, NULL);
    say("x");
    gives(promise_stream_read(s, 9), "x");
}
END_TEST

/* ---- memory ---- */

static promise_t *some_writes(void) {
    promise_stream_t *ends[2];
    promise_t *ps[4];
    char *data = noise(200000);

    promise_stream_pair(loop, ends);
    s = ends[0];
    t = ends[1];
    ps[0] = write_text("abc");
    ps[1] = promise_stream_write(s, promise_bytes(data, 200000));
    ps[2] = promise_stream_drain(s);
    ps[3] = promise_stream_read_exactly(t, 200003);
    return promise_all(loop, 4, ps);
}

static promise_t *a_file(void) {
    promise_stream_t *ends[2];
    promise_t *ps[3];

    promise_stream_pair(loop, ends);
    s = ends[0];
    t = ends[1];
    ps[0] = promise_stream_write_file(s, file_of("abc", 3), 0, 3);
    ps[1] = promise_stream_shutdown(s);
    ps[2] = promise_stream_read_all(t, 9);
    return promise_all(loop, 3, ps);
}

START_TEST(each_allocation_fails_once) { ck_assert_uint_ge(each_allocation(_i ? a_file : some_writes, stream_drop), 4); }
END_TEST

int main(void) {
    Suite *suite = suite_create("stream_write");
    TCase *unix_pair = tcase_create("a Unix socket"), *tcp = tcase_create("TCP"), *none = tcase_create("others");

    tcase_add_checked_fixture(unix_pair, stream_open, stream_close);
    tcase_add_test(unix_pair, in_the_order_of_the_calls);
    tcase_add_test(unix_pair, what_is_written_in_one_drain_is_sent_together);
    tcase_add_test(unix_pair, large_writes_arrive_whole);
    tcase_add_test(unix_pair, many_small_writes_arrive_whole);
    tcase_add_test(unix_pair, values_are_let_go_of_when_they_are_sent);
    tcase_add_test(unix_pair, values_are_let_go_of_when_they_are_not_sent);
    tcase_add_test(unix_pair, what_cannot_be_written);
    tcase_add_test(unix_pair, write_waits_above_the_high_water_mark);
    tcase_add_test(unix_pair, a_high_water_mark_of_0);
    tcase_add_test(unix_pair, R19_a_writer_that_waits_is_held_up);
    tcase_add_test(unix_pair, each_mark_by_itself);
    tcase_add_test(unix_pair, a_drain_with_nothing_to_send);
    tcase_add_test(unix_pair, cancelled_writes_are_sent_all_the_same);
    tcase_add_test(unix_pair, nobody_but_the_writer_holds_it);
    tcase_add_test(unix_pair, nobody_but_the_writer_holds_it_and_it_breaks);
    tcase_add_test(unix_pair, EPIPE_is_told_to_those_who_wait);
    tcase_add_test(unix_pair, EPIPE_is_told_by_the_next_write);
    tcase_add_test(unix_pair, a_file_between_texts);
    tcase_add_test(unix_pair, a_large_file);
    tcase_add_test(unix_pair, wrong_files);
    tcase_add_test(unix_pair, a_file_that_becomes_shorter);
    suite_add_tcase(suite, unix_pair);
    tcase_add_checked_fixture(tcp, stream_open_tcp, stream_close);
    tcase_add_test(tcp, a_reset_names_the_peer);
    tcase_add_test(tcp, large_writes_arrive_whole);
    tcase_add_test(tcp, a_large_file);
    suite_add_tcase(suite, tcp);
    tcase_add_checked_fixture(none, stream_open_none, stream_close);
    tcase_add_test(none, SIGPIPE_is_ignored_from_the_first_stream_on);
    tcase_add_test(none, SIGPIPE_that_the_program_handles_stays_so);
    tcase_add_test(none, the_writing_end_of_a_pipe);
    tcase_add_test(none, a_pipe_shut_down);
    tcase_add_test(none, the_reader_of_a_pipe_goes);
    tcase_add_test(none, the_reading_end_of_a_pipe);
    tcase_add_test(none, an_end_of_a_pair);
    tcase_add_loop_test(none, a_filter, 0, 2);
    tcase_add_loop_test(none, R17_what_is_below_a_filter_is_not_sent_yet, 0, 2);
    tcase_add_loop_test(none, nobody_reads_from_a_filter_and_nothing_grows, 0, 2);
    tcase_add_test(none, a_timeout_of_a_bufferevent);
    tcase_add_loop_test(none, each_allocation_fails_once, 0, 2);
    suite_add_tcase(suite, none);
    return test_main(suite);
}
