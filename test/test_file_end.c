/* Files that are cancelled, closed and freed at each state (K1-K6, J5, R14, O2), and memory that runs out. */
#include "filing.h"

#include <fcntl.h>
#include <promise/work.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static promise_file_t *file;

static promise_file_t *open_a(int flags) { return opened(promise_file_open(loop, path_of("a"), flags, 0666)); }

/* A FIFO that is its own writer: who reads it waits until the test writes into fd, or for ever. */
static int open_fifo(void) {
    const char *path = fifo("fifo");

    file = opened(promise_file_open(loop, path, O_RDWR, 0));
    return fifo_writer(path);
}

static void unref_file(void) {
    promise_file_unref(file);
    file = NULL;
}

static void say(int fd, const char *text) { ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text)); }

static void was_canceled(promise_t *p) { ck_assert(promise_is_canceled(rejected(p))); }

/* Cancels p, which somebody else looks at too. */
static void cancel_and_see(promise_t *p) {
    promise_cancel(promise_ref(p));
    was_canceled(p);
}

/* ---- by path ---- */

START_TEST(K2_what_has_not_begun_is_not_done) {
    promise_t *p[3];

    hold_threads();
    p[0] = promise_file_write(loop, path_of("a"), promise_string("x"));
    p[1] = promise_file_open(loop, path_of("b"), O_CREAT | O_WRONLY, 0666);
    p[2] = promise_directory_make(loop, path_of("c"), 0777);
    ck_assert_uint_eq(promise_pool_waiting(promise_pool_for_files()), 3);
    for (int i = 0; i < 3; i++) cancel_and_see(p[i]);
    ck_assert_uint_eq(promise_pool_waiting(promise_pool_for_files()), 0);
    let_threads_go();
    threads_idle();
    ck_assert(!exists(path_of("a")) && !exists(path_of("b")) && !exists(path_of("c")));
}
END_TEST

START_TEST(K2_what_an_open_has_opened_is_closed) {
    const char *path = fifo("fifo");
    promise_t *p = promise_file_open(loop, path, O_RDONLY, 0);
    size_t fds;
    int fd;

    until_running(1); /* it waits for a writer */
    cancel_and_see(p);
    fds = open_fds();
    fd = fifo_writer(path);
    threads_idle();
    ck_assert_uint_eq(open_fds(), fds + 1);
    close(fd);
    put_text(path_of("a"), "");
    p = promise_file_open(loop, path_of("a"), O_RDONLY, 0);
    until_running(0); /* it is open, and the loop has not heard of it */
    ck_assert_uint_eq(open_fds(), fds + 1);
    promise_cancel(p);
    promise_loop_run(loop, NULL, NULL);
    ck_assert_uint_eq(open_fds(), fds);
}
END_TEST

START_TEST(K4_what_was_dropped_is_done) {
    promise_unref(promise_file_write(loop, path_of("a"), promise_string("x")));
    promise_loop_run(loop, NULL, NULL); /* J3 */
    file_is(path_of("a"), "x");
}
END_TEST

START_TEST(K5_a_timeout_gives_up) {
    const char *path = fifo("fifo");
    promise_t *p = promise_timeout(promise_file_read(loop, path), 10);

    ck_assert(promise_is_timeout(rejected(p)));
    close(fifo_writer(path)); /* the thread is free again */
    threads_idle();
}
END_TEST

static promise_value_t add_one(promise_value_t v, void *arg) {
    (void)arg;
    return promise_int(promise_as_int(v) + 1);
}

START_TEST(R14_files_that_hang_hold_up_nobody_else) {
    hold_threads();
    ck_assert_int_eq(promise_as_int(fulfilled(promise_work(loop, NULL, add_one, promise_int(1)))), 2);
    let_threads_go();
}
END_TEST

/* ---- an open file: K6 ---- */

START_TEST(K6_a_read_that_waits_is_cancelled) {
    promise_t *p;

    put_text(path_of("a"), "hello");
    file = open_a(O_RDONLY);
    hold_threads();
    p = promise_file_read_next(file, 3);
    cancel_and_see(p);
    let_threads_go();
    reads(promise_file_read_next(file, 3), "hel");
    p = promise_file_read_next(file, 3);
    until_running(0); /* it is done, and the loop has not heard of it */
    cancel_and_see(p);
    reads(promise_file_read_next(file, 3), "lo");
    unref_file();
}
END_TEST

START_TEST(K6_a_read_of_a_fifo_that_runs_is_cancelled) {
    int fd = open_fifo();
    promise_t *p = promise_file_read_next(file, 100), *next;

    until_running(1);
    cancel_and_see(p);
    next = promise_file_read_next(file, 3); /* waits for that one, which has a thread still */
    say(fd, "hello");
    reads(next, "hel"); /* what came for it, when nobody wanted it */
    reads(promise_file_read_next(file, 100), "lo");
    next = promise_file_read_next(file, 100);
    say(fd, "x");
    reads(next, "x");
    close(fd);
    unref_file();
}
END_TEST

START_TEST(K6_lines_and_chunks) {
    promise_iterator_t *it;
    int fd = open_fifo();

    it = promise_file_lines(file, 100);
    promise_t *p = promise_next(it);
    promise_loop_turn(loop);
    until_running(1);
    cancel_and_see(p);
    say(fd, "one\ntw");
    reads(promise_next(it), "one");
    p = promise_next(it);
    promise_loop_turn(loop);
    promise_cancel(p);
    say(fd, "o\n");
    reads(promise_next(it), "two");
    promise_iterator_close(it);
    it = promise_file_chunks(file, 2);
    p = promise_next(it);
    promise_loop_turn(loop);
    until_running(1);
    promise_cancel(p);
    say(fd, "abc");
    reads(promise_next(it), "ab");
    reads(promise_next(it), "c");
    promise_iterator_close(it);
    close(fd);
    unref_file();
}
END_TEST

START_TEST(K6_without_memory_what_was_kept_stays) {
    int fd = open_fifo();
    promise_t *p = promise_file_read_next(file, 100);

    until_running(1);
    promise_cancel(p);
    say(fd, "hello");
    until_running(0);
    promise_loop_turn(loop);
    reads(promise_file_read_next(file, 2), "he");
    for (size_t n = 1;; n++) {
        test_alloc_fail_at(n);
        p = promise_file_read_next(file, 100);
        bool failed = test_alloc_failed();
        test_alloc_fail_at(0);
        if (!failed) break;
        rejects_with(p, ENOMEM, "out of memory");
    }
    reads(p, "llo");
    close(fd);
    unref_file();
}
END_TEST

START_TEST(K2_a_write_that_waits_is_not_done) {
    int fd = open_fifo();
    promise_t *p = promise_file_read_next(file, 100), *queued = promise_file_write_next(file, promise_string("not this"));

    until_running(1);
    cancel_and_see(queued);
    say(fd, "x");
    reads(p, "x");
    p = promise_file_read_next(file, 100);
    say(fd, "y");
    reads(p, "y");
    close(fd);
    unref_file();
}
END_TEST

START_TEST(a_cancel_lets_those_behind_it_go_on) {
    promise_t *two[2], *p;

    put_text(path_of("a"), "hello");
    file = open_a(O_RDWR);
    hold_threads();
    two[0] = promise_file_read_at(file, 0, 1);
    p = promise_file_truncate(file, 0); /* keeps the two apart */
    two[1] = promise_file_read_at(file, 1, 1);
    ck_assert_uint_eq(promise_pool_waiting(promise_pool_for_files()), 1);
    promise_cancel(p);
    ck_assert_uint_eq(promise_pool_waiting(promise_pool_for_files()), 2); /* they may go together */
    let_threads_go();
    reads(two[0], "h");
    reads(two[1], "e");
    hold_threads();
    two[0] = promise_file_truncate(file, 1);
    two[1] = promise_file_truncate(file, 3);
    p = promise_file_fstat(file);
    ck_assert_uint_eq(promise_pool_waiting(promise_pool_for_files()), 1);
    promise_cancel(two[1]);
    let_threads_go();
    is_done(two[0]);
    ck_assert_uint_eq(promise_as_stat(fulfilled(p))->size, 1);
    unref_file();
}
END_TEST

/* ---- closing ---- */

START_TEST(a_close_waits_for_what_was_asked_for_before) {
    int fd = open_fifo(), number = promise_file_fd(file);
    promise_t *p = promise_file_read_next(file, 100), *kept = promise_file_read_next(file, 100),
              *closed = promise_file_close(file);

    until_running(1);
    promise_loop_turn(loop);
    ck_assert_int_eq(promise_get_state(closed), PROMISE_PENDING);
    ck_assert_int_ge(fcntl(number, F_GETFD), 0);
    promise_cancel(p); /* one that has a thread is waited for all the same */
    promise_loop_turn(loop);
    ck_assert_int_eq(promise_get_state(closed), PROMISE_PENDING);
    ck_assert_int_ge(fcntl(number, F_GETFD), 0);
    say(fd, "x");
    reads(kept, "x");
    is_done(closed);
    ck_assert_int_lt(fcntl(number, F_GETFD), 0);
    close(fd);
    unref_file();
}
END_TEST

START_TEST(a_cancelled_close_closes) {
    put_text(path_of("a"), "hello");
    for (int state = 0; state < 3; state++) { /* waits for another request, for a thread, has it behind it */
        size_t fds;
        promise_t *read;
        file = open_a(O_RDONLY);
        fds = open_fds();
        read = state == 0 ? promise_file_read_at(file, 0, 1) : NULL;
        if (state == 1) hold_threads();
        promise_t *p = promise_file_close(file);
        if (state == 2) until_running(0);
        cancel_and_see(p);
        if (state == 1) let_threads_go();
        is_done(promise_file_close(file)); /* the outcome of the first */
        ck_assert_uint_eq(open_fds(), fds - 1);
        if (read) reads(read, "h");
        unref_file();
    }
}
END_TEST

/* ---- the end of the loop ---- */

START_TEST(J5_the_loop_goes_with_what_waits_and_what_runs) {
    int fd = open_fifo();
    promise_t *p[6];

    p[0] = promise_file_read_next(file, 100);
    until_running(1);
    p[1] = promise_file_write_next(file, promise_string("x"));
    p[2] = promise_file_close(file);
    p[3] = promise_file_read(loop, path_of("fifo"));
    p[4] = promise_file_open(loop, path_of("fifo"), O_RDONLY, 0);
    p[5] = promise_file_replace(loop, path_of("other"), promise_string("x"));
    promise_loop_free(loop);
    loop = NULL;
    for (int i = 0; i < 6; i++) {
        ck_assert(promise_is_canceled(promise_peek(p[i])));
        promise_unref(p[i]);
    }
    p[0] = promise_file_read_at(file, 0, 1);
    ck_assert_int_eq(promise_get_state(p[0]), PROMISE_REJECTED);
    promise_unref(p[0]);
    ck_assert_int_eq(promise_file_fd(file), -1);
    unref_file();
    say(fd, "hello");
    close(fd);
    while (promise_pool_running(promise_pool_for_files())) { /* those that open it wait for a writer */
        fd = open(path_of("fifo"), O_WRONLY | O_NONBLOCK);
        if (fd >= 0) close(fd);
    }
    threads_idle();
}
END_TEST

START_TEST(J5_an_open_file_is_closed_with_the_loop) {
    put_text(path_of("a"), "hello");
    file = open_a(O_RDONLY);
    fulfilled(promise_from(loop, promise_void()));
    promise_loop_free(loop);
    loop = NULL;
    ck_assert_int_eq(promise_file_fd(file), -1);
    promise_t *p = promise_file_close(file);
    ck_assert(promise_is_canceled(promise_peek(p)));
    promise_unref(p);
    unref_file(); /* and net_close: no descriptor is left */
}
END_TEST

static promise_value_t when_cancelled(promise_value_t v, void *arg) {
    promise_file_t *f = arg;
    promise_t *p = promise_file_open(NULL, "/dev/null", O_RDONLY, 0);

    promise_unref(promise_file_read_at(f, 0, 1));
    promise_unref(promise_file_close(f));
    promise_unref(p);
    p = promise_file_read(promise_loop_current(), "/dev/null");
    ck_assert(promise_is_canceled(promise_peek(p)));
    promise_unref(p);
    file = promise_file_new(promise_loop_current(), open("/dev/null", O_RDONLY)); /* closed */
    ck_assert_int_eq(promise_file_fd(file), -1);
    unref_file();
    return v;
}

START_TEST(J5_handlers_ask_for_more_while_the_loop_goes) {
    promise_t *p;

    put_text(path_of("a"), "hello");
    file = open_a(O_RDONLY);
    p = promise_catch(promise_sleep(loop, 100000), when_cancelled, file);
    promise_unref(promise_attach(p, file, promise_file_unref));
    fulfilled(promise_from(loop, promise_void()));
    promise_loop_free(loop);
    loop = NULL;
}
END_TEST

/* ---- the end of the threads ---- */

/* A thread that nobody waits for ends by itself. */
static void until_fds(size_t fds) {
    while (open_fds() != fds) sched_yield();
}

START_TEST(the_threads_are_given_up) {
    int fd = open_fifo();
    promise_t *p = promise_file_read_next(file, 100), *queued = promise_file_write_next(file, promise_string("x"));

    until_running(1);
    ck_assert_uint_eq(promise_pool_shutdown(0), 1);
    rejects_closed(p);
    rejects_closed(queued); /* what the thread is at cannot be shared with it */
    rejects_closed(promise_file_close(file));
    ck_assert_int_eq(promise_file_fd(file), -1);
    unref_file();
    reads(promise_file_read(loop, "/dev/null"), ""); /* with new ones */
    fulfilled(promise_from(loop, promise_void()));
    size_t fds = open_fds();
    say(fd, "x"); /* the thread closes its end */
    close(fd);
    until_fds(fds - 2);
}
END_TEST

/* ---- memory ---- */

static promise_value_t nothing(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}
static void drop(promise_t *p) { promise_unref(promise_catch(p, nothing, NULL)); }

static promise_value_t use(promise_value_t v, void *arg) {
    promise_file_t *f = promise_as_file(v);
    promise_t *p[7];

    (void)arg;
    p[0] = promise_file_write_next(f, promise_string("one\ntwo\n"));
    p[1] = promise_file_seek(f, 0);
    p[2] = promise_file_read_next(f, 4);
    p[3] = promise_file_read_at(f, 0, 4);
    p[4] = promise_file_fstat(f);
    p[5] = promise_file_sync(f);
    p[6] = promise_file_close(f);
    return promise_adopt(promise_all(NULL, 7, p));
}

static promise_value_t read_lines(promise_value_t v, void *arg) {
    promise_file_t *f = promise_as_file(v);
    promise_t *p[2] = {promise_map(promise_file_lines(f, 10), 1, same, NULL),
                       promise_map(promise_file_chunks(f, 3), 1, same, NULL)};

    (void)arg;
    return promise_adopt(promise_all(NULL, 2, p));
}

static promise_t *open_and_use(void) {
    return promise_then(promise_file_open(loop, path_of("a"), O_RDWR | O_CREAT, 0666), use, NULL);
}
static promise_t *by_lines(void) { return promise_then(promise_file_open(loop, path_of("a"), O_RDWR, 0), read_lines, NULL); }
static promise_t *from_descriptor(void) {
    promise_file_t *f = promise_file_new(loop, open("/dev/null", O_RDONLY));
    promise_t *p = promise_file_read_at(f, 0, 1);

    drop(promise_file_fstat(f));
    if (promise_file_fd(f) >= 0) ck_assert_ptr_eq(promise_file_loop(f), loop);
    drop(promise_file_seek(f, 0));
    promise_iterator_close(promise_file_lines(f, 1));
    promise_iterator_close(promise_file_chunks(f, 1));
    drop(promise_file_close(promise_file_ref(f)));
    promise_file_unref(f);
    promise_file_unref(f);
    return p;
}
static promise_t *whole(void) { return promise_file_read(loop, path_of("large")); }
static promise_t *proc(void) { return promise_file_read(loop, "/proc/self/maps"); }
static promise_t *replace(void) { return promise_file_replace(loop, path_of("b"), promise_string("x")); }
static promise_t *copied(void) {
    promise_value_t kept = promise_void();
    promise_t *p;

    promise_value_set(&kept, promise_string("x"));
    p = promise_is_rejection(kept) ? promise_from(loop, kept) : promise_file_append(loop, path_of("b"), kept);
    promise_value_clear(&kept);
    return p;
}
static promise_t *known(void) { return promise_file_stat(loop, path_of("a")); }
static promise_t *real(void) { return promise_file_realpath(loop, path_of("a")); }
static promise_t *value_of(void) {
    return promise_from(loop, promise_file_value(promise_file_new(loop, open("/dev/null", O_RDONLY))));
}

START_TEST(O2_each_allocation) {
    promise_t *(*const works[])(void) = {open_and_use, by_lines, from_descriptor, whole, proc,
                                         replace,      copied,   known,           real,  value_of};

    put_file(path_of("large"), promise_as_bytes(fulfilled(promise_from(loop, letters(100000))), NULL), 100000);
    fulfilled(promise_from(loop, promise_void()));
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) each_file_allocation(works[i]);
    ck_assert(!exists(path_of("none")));
}
END_TEST

/* ---- at random ---- */

enum { FILE_SIZE = 64, STEPS = 40 };

/* What the calls do, in their order, to a model in memory; and what each read must give. */
struct model {
    char bytes[FILE_SIZE * 2];
    size_t size, position;
};

static void model_write(struct model *m, size_t offset, const char *text) {
    size_t end = offset + strlen(text);

    if (end > m->size) {
        memset(m->bytes + m->size, 0, end - m->size);
        m->size = end;
    }
    memcpy(m->bytes + offset, text, strlen(text));
}

static promise_value_t expect_read(const struct model *m, size_t offset, size_t size) {
    if (offset >= m->size) return promise_end();
    return promise_bytes(m->bytes + offset, size < m->size - offset ? size : m->size - offset);
}

static promise_value_t check_read(promise_value_t v, void *arg) {
    promise_value_t *expected = arg;
    size_t size, wanted;

    ck_assert_int_eq(promise_is_end(v), promise_is_end(*expected));
    if (promise_is_end(v)) return v;
    promise_as_bytes(*expected, &wanted);
    promise_as_bytes(v, &size);
    ck_assert_uint_eq(size, wanted);
    ck_assert_mem_eq(promise_as_bytes(v, NULL), promise_as_bytes(*expected, NULL), size);
    return promise_void();
}

static promise_t *random_step(struct model *m, promise_value_t *expected) {
    size_t offset = draw(FILE_SIZE), size = 1 + draw(20);
    char text[32] = "";

    for (size_t i = 0; i < size; i++) text[i] = (char)('a' + draw(26));
    switch (draw(6)) {
    case 0: model_write(m, offset, text); return promise_file_write_at(file, offset, promise_string(text));
    case 1:
        if (m->position > FILE_SIZE) break;
        model_write(m, m->position, text);
        m->position += size;
        return promise_file_write_next(file, promise_string(text));
    case 2: m->position = offset; return promise_file_seek(file, offset);
    case 3:
        if (offset > m->size) memset(m->bytes + m->size, 0, offset - m->size);
        m->size = offset;
        return promise_file_truncate(file, offset);
    case 4:
        *expected = expect_read(m, m->position, size);
        if (!promise_is_end(*expected)) m->position += size < m->size - m->position ? size : m->size - m->position;
        return promise_then(promise_file_read_next(file, size), check_read, expected);
    default: break;
    }
    *expected = expect_read(m, offset, size);
    return promise_then(promise_file_read_at(file, offset, size), check_read, expected);
}

static void like_a_model(uint64_t seed) {
    promise_value_t expected[STEPS] = {{0}};
    promise_t *all[STEPS];
    struct model m = {.size = 0};

    (void)seed;
    file = open_a(O_RDWR | O_CREAT | O_TRUNC);
    for (int i = 0; i < STEPS; i++) {
        all[i] = random_step(&m, &expected[i]);
        if (!draw(8)) promise_loop_turn(loop);
    }
    fulfilled(promise_all(loop, STEPS, all));
    for (int i = 0; i < STEPS; i++) promise_value_clear(&expected[i]);
    unref_file();
}

START_TEST(in_the_order_of_the_calls_at_random) { test_seeds(like_a_model, 200); }
END_TEST

/* Cancels, closes, last references and the loop's end at any time: nothing is left, nobody waits for ever. */
static void anything(uint64_t seed) {
    promise_file_t *files[3];
    promise_t *pending[20];
    int count = 0;

    (void)seed;
    for (int i = 0; i < 3; i++) files[i] = open_a(O_RDWR | O_CREAT);
    for (int i = 0; i < 60; i++) {
        promise_file_t *f = files[draw(3)];
        promise_t *p;
        switch (draw(9)) {
        case 0: p = promise_file_read_at(f, draw(10), 5); break;
        case 1: p = promise_file_write_at(f, draw(10), promise_string("text")); break;
        case 2: p = promise_file_read_next(f, 5); break;
        case 3: p = promise_file_write_next(f, promise_string("text")); break;
        case 4: p = promise_file_fstat(f); break;
        case 5: p = promise_file_read(loop, path_of("a")); break;
        case 6: p = promise_file_open(loop, path_of("a"), O_RDONLY, 0); break;
        case 7: p = draw(10) ? promise_file_seek(f, 0) : promise_file_close(f); break;
        default: p = promise_directory_list(loop, path_of("")); break;
        }
        promise_unref(p);
        if (count < 20) pending[count++] = promise_file_read_next(f, 3);
        if (!draw(4)) promise_cancel(pending[--count]);
        if (!draw(5)) promise_loop_turn(loop);
    }
    while (count) promise_cancel(pending[--count]);
    for (int i = 0; i < 3; i++) promise_file_unref(files[i]);
}

static void quiet(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

static void on_a_loop_of_its_own(uint64_t seed) {
    promise_loop_t *outer = loop;

    loop = promise_loop_new(NULL);
    promise_loop_on_unhandled(loop, quiet, NULL);
    anything(seed);
    if (seed % 2) promise_loop_run(loop, NULL, NULL);
    fulfilled(promise_from(loop, promise_void()));
    promise_loop_free(loop);
    loop = outer;
}

START_TEST(K1_J5_anything_at_any_time) { test_seeds(on_a_loop_of_its_own, 100); }
END_TEST

int main(void) {
    Suite *suite = suite_create("file_end");
    TCase *t = tcase_create("file_end");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_add_test(t, K2_what_has_not_begun_is_not_done);
    tcase_add_test(t, K2_what_an_open_has_opened_is_closed);
    tcase_add_test(t, K4_what_was_dropped_is_done);
    tcase_add_test(t, K5_a_timeout_gives_up);
    tcase_add_test(t, R14_files_that_hang_hold_up_nobody_else);
    tcase_add_test(t, K6_a_read_that_waits_is_cancelled);
    tcase_add_test(t, K6_a_read_of_a_fifo_that_runs_is_cancelled);
    tcase_add_test(t, K6_lines_and_chunks);
    tcase_add_test(t, K6_without_memory_what_was_kept_stays);
    tcase_add_test(t, K2_a_write_that_waits_is_not_done);
    tcase_add_test(t, a_cancel_lets_those_behind_it_go_on);
    tcase_add_test(t, a_close_waits_for_what_was_asked_for_before);
    tcase_add_test(t, a_cancelled_close_closes);
    tcase_add_test(t, J5_the_loop_goes_with_what_waits_and_what_runs);
    tcase_add_test(t, J5_an_open_file_is_closed_with_the_loop);
    tcase_add_test(t, J5_handlers_ask_for_more_while_the_loop_goes);
    tcase_add_test(t, the_threads_are_given_up);
    tcase_add_test(t, O2_each_allocation);
    tcase_add_test(t, in_the_order_of_the_calls_at_random);
    tcase_add_test(t, K1_J5_anything_at_any_time);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
