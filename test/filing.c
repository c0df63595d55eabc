#include "filing.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
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

void gives(promise_t *p, const char *text) {
    promise_value_t v = fulfilled(p);
    size_t size;

    ck_assert_str_eq(promise_as_bytes(v, &size), text);
    ck_assert_uint_eq(size, strlen(text));
}
void gives_end(promise_t *p) { ck_assert(promise_is_end(fulfilled(p))); }
void gives_void(promise_t *p) { ck_assert(promise_is_void(fulfilled(p))); }

promise_file_t *opened(promise_t *p) { return promise_file_ref(promise_as_file(fulfilled(p))); }

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
        if (loop) gives(holders[i], "");
        else promise_unref(holders[i]);
}

/* ---- what threads end by themselves ---- */

void until_fds(size_t fds) {
    while (open_fds() != fds) sched_yield();
}

void until_live(size_t blocks) {
    while (test_alloc_live() != blocks) sched_yield();
}
