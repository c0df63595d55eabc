#include "net.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static size_t fds_before;
static promise_value_t outcome;
static char folder[64];

size_t open_fds(void) {
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir)) count++;
    closedir(dir);
    return count - 3; /* ".", "..", and its own */
}

/* Cases run several promises one after the other: that one was rejected before its turn is nothing. */
static void ignore(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

void net_open(void) {
    fds_before = open_fds();
    open_loop(0);
    promise_loop_on_unhandled(loop, ignore, NULL);
}

void net_close(void) {
    char command[sizeof folder + 16];

    promise_value_clear(&outcome);
    if (loop) promise_loop_free(loop);
    ck_assert_uint_eq(test_alloc_live(), live);
    ck_assert_uint_eq(open_fds(), fds_before);
    if (!*folder) return;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

promise_value_t fulfilled(promise_t *p) {
    int status = promise_loop_run(loop, p, &outcome);

    ck_assert_msg(status == 0, "rejected: %s", promise_error_message(outcome));
    return outcome;
}

promise_value_t rejected(promise_t *p) {
    ck_assert_int_eq(promise_loop_run(loop, p, &outcome), -1);
    return outcome;
}

void rejects_with(promise_t *p, int error, const char *text) {
    promise_value_t v = rejected(p);

    ck_assert_msg(promise_error_is(v, &promise_errno_errors, error) &&
                      strncmp(promise_error_message(v), text, strlen(text)) == 0,
                  "expected errno %d and \"%s\", got: %s", error, text, promise_error_message(v));
}

void rejects_closed(promise_t *p) {
    promise_value_t v = rejected(p);
    ck_assert_msg(promise_error_is(v, &promise_errors, PROMISE_ECLOSED), "expected closed, got: %s", promise_error_message(v));
}

void turn(unsigned n) {
    while (n--) promise_loop_turn(loop);
}

void turn_until(bool (*fn)(void *arg), void *arg) {
    while (!fn(arg)) promise_loop_turn(loop);
}

struct promise_address local_address(uint16_t port) {
    struct promise_address address;

    ck_assert_int_eq(promise_address_parse(&address, "127.0.0.1", port), 0);
    return address;
}

int peer_bind(int type, struct promise_address *address) {
    int fd = socket(AF_INET, type, 0);

    *address = local_address(0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address->storage, address->size), 0);
    ck_assert_int_eq(promise_address_local(address, fd), 0);
    return fd;
}

int peer_connect(const struct promise_address *address) {
    int fd = socket(address->storage.ss_family, SOCK_STREAM, 0), error;

    ck_assert_int_ge(fd, 0);
    if (connect(fd, (const struct sockaddr *)&address->storage, address->size) == 0) return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

const char *in_folder(const char *name) {
    static char path[sizeof folder + 64];

    if (!*folder) {
        snprintf(folder, sizeof folder, "%s", "/tmp/libpromise-test-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* ---- memory that runs out ---- */

enum { MOST = 20000 };
static promise_t *held[MOST];
static size_t held_count;

/* Holds promises until another one needs memory. */
static void fill_slab(void) {
    test_alloc_fail_from(1);
    for (held_count = 0; !test_alloc_failed(); held_count++) {
        ck_assert_uint_lt(held_count, MOST);
        held[held_count] = promise_from(loop, promise_void());
    }
    test_alloc_fail_at(0);
    promise_unref(held[--held_count]); /* of the reserve */
}

/* True when the nth allocation was reached. */
static bool one_allocation(promise_t *(*work)(void), void (*after)(void), size_t n, bool full) {
    bool failed;

    loop = promise_loop_new(NULL);
    if (full) fill_slab();
    test_alloc_fail_at(n);
    promise_loop_run(loop, work(), &outcome);
    failed = test_alloc_failed();
    test_alloc_fail_at(0);
    if (promise_is_rejection(outcome))
        ck_assert_msg(failed && promise_error_is(outcome, &promise_errno_errors, ENOMEM), "allocation %zu: %s", n,
                      promise_error_message(outcome));
    promise_value_clear(&outcome);
    if (after) after();
    while (held_count) promise_unref(held[--held_count]);
    promise_loop_free(loop);
    return failed;
}

size_t each_allocation(promise_t *(*work)(void), void (*after)(void)) {
    promise_loop_t *outer = loop;
    size_t held_before = test_alloc_live(), n = 0;

    for (int full = 0; full < 2; full++)
        for (n = 1; one_allocation(work, after, n, full); n++) ck_assert_uint_eq(test_alloc_live(), held_before);
    ck_assert_uint_eq(test_alloc_live(), held_before);
    loop = outer;
    return n - 1;
}

void limit_fds(unsigned n) {
    static struct rlimit before;
    struct rlimit limit;
    int lowest;

    if (n == UINT_MAX) {
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        return;
    }
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    lowest = dup(0); /* the limit is one of numbers */
    ck_assert_int_ge(lowest, 0);
    close(lowest);
    limit = before;
    limit.rlim_cur = (rlim_t)lowest + n;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}
