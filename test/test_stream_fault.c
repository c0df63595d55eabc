/* What goes wrong with streams, each with the one error that comes out; and nothing is left behind. */
#include "streaming.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static promise_t *read_some(void) { return promise_stream_read(s, 9); }
static promise_t *read_five(void) { return promise_stream_read_exactly(s, 5); }
static promise_t *read_line(void) { return promise_stream_read_line(s, 4); }
static promise_t *read_all(void) { return promise_stream_read_all(s, 4); }
static promise_t *read_in_time(void) { return promise_timeout(promise_stream_read(s, 9), 1); }
static promise_t *write_one(void) { return promise_stream_write(s, promise_string("x")); }
static promise_t *write_much(void) { return promise_stream_write(s, promise_bytes(noise(20000000), 20000000)); }
static promise_t *drain(void) { return promise_stream_drain(s); }
static promise_t *echo(void) { return promise_stream_copy(s, s); }
static promise_t *shut(void) { return promise_stream_shutdown(s); }
static promise_t *finish(void) { return promise_stream_close(s); }
static promise_t *close_in_time(void) { return promise_timeout(promise_stream_close(s), 1); }

/* A file of so many bytes, which it loses when some of them are on their way. */
static promise_t *send_file(void) {
    int fd = open(in_folder("file"), O_RDWR | O_CREAT, 0600);
    promise_t *p;

    ck_assert_int_eq(ftruncate(fd, 50000000), 0);
    p = promise_stream_write_file(s, dup(fd), 0, SIZE_MAX);
    turn(1);
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    close(fd);
    return p;
}

/* ---- what happens to it ---- */

static void nothing(void) {}
static void says_little(void) { say("abc"); }
static void says_much(void) { say("abcdefgh"); }
static void says_little_and_leaves(void) { say("abc"), arrive(s, 3), leave(); }
static void was_reset(void) { turn(1), reset(), turn(2); }
static void left_with_something_unread(void) { gives_void(write_one()), turn(1), leave(), turn(2); }
static void leaves_while_it_is_sent_to(void) { promise_unref(write_much()), turn(1), leave(); }
static void is_sent_to(void) { promise_unref(write_much()), turn(1); }
static void was_closed(void) { gives_void(finish()); }
static void was_aborted(void) { promise_stream_abort(s); }
static void was_shut_down(void) { gives_void(shut()); }
static void is_none(void) { stream_drop(), s = promise_stream_new(loop, -1); }

static void pipe_instead(int end) {
    int ends[2];

    stream_drop();
    ck_assert_int_eq(pipe(ends), 0);
    s = promise_stream_new(loop, ends[end]);
    peer = ends[!end];
}
static void is_to_be_read(void) { pipe_instead(0); }
static void is_to_be_written(void) { pipe_instead(1); }
static void nobody_reads_the_pipe(void) { pipe_instead(1), leave(); }

/* The one who reads, of what is sent: slowly. */
static void hear_some(promise_t *p) {
    char data[65536];

    while (promise_get_state(p) == PROMISE_PENDING) {
        ssize_t n = peer >= 0 ? recv(peer, data, sizeof data, MSG_DONTWAIT) : -1;
        promise_loop_turn(loop);
        (void)n;
    }
}

static const struct fault {
    const char *name;
    void (*happens)(void);
    promise_t *(*ask)(void);
    const struct promise_domain *domain; /* NULL: errno's */
    int code;
} faults[] = {
    {"the peer is silent", nothing, read_in_time, &promise_errors, PROMISE_ETIMEDOUT},
    {"the end in the middle", says_little_and_leaves, read_five, &promise_errors, PROMISE_ECLOSED},
    {"a line that is too long", says_much, read_line, NULL, EMSGSIZE},
    {"more than there may be", says_much, read_all, NULL, EMSGSIZE},
    {"a reset, and a read", was_reset, read_some, NULL, ECONNRESET},
    {"a reset, and a write", was_reset, write_one, NULL, ECONNRESET},
    {"a reset, and a drain", was_reset, drain, NULL, ECONNRESET},
    {"a reset, and a copy", was_reset, echo, NULL, ECONNRESET},
    {"a peer that left with something unread", left_with_something_unread, read_some, NULL, ECONNRESET},
    {"a peer that leaves while it is sent to", leaves_while_it_is_sent_to, drain, NULL, ECONNRESET},
    {"a peer that never reads", is_sent_to, close_in_time, &promise_errors, PROMISE_ETIMEDOUT},
    {"closed, and a read", was_closed, read_some, &promise_errors, PROMISE_ECLOSED},
    {"closed, and a write", was_closed, write_one, &promise_errors, PROMISE_ECLOSED},
    {"aborted, and a copy", was_aborted, echo, &promise_errors, PROMISE_ECLOSED},
    {"aborted, and a shutdown", was_aborted, shut, &promise_errors, PROMISE_ECLOSED},
    {"shut down, and a write", was_shut_down, write_one, NULL, EPIPE},
    {"shut down, and again", was_shut_down, shut, NULL, EPIPE},
    {"no descriptor, and a close", is_none, finish, NULL, EBADF},
    {"a pipe's reading end, and a write", is_to_be_read, write_one, NULL, EBADF},
    {"a pipe's writing end, and a read", is_to_be_written, read_some, NULL, EBADF},
    {"a pipe that nobody reads", nobody_reads_the_pipe, write_much, NULL, EPIPE},
    {"a file that becomes shorter", says_little, send_file, NULL, EIO},
};

START_TEST(a_fault) {
    const struct fault *f = &faults[_i];
    const struct promise_domain *domain = f->domain ? f->domain : &promise_errno_errors;
    promise_value_t v;
    promise_t *p;

    f->happens();
    p = f->ask();
    hear_some(p);
    v = rejected(p);
    ck_assert_msg(promise_error_domain(v) == domain && promise_error_code(v) == f->code, "%s: %s", f->name,
                  promise_error_message(v));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stream_fault");
    TCase *tcase = tcase_create("faults");

    tcase_add_checked_fixture(tcase, stream_open_tcp, stream_close);
    tcase_add_loop_test(tcase, a_fault, 0, sizeof faults / sizeof *faults);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
