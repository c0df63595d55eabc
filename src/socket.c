#include "socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <event2/util.h>
#include <promise/error.h>

int promise__socket_prepare(int fd) {
    return evutil_make_socket_nonblocking(fd) < 0 || evutil_make_socket_closeonexec(fd) < 0 ? -1 : 0;
}

#if !defined SOCK_NONBLOCK || !defined HAVE_ACCEPT4
static int prepared(int fd) {
    int error;

    if (fd < 0 || promise__socket_prepare(fd) == 0) return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}
#endif

int promise__socket_new(int family, int type) {
#ifdef SOCK_NONBLOCK
    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
#else
    return prepared(socket(family, type, 0));
#endif
}

int promise__socket_accept(int fd) {
#ifdef HAVE_ACCEPT4
    return accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    return prepared(accept(fd, NULL, NULL));
#endif
}

int promise__socket_bind(int fd, const struct promise_address *address) {
    return bind(fd, (const struct sockaddr *)&address->storage, address->size);
}

int promise__socket_connect(int fd, const struct promise_address *address) {
    return connect(fd, (const struct sockaddr *)&address->storage, address->size);
}

int promise__socket_set(int fd, int level, int option, int value) {
    return setsockopt(fd, level, option, &value, sizeof value);
}

int promise__socket_get(int fd, int level, int option) {
    int value = 0;
    socklen_t size = sizeof value;

    return getsockopt(fd, level, option, &value, &size) < 0 ? -1 : value;
}

void promise__socket_no_delay(int fd, int family) {
    if (family == AF_INET || family == AF_INET6) promise__socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

promise_value_t promise__socket_failed(int error, const char *what, const struct promise_address *address) {
    char text[PROMISE_ADDRESS_TEXT];

    promise_address_print(address, text, sizeof text);
    return promise_throw_errno_at(NULL, error, "%s %s", what, text);
}
