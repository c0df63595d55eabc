/* Sockets, as connections, listeners and datagrams make them. */
#ifndef PROMISE_SRC_SOCKET_H
#define PROMISE_SRC_SOCKET_H

#include <promise/address.h>

enum { SOCKET_RETRY_MS = 10 }; /* where the system has no event for what is waited for */

/* Each gives -1 with errno when it fails; descriptors are non-blocking and closed on exec. */

int promise__socket_new(int family, int type);
int promise__socket_accept(int fd);
/* Has it so with a descriptor that came from elsewhere. */
int promise__socket_prepare(int fd);
int promise__socket_bind(int fd, const struct promise_address *address);
int promise__socket_connect(int fd, const struct promise_address *address);
/* An option that is an int. */
int promise__socket_set(int fd, int level, int option, int value);
int promise__socket_get(int fd, int level, int option); /* its value */
/* Small writes are sent at once; nothing where that has no meaning. */
void promise__socket_no_delay(int fd, int family);

/* The rejection "what ADDRESS: strerror's words". */
promise_value_t promise__socket_failed(int error, const char *what, const struct promise_address *address);

#endif
