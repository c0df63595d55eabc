#include "listening.h"

#include <sys/syscall.h>
#include <unistd.h>

/* ---- the system call, counted, and made to fail ---- */

unsigned accepts;
const int *failures;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic" /* the header's type of address is a union */
int accept4(int fd, struct sockaddr *peer, socklen_t *size, int flags) {
    accepts++;
    if (failures && *failures) {
        errno = *failures++;
        return -1;
    }
    return (int)syscall(SYS_accept4, fd, peer, size, flags);
}
#pragma GCC diagnostic pop

/* ---- a listener and its clients ---- */

promise_listener_t *l;
struct promise_address address;

void listen_here(void) {
    l = promise_listener_new(loop, "127.0.0.1", 0);
    ck_assert(promise_is_void(promise_listener_error(l)));
    ck_assert_int_eq(promise_listener_address(l, &address), 0);
}

void close_it(void) {
    promise_listener_close(l);
    l = NULL;
}

int client(void) {
    int fd = peer_connect(&address);
    ck_assert_int_ge(fd, 0);
    return fd;
}

bool is_to(promise_value_t v, int fd) {
    struct promise_address a, b;

    ck_assert_int_eq(promise_address_local(&a, fd), 0);
    ck_assert_int_eq(promise_address_peer(&b, promise_stream_fd(promise_as_stream(v))), 0);
    return promise_address_equal(&a, &b);
}

promise_listener_t *listen_unix(const char *path) {
    ck_assert_int_eq(promise_address_unix(&address, path), 0);
    return promise_listener_new_with(loop, &address, NULL);
}
