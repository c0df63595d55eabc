/* Files that are open: at offsets, at the position, in the order of the calls. What goes away in between: test_file_end.c. */
#include "filing.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static promise_file_t *file;

static promise_file_t *open_a(int flags) { return opened(promise_file_open(loop, path_of("a"), flags, 0666)); }

static void unref_file(void) {
    promise_file_unref(file);
    file = NULL;
}

/* ---- owning ---- */

START_TEST(opened_and_closed) {
    struct stat s;

    umask(022);
    file = open_a(O_RDWR | O_CREAT);
    ck_assert_int_ge(promise_file_fd(file), 0);
    ck_assert_int_eq(fcntl(promise_file_fd(file), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_ptr_eq(promise_file_loop(file), loop);
    stat(path_of("a"), &s);
    ck_assert_int_eq(s.st_mode & 07777, 0644);
    is_done(promise_file_close(file));
    ck_assert_int_eq(promise_file_fd(file), -1);
    is_done(promise_file_close(file)); /* the outcome of the first */
    unref_file();
    rejects_with(promise_file_open(loop, "/nowhere/a", O_RDONLY, 0), ENOENT, "open /nowhere/a: No such file or directory");
    rejects_with(promise_file_open(loop, NULL, O_RDONLY, 0), EINVAL, "promise_file_open: path is NULL");
    rejects_with(promise_file_open(loop, path_of("a"), O_CREAT | O_EXCL | O_WRONLY, 0666), EEXIST, "open ");
}
END_TEST

START_TEST(the_last_reference_closes) {
    size_t fds = open_fds();
    promise_value_t v = promise_void(), kept = promise_void();

    put_text(path_of("a"), "hello");
    promise_unref(promise_file_open(loop, path_of("a"), O_RDONLY, 0)); /* nobody takes it */
    promise_loop_run(loop, NULL, NULL);
    fds = open_fds();
    file = open_a(O_RDONLY);
    fulfilled(promise_from(loop, promise_void())); /* of the outcome before */
    ck_assert_uint_eq(open_fds(), fds + 1);
    promise_value_set(&kept, promise_file_value(promise_file_ref(file)));
    ck_assert_ptr_eq(promise_as_file(kept), file);
    unref_file();
    ck_assert_uint_eq(open_fds(), fds + 1);
    promise_unref(promise_file_read_at(promise_as_file(kept), 0, 5)); /* holds it */
    promise_value_clear(&kept);
    ck_assert_uint_eq(open_fds(), fds + 1);
    promise_loop_run(loop, NULL, NULL);
    ck_assert_uint_eq(open_fds(), fds);
    (void)v;
}
END_TEST

START_TEST(of_a_descriptor) {
    put_text(path_of("a"), "hello");
    file = promise_file_new(loop, open(path_of("a"), O_RDONLY));
    reads(promise_file_read_at(file, 1, 3), "ell");
    unref_file();
    file = promise_file_new(loop, open(path_of("a"), O_WRONLY));
    rejects_with(promise_file_read_at(file, 0, 1), EBADF, "read descriptor ");
    unref_file();
    file = promise_file_new(loop, -1);
    rejects_with(promise_file_read_at(file, 0, 1), EBADF, "promise_file_new: descriptor -1: Bad file descriptor");
    rejects_with(promise_file_close(file), EBADF, "promise_file_new: descriptor -1");
    ck_assert_int_eq(promise_file_fd(file), -1);
    unref_file();
}
END_TEST

/* ---- at offsets ---- */

START_TEST(read_at_offsets) {
    put_text(path_of("a"), "0123456789");
    file = open_a(O_RDONLY);
    reads(promise_file_read_at(file, 0, 3), "012");
    reads(promise_file_read_at(file, 3, 100), "3456789"); /* the file ends before */
    reads(promise_file_read_at(file, 9, 1), "9");
    reads_end(promise_file_read_at(file, 10, 1));
    reads_end(promise_file_read_at(file, 1000000, SIZE_MAX));
    reads(promise_file_read_at(file, 8, SIZE_MAX), "89");
    rejects_with(promise_file_read_at(file, 0, 0), EINVAL, "promise_file_read_at: size is 0");
    rejects_with(promise_file_read_at(file, UINT64_MAX, 1), EINVAL, "promise_file_read_at: offset is too large");
    unref_file();
    file = opened(promise_file_open(loop, "/tmp", O_RDONLY, 0));
    rejects_with(promise_file_read_at(file, 0, 1), EISDIR, "read /tmp: Is a directory");
    unref_file();
    file = opened(promise_file_open(loop, "/dev/zero", O_RDONLY, 0));
    promise_value_t v = fulfilled(promise_file_read_at(file, 0, 100000));
    size_t size;
    promise_as_bytes(v, &size);
    ck_assert_uint_eq(size, 100000);
    unref_file();
}
END_TEST

START_TEST(written_at_offsets) {
    put_text(path_of("a"), "0123456789");
    file = open_a(O_RDWR);
    is_done(promise_file_write_at(file, 2, promise_string("ab")));
    is_done(promise_file_write_at(file, 12, promise_bytes("cd", 2)));
    is_done(promise_file_write_at(file, 0, promise_bytes(NULL, 0)));
    reads(promise_file_read_at(file, 0, 10), "01ab456789");
    reads(promise_file_read_at(file, 12, 10), "cd");
    rejects_with(promise_file_write_at(file, 0, promise_int(1)), EINVAL, "promise_file_write_at: data is neither");
    rejects_with(promise_file_write_at(file, UINT64_MAX, promise_string("x")), EINVAL, "promise_file_write_at: offset is too");
    unref_file();
    file = open_a(O_RDONLY);
    rejects_with(promise_file_write_at(file, 0, promise_string("x")), EBADF, "write /tmp/");
    unref_file();
}
END_TEST

START_TEST(far_into_a_sparse_file) { /* more than 4 GiB */
    const uint64_t far = UINT64_C(5) << 30;
    const struct promise_stat *known;

    file = open_a(O_RDWR | O_CREAT);
    is_done(promise_file_truncate(file, far + 100));
    is_done(promise_file_write_at(file, far, promise_string("here")));
    reads(promise_file_read_at(file, far, 4), "here");
    known = promise_as_stat(fulfilled(promise_file_fstat(file)));
    ck_assert_uint_eq(known->size, far + 100);
    ck_assert_uint_lt(known->blocks, 1000000);
    is_done(promise_file_seek(file, far));
    reads(promise_file_read_next(file, 2), "he");
    reads(promise_file_read_next(file, 2), "re");
    unref_file();
}
END_TEST

START_TEST(truncated_and_synced) {
    put_text(path_of("a"), "0123456789");
    file = open_a(O_RDWR);
    is_done(promise_file_truncate(file, 3));
    file_is(path_of("a"), "012");
    is_done(promise_file_sync(file));
    is_done(promise_file_datasync(file));
    rejects_with(promise_file_truncate(file, UINT64_MAX), EINVAL, "promise_file_truncate: offset is too large");
    ck_assert(promise_stat_is_file(fulfilled(promise_file_fstat(file))));
    unref_file();
    file = open_a(O_RDONLY);
    rejects_with(promise_file_truncate(file, 1), EINVAL, "truncate /tmp/");
    unref_file();
    file = opened(promise_file_open(loop, "/dev/null", O_WRONLY, 0));
    rejects_with(promise_file_sync(file), EINVAL, "sync /dev/null: Invalid argument");
    unref_file();
}
END_TEST

/* ---- at the position ---- */

START_TEST(one_after_the_other) {
    file = open_a(O_RDWR | O_CREAT);
    is_done(promise_file_write_next(file, promise_string("hello ")));
    is_done(promise_file_write_next(file, promise_string("world")));
    reads_end(promise_file_read_next(file, 10));
    is_done(promise_file_seek(file, 0));
    reads(promise_file_read_next(file, 4), "hell");
    reads(promise_file_read_next(file, 4), "o wo");
    reads(promise_file_read_next(file, 4), "rld");
    reads_end(promise_file_read_next(file, 4));
    is_done(promise_file_write_next(file, promise_string("!")));
    file_is(path_of("a"), "hello world!");
    reads(promise_file_read_at(file, 0, 5), "hello"); /* not at the position */
    reads_end(promise_file_read_next(file, 4));
    rejects_with(promise_file_read_next(file, 0), EINVAL, "promise_file_read_next: size is 0");
    rejects_with(promise_file_write_next(file, promise_void()), EINVAL, "promise_file_write_next: data is neither");
    rejects_with(promise_file_seek(file, UINT64_MAX), EINVAL, "promise_file_seek: offset is too large");
    unref_file();
}
END_TEST

START_TEST(appended_to) {
    put_text(path_of("a"), "one ");
    file = open_a(O_WRONLY | O_APPEND);
    is_done(promise_file_write_next(file, promise_string("two ")));
    is_done(promise_file_write_next(file, promise_string("three")));
    file_is(path_of("a"), "one two three");
    unref_file();
}
END_TEST

/* None is waited for. */
START_TEST(in_the_order_of_the_calls) {
    promise_t *all[8];

    file = open_a(O_RDWR | O_CREAT);
    for (int i = 0; i < 100; i++) promise_unref(promise_file_write_next(file, promise_stringf("%d,", i % 10)));
    all[0] = promise_file_read_at(file, 0, 6);
    all[1] = promise_file_read_at(file, 194, 100);
    all[2] = promise_file_write_at(file, 0, promise_string("x"));
    all[3] = promise_file_read_at(file, 0, 2);
    all[4] = promise_file_seek(file, 0);
    all[5] = promise_file_read_next(file, 3);
    all[6] = promise_file_read_next(file, 3);
    all[7] = promise_file_close(file);
    promise_value_t v = fulfilled(promise_all(loop, 8, all));
    ck_assert_str_eq(promise_as_bytes(promise_list_get(v, 0), NULL), "0,1,2,");
    ck_assert_str_eq(promise_as_bytes(promise_list_get(v, 1), NULL), "7,8,9,");
    ck_assert_str_eq(promise_as_bytes(promise_list_get(v, 3), NULL), "x,");
    ck_assert_str_eq(promise_as_bytes(promise_list_get(v, 5), NULL), "x,1");
    ck_assert_str_eq(promise_as_bytes(promise_list_get(v, 6), NULL), ",2,");
    unref_file();
}
END_TEST

/* Two requests that only end when both are under way: one reads what the other, behind it, lets through. */
static promise_value_t got(promise_value_t v, void *fd) {
    (void)v;
    ck_assert_int_eq(write((int)(intptr_t)fd, "x", 1), 1);
    return promise_void();
}

START_TEST(requests_of_two_files_run_beside_each_other) {
    const char *path = fifo("fifo");
    promise_t *p = promise_file_open(loop, path, O_RDONLY, 0);
    int fd = fifo_writer(path);
    promise_file_t *slow = opened(p);

    put_text(path_of("a"), "hello");
    file = open_a(O_RDONLY);
    p = promise_file_read_next(slow, 10);
    fulfilled(promise_then(promise_file_read_at(file, 0, 5), got, (void *)(intptr_t)fd));
    reads(p, "x");
    close(fd);
    reads_end(promise_file_read_next(slow, 10));
    promise_file_unref(slow);
    unref_file();
}
END_TEST

/* ---- without a position ---- */

START_TEST(fifos_give_what_comes) {
    const char *path = fifo("fifo");
    promise_t *p = promise_file_open(loop, path, O_RDONLY, 0);
    int fd = fifo_writer(path);

    file = opened(p);
    ck_assert_int_eq(write(fd, "hello", 5), 5);
    reads(promise_file_read_next(file, 3), "hel");
    reads(promise_file_read_next(file, 1000000), "lo");
    rejects_with(promise_file_read_at(file, 0, 3), ESPIPE, "read /tmp/");
    rejects_with(promise_file_seek(file, 0), ESPIPE, "seek /tmp/");
    close(fd);
    reads_end(promise_file_read_next(file, 3));
    unref_file();
}
END_TEST

START_TEST(a_fifo_without_a_reader) {
    const char *path = fifo("fifo");
    int fd;

    rejects_with(promise_file_open(loop, path, O_WRONLY | O_NONBLOCK, 0), ENXIO, "open ");
    fd = open(path, O_RDONLY | O_NONBLOCK);
    file = opened(promise_file_open(loop, path, O_WRONLY, 0));
    is_done(promise_file_write_next(file, promise_string("x")));
    close(fd);
    rejects_with(promise_file_write_next(file, promise_string("x")), EPIPE, "write "); /* and no signal */
    unref_file();
}
END_TEST

/* ---- what files do meanwhile ---- */

START_TEST(a_file_that_grows_and_shrinks) {
    put_text(path_of("a"), "one");
    file = open_a(O_RDONLY);
    reads(promise_file_read_next(file, 10), "one");
    reads_end(promise_file_read_next(file, 10));
    put_text(path_of("a"), "one two");
    reads(promise_file_read_next(file, 10), " two"); /* the end is where the file has it now */
    put_text(path_of("a"), "");
    reads_end(promise_file_read_next(file, 10));
    unref_file();
}
END_TEST

START_TEST(a_limit_on_the_size_of_files) {
    limit_files();
    file = open_a(O_RDWR | O_CREAT);
    rejects_with(promise_file_write_at(file, LIMIT - 2, promise_string("zzzzzz")), EFBIG, "write /tmp/");
    reads(promise_file_read_at(file, LIMIT - 2, 10), "zz"); /* what fitted */
    rejects_with(promise_file_write_next(file, letters(LIMIT + 1)), EFBIG, "write /tmp/");
    reads(promise_file_read_next(file, 3), "abc"); /* the position has not moved */
    unref_file();
}
END_TEST

START_TEST(a_disk_that_is_full) {
    file = opened(promise_file_open(loop, "/dev/full", O_RDWR, 0));
    rejects_with(promise_file_write_at(file, 0, promise_string("x")), ENOSPC, "write /dev/full: No space left on device");
    rejects_with(promise_file_write_next(file, promise_string("x")), ENOSPC, "write /dev/full: No space left on device");
    unref_file();
}
END_TEST

/* ---- closing ---- */

START_TEST(after_a_close) {
    put_text(path_of("a"), "hello");
    file = open_a(O_RDWR);
    promise_t *p = promise_file_read_at(file, 0, 5), *closed = promise_file_close(file);
    rejects_closed(promise_file_read_at(file, 0, 1));
    rejects_closed(promise_file_write_at(file, 0, promise_string("x")));
    rejects_closed(promise_file_read_next(file, 1));
    rejects_closed(promise_file_write_next(file, promise_string("x")));
    rejects_closed(promise_file_seek(file, 0));
    rejects_closed(promise_file_sync(file));
    rejects_closed(promise_file_datasync(file));
    rejects_closed(promise_file_truncate(file, 0));
    rejects_closed(promise_file_fstat(file));
    reads(p, "hello"); /* it was asked for before */
    is_done(closed);
    unref_file();
    file_is(path_of("a"), "hello");
}
END_TEST

START_TEST(an_error_of_close_is_told) { /* of a descriptor that somebody else has closed */
    put_text(path_of("a"), "hello");
    file = open_a(O_RDONLY);
    close(promise_file_fd(file));
    rejects_with(promise_file_close(file), EBADF, "close /tmp/");
    rejects_with(promise_file_close(file), EBADF, "close /tmp/");
    unref_file();
}
END_TEST

/* ---- call by call ---- */

static promise_value_t collect(promise_value_t v, void *text) {
    size_t size;
    const char *bytes = promise_as_bytes(v, &size);

    strncat(text, bytes, size);
    strcat(text, "|");
    return promise_void();
}

static void all_are(promise_iterator_t *it, const char *expected) {
    char text[1024] = "";

    is_done(promise_each(it, 1, collect, text));
    ck_assert_str_eq(text, expected);
}

START_TEST(chunks) {
    put_text(path_of("a"), "0123456789");
    file = open_a(O_RDONLY);
    all_are(promise_file_chunks(file, 4), "0123|4567|89|");
    all_are(promise_file_chunks(file, 4), ""); /* all that is left */
    is_done(promise_file_seek(file, 8));
    all_are(promise_file_chunks(file, 100), "89|");
    promise_iterator_t *it = promise_file_chunks(file, 0);
    rejects_with(promise_next(it), EINVAL, "promise_file_chunks: size is 0");
    promise_iterator_close(it);
    unref_file();
}
END_TEST

START_TEST(chunks_hold_the_file) {
    promise_iterator_t *it;

    put_text(path_of("a"), "0123456789");
    file = open_a(O_RDONLY);
    it = promise_file_chunks(file, 4);
    unref_file();
    fulfilled(promise_from(loop, promise_void()));
    reads(promise_next(it), "0123");
    promise_iterator_close(it);
}
END_TEST

static void lines_are(const char *text, size_t max, const char *expected) {
    put_text(path_of("a"), text);
    file = open_a(O_RDONLY);
    all_are(promise_file_lines(file, max), expected);
    unref_file();
}

START_TEST(lines) {
    lines_are("one\ntwo\r\n\nlast", 10, "one|two||last|");
    lines_are("one\n", 3, "one|");
    lines_are("one\r\n", 3, "one|");
    lines_are("", 3, "");
    lines_are("\n", 3, "|");
    lines_are("a\rb\n\r", 3, "a\rb|\r|");
}
END_TEST

START_TEST(a_line_that_is_too_long) {
    promise_iterator_t *it;

    put_text(path_of("a"), "one\nfour\nfive");
    file = open_a(O_RDONLY);
    it = promise_file_lines(file, 3);
    reads(promise_next(it), "one");
    rejects_with(promise_next(it), EMSGSIZE, "read /tmp/");
    reads_end(promise_next(it));
    promise_iterator_close(it);
    is_done(promise_file_seek(file, 9));
    it = promise_file_lines(file, 3);
    rejects_with(promise_next(it), EMSGSIZE, "read /tmp/"); /* without its newline too */
    promise_iterator_close(it);
    it = promise_file_lines(file, 0);
    rejects_with(promise_next(it), EINVAL, "promise_file_lines: max is 0");
    promise_iterator_close(it);
    unref_file();
}
END_TEST

static promise_value_t add(promise_value_t v, void *total) {
    size_t size;

    ck_assert(promise_is(v, &promise_type_string));
    promise_as_bytes(v, &size);
    ck_assert_uint_eq(size, *(size_t *)total % 300);
    ++*(size_t *)total;
    return promise_void();
}

START_TEST(many_lines) { /* over the ends of what is read at once */
    enum { MANY = 3000 };
    char *text = malloc(MANY * 301);
    size_t size = 0, total = 0;

    for (size_t i = 0; i < MANY; i++) {
        memset(text + size, 0, i % 300);
        size += i % 300;
        text[size++] = '\n';
    }
    put_file(path_of("a"), text, size);
    free(text);
    file = open_a(O_RDONLY);
    is_done(promise_each(promise_file_lines(file, 299), 1, add, &total));
    ck_assert_uint_eq(total, MANY);
    unref_file();
}
END_TEST

/* ---- misuse ---- */

static void read_null(void *arg) {
    (void)arg;
    promise_unref(promise_file_read_at(NULL, 0, 1));
}
static void lines_of_null(void *arg) {
    (void)arg;
    promise_iterator_close(promise_file_lines(NULL, 1));
}
static void as_file(void *arg) {
    (void)arg;
    promise_as_file(promise_int(1));
}
static void as_stat(void *arg) {
    (void)arg;
    promise_as_stat(promise_int(1));
}

static void stat_is_file(void *arg) {
    (void)arg;
    (void)promise_stat_is_file(promise_int(1));
}

START_TEST(misused) {
    promise_value_t v = promise_file_value(NULL);

    ck_assert_str_eq(promise_error_message(v), "promise_file_value: file is NULL: Invalid argument");
    promise_value_clear(&v);
    promise_file_unref(NULL);
    test_assert_stops(read_null, NULL, "promise_file_read_at: the file is NULL");
    test_assert_stops(lines_of_null, NULL, "the file is NULL");
    test_assert_stops(as_file, NULL, "promise_as_file: expected file, got int");
    test_assert_stops(as_stat, NULL, "promise_as_stat: expected stat, got int");
    test_assert_stops(stat_is_file, NULL, "promise_stat_is_file: expected stat, got int");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("file_open");
    TCase *t = tcase_create("file_open");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_add_test(t, opened_and_closed);
    tcase_add_test(t, the_last_reference_closes);
    tcase_add_test(t, of_a_descriptor);
    tcase_add_test(t, read_at_offsets);
    tcase_add_test(t, written_at_offsets);
    tcase_add_test(t, far_into_a_sparse_file);
    tcase_add_test(t, truncated_and_synced);
    tcase_add_test(t, one_after_the_other);
    tcase_add_test(t, appended_to);
    tcase_add_test(t, in_the_order_of_the_calls);
    tcase_add_test(t, requests_of_two_files_run_beside_each_other);
    tcase_add_test(t, fifos_give_what_comes);
    tcase_add_test(t, a_fifo_without_a_reader);
    tcase_add_test(t, a_file_that_grows_and_shrinks);
    tcase_add_test(t, a_limit_on_the_size_of_files);
    tcase_add_test(t, a_disk_that_is_full);
    tcase_add_test(t, after_a_close);
    tcase_add_test(t, an_error_of_close_is_told);
    tcase_add_test(t, chunks);
    tcase_add_test(t, chunks_hold_the_file);
    tcase_add_test(t, lines);
    tcase_add_test(t, a_line_that_is_too_long);
    tcase_add_test(t, many_lines);
    tcase_add_test(t, misused);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
