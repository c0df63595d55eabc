/*
 * Connecting by name: to whichever of a host's addresses answers first (Happy Eyeballs, RFC 8305).
 *
 *     promise_t *p = promise_timeout(promise_connect(loop, "www.example", 80), 5000);
 *     p = promise_then(p, connected, NULL);            // promise_as_stream(v), which lives as long as v
 *
 * The IPv6 and IPv4 addresses are asked for at once, and tried in turn, an IPv6 one first; each attempt starts a while after
 * the one before, or as soon as that has failed, and they go on side by side. The first connection wins, the others are closed.
 * A cancel closes them all.
 */
#ifndef PROMISE_CONNECT_NAME_H
#define PROMISE_CONNECT_NAME_H

#include <promise/address.h>
#include <promise/dns.h>
#include <promise/stream.h>

PROMISE_BEGIN

/* Zero is the default. */
struct promise_connect_options {
    promise_dns_t *dns;                  /* of the same loop; NULL: promise_dns_default() */
    uint64_t attempt_delay_ms;           /* between the starts of attempts; 0: 250 (RFC 8305, section 8) */
    uint64_t resolution_delay_ms;        /* for IPv6 addresses, when IPv4 ones are there; 0: 50 (the same) */
    const struct promise_address *local; /* to connect from; addresses of the other family are not tried. NULL: any */
    void *reserved[4];
};

/* The promise of a stream, connected to a host by name or by numeric address. When all attempts fail, the rejection is that of
 * the first one, errno's, and names its address; when there is no address, it is promise_dns_errors'. host NULL: EINVAL. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_connect(promise_loop_t *loop, const char *host, uint16_t port);
/* options NULL is the default; they are copied. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_connect_with(promise_loop_t *loop, const char *host, uint16_t port,
                                                             const struct promise_connect_options *options);

PROMISE_END

#endif
