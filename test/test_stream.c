/* Making and owning streams: what cannot be made (O2), counts, the last reference, their loop's end (J5). */
#include "../src/stream.h"
#include "streaming.h"

#include <event2/bufferevent.h>
#include <fcntl.h>
#include <promise/memory.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- what cannot be made ---- */

/* Every operation of a stream that could not be made rejects with the reason. */
static void rejects_all(promise_stream_t *stream, int error, const char *text) {
    promise_iterator_t *it;

    ck_assert_ptr_nonnull(stream);
    ck_assert(promise_stream_is_closed(stream));
    rejects_with(promise_stream_read(stream, 1), error, text);
    rejects_with(promise_stream_read_exactly(stream, 1), error, text);
    rejects_with(promise_stream_read_line(stream, 1), error, text);
    rejects_with(promise_stream_read_until(stream, promise_string("x"), 1), error, text);
    rejects_with(promise_stream_read_all(stream, 1), error, text);
    rejects_with(promise_stream_write(stream, promise_string("x")), error, text);
    rejects_with(promise_stream_write_file(stream, dup(0), 0, 1), error, text);
    rejects_with(promise_stream_drain(stream), error, text);
    rejects_with(promise_stream_shutdown(stream), error, text);
    rejects_with(promise_stream_close(stream), error, text);
    rejects_with(promise_stream_copy(stream, stream), error, text);
    it = promise_stream_lines(stream, 1);
    rejects_with(promise_next(it), error, text);
    promise_iterator_close(it);
    it = promise_stream_chunks(stream, 1);
    rejects_with(promise_next(it), error, text);
    promise_iterator_close(it);
    promise_stream_set_high_water(stream, 1);
    ck_assert_uint_eq(promise_stream_readable(stream), 0);
    ck_assert_uint_eq(promise_stream_unsent(stream), 0);
    ck_assert_int_eq(promise_stream_fd(stream), -1);
    ck_assert_ptr_null(promise_stream_bufferevent(stream));
    ck_assert_ptr_null(promise_stream_release(stream));
    ck_assert_ptr_eq(promise_stream_loop(stream), loop);
    ck_assert_ptr_eq(promise_stream_ref(stream), stream);
    promise_stream_unref(stream);
}

START_TEST(of_no_descriptor) {
    int closed = dup(0);

    close(closed);
    for (int i = 0; i < 2; i++) {
        s = promise_stream_new(loop, i ? closed : -1);
        rejects_all(s, EBADF, i ? "promise_stream_new: descriptor " : "promise_stream_new: descriptor -1: Bad");
        promise_stream_abort(s);
        promise_stream_unref(s);
    }
    s = NULL;
}
END_TEST

START_TEST(of_a_file) { /* epoll refuses it; it is taken over all the same */
    const char *names[] = {in_folder("file"), "/tmp"};

    for (int i = 0; i < 2; i++) {
        s = promise_stream_new(loop, open(names[i], i ? O_RDONLY : O_RDWR | O_CREAT, 0600));
        rejects_all(s, EINVAL, "promise_stream_new: descriptor ");
        promise_stream_unref(s);
    }
    s = NULL;
}
END_TEST

START_TEST(of_no_bufferevent) {
    s = promise_stream_wrap(loop, NULL);
    rejects_all(s, EINVAL, "promise_stream_wrap: bufferevent is NULL");
}
END_TEST

START_TEST(without_memory) {
    promise_value_t v;

    s = promise_source_nomem(loop);
    rejects_all(s, ENOMEM, "");
    promise_stream_abort(s);
    v = promise_stream_value(s);
    ck_assert(promise_is_rejection(v) && promise_error_is(v, &promise_errno_errors, ENOMEM));
    promise_value_clear(&v);
    ck_assert_ptr_null(promise_stream_layer_data(s, NULL));
}
END_TEST

static bool no_descriptors;

int socketpair(int domain, int type, int protocol, int ends[2]) {
    if (!no_descriptors) return (int)syscall(SYS_socketpair, domain, type, protocol, ends);
    errno = EMFILE;
    return -1;
}

START_TEST(without_descriptors) {
    promise_stream_t *ends[2];

    no_descriptors = true;
    promise_stream_pair(loop, ends);
    no_descriptors = false;
    for (int i = 0; i < 2; i++) {
        rejects_all(ends[i], EMFILE, "promise_stream_pair");
        promise_stream_unref(ends[i]);
    }
}
END_TEST

/* The library's, and libevent's: both have the tests' allocator here. */
START_TEST(each_allocation_of_making) {
    size_t fds = open_fds(), n = 0, nomem = 0;
    int ends[2];
    bool failed;

    do {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        test_alloc_fail_at(++n);
        s = promise_stream_new(loop, ends[0]);
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        peer = ends[1];
        if (promise_stream_is_closed(s)) {
            nomem++;
            rejects_with(promise_stream_read(s, 1), ENOMEM, "");
        } else { /* that allocation was not needed: it works */
            say("a");
            gives(promise_stream_read(s, 1), "a");
            gives_void(promise_stream_write(s, promise_string("b")));
            hears("b");
        }
        stream_drop();
        turn(2); /* where it could not be taken in, libevent closes it: later */
        ck_assert_uint_eq(open_fds(), fds);
    } while (failed);
    ck_assert_uint_ge(nomem, 5);
}
END_TEST

/* Where memory fails later, a stream may break, and then says so; it never hangs, nor loses the end. */
START_TEST(each_allocation_of_libevents_in_use) {
    size_t n = 0, size = 100000, nomem = 0;
    char *data = noise(size);
    bool failed;

    do {
        promise_stream_t *ends[2];
        promise_t *ps[3];
        promise_value_t v = {0};

        promise_stream_pair(loop, ends);
        promise_stream_set_high_water(ends[0], 10);
        test_alloc_fail_at(++n);
        ps[0] = promise_stream_write(ends[0], promise_bytes(data, size));
        ps[1] = promise_stream_shutdown(ends[0]);
        ps[2] = promise_stream_read_all(ends[1], 2 * size);
        promise_stream_unref(ends[0]);
        if (promise_loop_run(loop, promise_all(loop, 3, ps), &v) < 0) {
            ck_assert_msg(promise_error_is(v, &promise_errno_errors, ENOMEM), "%s", promise_error_message(v));
            nomem++;
        }
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        promise_value_clear(&v);
        promise_stream_unref(ends[1]);
        turn(2);
    } while (failed);
    ck_assert_uint_ge(nomem, 5);
}
END_TEST

/* ---- wrong use ---- */

static void null_stream(void *arg) { (void)arg, promise_unref(promise_stream_read(NULL, 1)); }
static void null_until(void *arg) { (void)arg, promise_unref(promise_stream_read_until(NULL, promise_string("x"), 1)); }
static void null_loop(void *arg) { (void)arg, s = promise_stream_new(NULL, 0); }
static void null_ends(void *arg) { (void)arg, promise_stream_pair(loop, NULL); }
static void null_layer(void *arg) { (void)arg, promise_stream_set_layer(s, NULL, NULL); }
static void of_other_base(void *arg) {
    (void)arg;
    s = promise_stream_wrap(loop, bufferevent_socket_new(event_base_new(), -1, 0));
}
static void of_two_loops(void *arg) {
    promise_stream_t *ends[2];

    (void)arg;
    promise_stream_pair(promise_loop_new(NULL), ends);
    promise_unref(promise_stream_copy(s, ends[0]));
}
static void hosted(void *arg) {
    struct fakehost fake;

    (void)arg;
    s = promise_stream_new(fakehost_open(&fake), 0);
}
static void no_stream(void *arg) { (void)arg, promise_as_stream(promise_int(1)); }

START_TEST(wrong_use_stops_the_program) {
    test_assert_stops(null_stream, NULL, "promise_stream_read: the stream is NULL");
    test_assert_stops(null_until, NULL, "the stream is NULL");
    test_assert_stops(null_loop, NULL, "promise_stream_new: ");
    test_assert_stops(null_ends, NULL, "promise_stream_pair: ends is NULL");
    test_assert_stops(null_layer, NULL, "promise_stream_set_layer: layer is NULL");
    test_assert_stops(of_other_base, NULL, "promise_stream_wrap: expected a bufferevent on the loop's base");
    test_assert_stops(of_two_loops, NULL, "promise_stream_copy: expected streams of one loop");
    test_assert_stops(hosted, NULL, "promise_stream_new: expected a loop of promise_loop_new");
    test_assert_stops(no_stream, NULL, "stream");
    promise_stream_unref(NULL);
}
END_TEST

/* ---- owning ---- */

START_TEST(what_is_asked_of_a_new_one) {
    int flags = fcntl(promise_stream_fd(s), F_GETFL);

    ck_assert(flags & O_NONBLOCK);
    ck_assert(!promise_stream_is_closed(s));
    ck_assert_ptr_eq(promise_stream_loop(s), loop);
    ck_assert_ptr_nonnull(promise_stream_bufferevent(s));
    ck_assert_int_eq(bufferevent_getfd(promise_stream_bufferevent(s)), promise_stream_fd(s));
    ck_assert_uint_eq(promise_stream_readable(s), 0);
    ck_assert_uint_eq(promise_stream_unsent(s), 0);
    say("abc");
    arrive(s, 3);
    ck_assert_uint_eq(promise_stream_readable(s), 3);
}
END_TEST

START_TEST(the_last_reference_closes_at_once) {
    int fd = promise_stream_fd(s);

    promise_stream_ref(s);
    promise_stream_unref(s);
    ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
    promise_stream_unref(s);
    s = NULL;
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1); /* without a turn of the loop */
    hears_end();
}
END_TEST

START_TEST(a_value_holds_it) {
    promise_value_t v = {0};

    promise_value_set(&v, promise_stream_value(s));
    ck_assert(promise_is(v, &promise_type_stream));
    ck_assert_str_eq(promise_type_name(v), "stream");
    ck_assert_ptr_eq(promise_as_stream(v), s);
    say("abc");
    gives(promise_stream_read(promise_as_stream(v), 9), "abc");
    s = NULL;
    promise_value_clear(&v);
    hears_end();
}
END_TEST

START_TEST(who_waits_holds_it) {
    promise_t *p = promise_stream_read(s, 9);

    promise_stream_unref(s);
    s = NULL;
    say("abc");
    gives(p, "abc");
    hears_end();
}
END_TEST

START_TEST(who_waited_and_is_cancelled_lets_go) {
    promise_t *p = promise_stream_read_all(s, 9);

    promise_stream_unref(s);
    s = NULL;
    promise_cancel(p);
    hears_end();
}
END_TEST

static promise_value_t let_go(promise_value_t v, void *arg) {
    (void)arg;
    promise_stream_unref(s);
    s = NULL;
    return v;
}

START_TEST(T4_the_last_reference_goes_in_its_own_handler) {
    promise_t *p = promise_then(promise_stream_read(s, 1), let_go, NULL);

    say("a");
    gives(p, "a");
    hears_end();
}
END_TEST

START_TEST(a_pair) {
    gives_void(promise_stream_write(s, promise_string("abc")));
    gives(promise_stream_read(t, 9), "abc");
    gives_void(promise_stream_write(t, promise_string("def")));
    gives(promise_stream_read(s, 9), "def");
    gives_void(promise_stream_close(s));
    gives_end(promise_stream_read(t, 9));
    ck_assert(fcntl(promise_stream_fd(t), F_GETFD) & FD_CLOEXEC);
}
END_TEST

static void watched(struct stream_watch *watch) {
    (void)watch;
    trace("watched");
}

START_TEST(who_watches_is_told_of_the_end) { /* the listener does */
    static const char *const ends[] = {"abort", "close", "unref", "release"};
    struct bufferevent *bev = NULL;
    struct stream_watch first, gone, last;

    promise__stream_watch(s, &first, watched);
    promise__stream_watch(s, &gone, watched);
    promise__stream_watch(s, &last, watched);
    promise__stream_unwatch(&gone);
    switch (_i) {
    case 0: promise_stream_abort(s); break;
    case 1: gives_void(promise_stream_close(s)); break;
    case 2: promise_stream_unref(s), s = NULL; break;
    default: bev = promise_stream_release(s);
    }
    trace("%s", ends[_i]);
    ck_assert_str_eq(trace_take() + strlen("watched watched "), ends[_i]);
    if (bev) bufferevent_free(bev);
}
END_TEST

/* ---- its loop's end (J5) ---- */

static const char *const states[] = {"open", "to be closed", "shut down", "with bytes", "left by its peer", "sending"};

START_TEST(J5_with_everything_pending) {
    promise_iterator_t *it = promise_stream_lines(s, 9);

    trace_messages = false;
    ask(promise_stream_read_exactly(s, 9), "r");
    ask(promise_stream_read_until(s, promise_string(";"), 9), "r");
    ask(promise_next(it), "r");
    stuff(s);
    ask(promise_stream_drain(s), "w");
    ask(promise_stream_copy(s, s), "c");
    switch (_i) {
    case 1: ask(promise_stream_close(s), "c"); break;
    case 2: ask(promise_stream_shutdown(s), "w"); break;
    case 3: say("bytes"); break;
    case 4: leave(); break;
    case 5: turn(2); break;
    default: break;
    }
    promise_loop_free(loop);
    loop = NULL;
    ck_assert_msg(strlen(trace_take()) >= strlen("r=! r=! r=! w=! c=!"), "%s", states[_i]); /* all have settled */
    ck_assert(promise_stream_is_closed(s));                                                  /* it outlives its loop */
    ck_assert_int_eq(promise_stream_fd(s), -1);
    ck_assert_uint_eq(promise_stream_unsent(s), 0);
    promise_unref(promise_stream_read(s, 1));
    promise_unref(promise_stream_write(s, promise_string("x")));
    promise_unref(promise_stream_close(s));
    promise_unref(promise_next(it));
    promise_stream_abort(s);
    promise_iterator_close(it);
}
END_TEST

static promise_value_t make_another(promise_value_t v, void *arg) {
    int ends[2];

    (void)arg;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    t = promise_stream_new(NULL, ends[0]);
    close(ends[1]);
    return v;
}

START_TEST(J5_what_is_made_on_a_dying_loop) {
    promise_unref(promise_finally(promise_stream_read(s, 1), make_another, NULL));
    promise_loop_free(loop);
    loop = NULL;
    ck_assert_ptr_nonnull(t);
    ck_assert(promise_stream_is_closed(t));
    hears_end();
}
END_TEST

static promise_value_t free_loop(promise_value_t v, void *arg) {
    (void)arg;
    promise_loop_free(loop);
    loop = NULL;
    return v;
}

START_TEST(T4_the_loop_is_freed_in_a_streams_handler) {
    promise_loop_t *running = loop;

    ask(promise_then(promise_stream_read(s, 1), free_loop, NULL), "read");
    ask(promise_stream_read(s, 1), "next");
    say("a");
    promise_loop_run(running, NULL, NULL);
    ck_assert_ptr_null(loop);
    trace_messages = false;
    ck_assert(promise_stream_is_closed(s));
    hears_end();
}
END_TEST

START_TEST(J5_on_a_base_of_the_users) {
    struct event_base *users = event_base_new();
    promise_loop_t *before = loop;
    promise_stream_t *ends[2];

    loop = promise_loop_new(users);
    promise_stream_pair(loop, ends);
    ask(promise_stream_read(ends[0], 1), "read");
    promise_unref(promise_stream_write(ends[0], promise_bytes(noise(1000000), 1000000)));
    turn(2);
    promise_loop_free(loop);
    trace_is("read=!canceled");
    event_base_loop(users, EVLOOP_NONBLOCK); /* what libevent puts off */
    ck_assert_int_eq(event_base_get_num_events(users, EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_ACTIVE), 0);
    event_base_free(users);
    promise_stream_unref(ends[0]);
    promise_stream_unref(ends[1]);
    loop = before;
}
END_TEST

/* ---- what one costs ---- */

START_TEST(bytes_of_an_idle_stream) { /* beyond libevent's own bufferevent: with its event, and a read that waits */
    promise_t *p = promise_stream_read(s, 1);

    ck_assert_uint_le(sizeof *s, 272);
    ck_assert_uint_le(sizeof *s + event_get_struct_event_size() + 64, 512);
    promise_cancel(p);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stream");
    TCase *none = tcase_create("made"), *one = tcase_create("owned"), *two = tcase_create("two");

    event_set_mem_functions(promise_memory_alloc, promise_memory_resize, promise_memory_free);
    tcase_add_checked_fixture(none, stream_open_none, stream_close);
    tcase_add_test(none, of_no_descriptor);
    tcase_add_test(none, of_a_file);
    tcase_add_test(none, of_no_bufferevent);
    tcase_add_test(none, without_memory);
    tcase_add_test(none, without_descriptors);
    tcase_add_test(none, each_allocation_of_making);
    tcase_add_test(none, each_allocation_of_libevents_in_use);
    tcase_add_test(none, J5_on_a_base_of_the_users);
    suite_add_tcase(suite, none);
    tcase_add_checked_fixture(one, stream_open, stream_close);
    tcase_add_test(one, wrong_use_stops_the_program);
    tcase_add_test(one, what_is_asked_of_a_new_one);
    tcase_add_test(one, the_last_reference_closes_at_once);
    tcase_add_test(one, a_value_holds_it);
    tcase_add_test(one, who_waits_holds_it);
    tcase_add_test(one, who_waited_and_is_cancelled_lets_go);
    tcase_add_test(one, T4_the_last_reference_goes_in_its_own_handler);
    tcase_add_loop_test(one, who_watches_is_told_of_the_end, 0, 4);
    tcase_add_loop_test(one, J5_with_everything_pending, 0, sizeof states / sizeof *states);
    tcase_add_test(one, J5_what_is_made_on_a_dying_loop);
    tcase_add_test(one, T4_the_loop_is_freed_in_a_streams_handler);
    tcase_add_test(one, bytes_of_an_idle_stream);
    suite_add_tcase(suite, one);
    tcase_add_checked_fixture(two, stream_open_two, stream_close);
    tcase_add_test(two, a_pair);
    suite_add_tcase(suite, two);
    return test_main(suite);
}
