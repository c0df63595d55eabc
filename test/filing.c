#include "filing.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS = 4 }; /* that files have */

const char *path_of(const char *name) {
    static char paths[16][128];
    static unsigned next;
    char *path = paths[next++ % 16];

    snprintf(path, sizeof paths[0], "%s", in_folder(name));
    return path;
}

void put_file(const char *path, const void *bytes, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    ck_assert_int_eq(close(fd), 0);
}

void put_text(const char *path, const char *text) { put_file(path, text, strlen(text)); }

void file_is(const char *path, const char *text) {
    char bytes[4096];
    int fd = open(path, O_RDONLY);
    ssize_t size;

    ck_assert_int_ge(fd, 0);
    size = read(fd, bytes, sizeof bytes - 1);
    ck_assert_int_ge(size, 0);
    bytes[size] = 0;
    close(fd);
    ck_assert_str_eq(bytes, text);
}

bool exists(const char *path) {
    struct stat s;
    return lstat(path, &s) == 0;
}

void reads(promise_t *p, const char *text) {
    promise_value_t v = fulfilled(p);
    size_t size;

    ck_assert_str_eq(promise_as_bytes(v, &size), text);
    ck_assert_uint_eq(size, strlen(text));
}
void reads_end(promise_t *p) { ck_assert(promise_is_end(fulfilled(p))); }
void is_done(promise_t *p) { ck_assert(promise_is_void(fulfilled(p))); }

promise_file_t *opened(promise_t *p) { return promise_file_ref(promise_as_file(fulfilled(p))); }

void limit_files(void) {
    const struct rlimit limit = {LIMIT, RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

promise_value_t letters(size_t size) {
    char *text = malloc(size + 1);

    for (size_t i = 0; i < size; i++) text[i] = (char)('a' + i % 26);
    text[size] = 0;
    return promise_string_take(text);
}

/* ---- FIFOs ---- */

const char *fifo(const char *name) {
    const char *path = path_of(name);

    ck_assert_int_eq(mkfifo(path, 0600), 0);
    return path;
}

int fifo_writer(const char *path) {
    int fd;

    while ((fd = open(path, O_WRONLY | O_NONBLOCK)) < 0) {
        ck_assert_int_eq(errno, ENXIO);
        sched_yield();
    }
    return fd;
}

static promise_t *holders[THREADS];
static int writers[THREADS];

void hold_threads(void) {
    char name[32];

    for (int i = 0; i < THREADS; i++) {
        snprintf(name, sizeof name, "holder-%d", i);
        const char *path = path_of(name);
        if (!exists(path)) path = fifo(name);
        holders[i] = promise_file_read(loop, path);
        writers[i] = fifo_writer(path);
    }
}

void let_threads_go(void) {
    for (int i = 0; i < THREADS; i++) close(writers[i]);
    for (int i = 0; i < THREADS; i++)
        if (loop) reads(holders[i], "");
        else promise_unref(holders[i]);
}

/* ---- threads ---- */

void threads_idle(void) { ck_assert_uint_eq(promise_pool_shutdown(UINT64_MAX), 0); }

void until_running(size_t count) {
    promise_pool_t *pool = promise_pool_for_files();

    while (promise_pool_running(pool) != count || promise_pool_waiting(pool)) sched_yield();
}

void files_open(void) { net_open(); }

void files_close(void) {
    if (loop) promise_loop_free(loop);
    loop = NULL;
    threads_idle();
    net_close();
}

void each_file_allocation(promise_t *(*work)(void)) { ck_assert_uint_gt(each_allocation(work, threads_idle), 2); }

promise_value_t same(promise_value_t v, void *arg) {
    (void)arg;
    return v;
}
