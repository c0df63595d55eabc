/*
 * struct promise_address: where something is on the net: an IPv4 or IPv6 address with a port, or the path of a Unix socket.
 *
 *     struct promise_address a;
 *     if (promise_address_parse(&a, "127.0.0.1", 80) == 0) p = promise_connect_address(loop, &a);
 *
 * A plain struct, to be copied and compared by promise_address_equal(); all zero is no address. Nothing here asks a name
 * server, or waits. An address pointer that is NULL stops the program, but where something else is said.
 */
#ifndef PROMISE_ADDRESS_H
#define PROMISE_ADDRESS_H

#include <sys/socket.h>

#include <promise/value.h>

PROMISE_BEGIN

struct promise_address {
    struct sockaddr_storage storage;
    socklen_t size; /* how much of storage is in use; 0: no address */
};
PROMISE_API extern const struct promise_type promise_type_address;

enum { PROMISE_ADDRESS_TEXT = 128 }; /* a size that is enough for each text of promise_address_print() */

/* ---- make: what fails leaves no address ---- */

/* Of text, "127.0.0.1", "::1", "[::1]", "fe80::1%eth0", and a port. 0, or -1 with errno EINVAL when text is no such address,
 * or NULL; ENXIO when there is no interface of that name. */
PROMISE_API int promise_address_parse(struct promise_address *address, const char *text, uint16_t port);
/* Of a Unix socket's path; a first character of '@' means the abstract namespace (Linux). 0, or -1 with errno ENAMETOOLONG, or
 * EINVAL when path is empty or NULL. */
PROMISE_API int promise_address_unix(struct promise_address *address, const char *path);
/* Of what libevent and the system give. An IPv4 address in the shape of IPv6 (::ffff:1.2.3.4) becomes one of IPv4. A size
 * that is too large stops the program. */
PROMISE_API void promise_address_set(struct promise_address *address, const struct sockaddr *sockaddr, socklen_t size);
/* Of a socket: its own, and that of who is connected to it; promise_stream_fd() has a stream's. 0, or -1 with errno as
 * getsockname(2) and getpeername(2) set it. */
PROMISE_API int promise_address_local(struct promise_address *address, int fd);
PROMISE_API int promise_address_peer(struct promise_address *address, int fd);

/* ---- read ---- */

/* Writes "127.0.0.1:80", "[::1]:80", "unix:/run/x", "unix:@name" as snprintf does, and returns the length it wanted. */
PROMISE_API size_t promise_address_print(const struct promise_address *address, char *buffer, size_t size);
/* The same without the port and what goes with it: "127.0.0.1", "::1", "/run/x", "@name": promise_address_parse(),
 * promise_address_unix() for a path, read it back. */
PROMISE_API size_t promise_address_host(const struct promise_address *address, char *buffer, size_t size);
/* The port; 0 for a Unix socket. */
PROMISE_API uint16_t promise_address_port(const struct promise_address *address);
/* Sets it; nothing happens to a Unix socket's address. */
PROMISE_API void promise_address_set_port(struct promise_address *address, uint16_t port);
/* The same address and port? NULL equals NULL. */
PROMISE_API bool promise_address_equal(const struct promise_address *a, const struct promise_address *b);

/* ---- as a value ---- */

/* A value with a copy of it; NULL is an EINVAL rejection. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_address_value(const struct promise_address *address);
/* The address in it, lent. */
PROMISE_API const struct promise_address *promise_as_address(promise_value_t v);

PROMISE_END

#endif
