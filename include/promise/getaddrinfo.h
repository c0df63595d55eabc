/*
 * Names and addresses as the system has them: getaddrinfo(3) and getnameinfo(3), on threads.
 *
 *     promise_t *p = promise_getaddrinfo(loop, NULL, "www.example", "https", NULL);
 *     p = promise_then(p, got_addresses, NULL);       // a list: promise_as_address(promise_list_get(v, 0))
 *
 * This looks wherever nsswitch.conf says (files, DNS, mDNS, LDAP, ...), and keeps a thread busy while it waits: hence a pool of
 * its own, promise_pool_for_names(). <promise/dns.h> asks the name servers without threads; it can also be told to ask here,
 * and so can all that connects by name.
 */
#ifndef PROMISE_GETADDRINFO_H
#define PROMISE_GETADDRINFO_H

#include <promise/address.h>
#include <promise/error.h>
#include <promise/pool.h>

PROMISE_BEGIN

/* Codes are EAI_NONAME and the like of <netdb.h>; those of errno, and of memory, are promise_errno_errors'. */
PROMISE_API extern const struct promise_domain promise_getaddrinfo_errors;

/* Zero is the default. */
struct promise_getaddrinfo_options {
    int family;      /* AF_INET, AF_INET6; 0: any */
    int socket_type; /* what the service is looked for, SOCK_STREAM or SOCK_DGRAM; 0: SOCK_STREAM */
    int flags;       /* AI_PASSIVE, AI_ADDRCONFIG, ... */
    void *reserved[4];
};

/* All addresses of a host and a service, as a list of address values in the system's order, never empty. host NULL is this
 * machine (with AI_PASSIVE: any address of it, to listen on); service is a name, or a port in decimal (above 65535:
 * EAI_SERVICE); NULL is port 0. Both NULL: EINVAL. They are copied, and so are options; NULL is the default. Numbers need no
 * thread. pool NULL is promise_pool_for_names(). A cancel does not stop the system, but rejects at once (promise_work()). */
PROMISE_API PROMISE_MUST_USE promise_t *promise_getaddrinfo(promise_loop_t *loop, promise_pool_t *pool, const char *host,
                                                            const char *service,
                                                            const struct promise_getaddrinfo_options *options);
/* The name of an address, as a string; EAI_NONAME where it has none. NULL, or a Unix socket's: EINVAL. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_getnameinfo(promise_loop_t *loop, promise_pool_t *pool,
                                                            const struct promise_address *address);

PROMISE_END

#endif
