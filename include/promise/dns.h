/*
 * Names and addresses: the hosts file, and the name servers (DNS, by libevent's evdns).
 *
 *     promise_t *p = promise_dns_lookup(promise_dns_default(loop), "www.example", PROMISE_DNS_ANY);
 *     p = promise_then(p, got_addresses, NULL);       // a list: promise_as_address(promise_list_get(v, 0))
 *
 * To connect by name, <promise/connect_name.h> does it all. Where a name is answered without asking anybody (a numeric address,
 * the hosts file, localhost), the answer comes from the loop's drain all the same (2.2.4).
 *
 * This asks the name servers itself and knows the hosts file; what else the system may be configured to look into (LDAP,
 * mDNS, ... of nsswitch.conf) it does not, unless it is told to leave the asking to the system (by_system), which takes a
 * thread (<promise/getaddrinfo.h>) and says less of what went wrong. Answers are not kept: the configuration is read again
 * whenever there was nothing to ask, and a server that has to be asked again is asked from another port. An answer has 32
 * addresses of each family at most, and must fit into a datagram of 512 bytes.
 *
 * libevent says on its log (event_set_log_callback(), else standard error) when a name server does not answer.
 */
#ifndef PROMISE_DNS_H
#define PROMISE_DNS_H

#include <promise/address.h>
#include <promise/error.h>
#include <promise/pool.h>

PROMISE_BEGIN

typedef struct promise_dns promise_dns_t;

/* Whose addresses. */
enum promise_dns_family { PROMISE_DNS_ANY = 0, PROMISE_DNS_IPV4 = 4, PROMISE_DNS_IPV6 = 6 };

/* Codes of the rejections, which name what was asked for. */
PROMISE_API extern const struct promise_domain promise_dns_errors;
enum promise_dns_error_code {
    PROMISE_DNS_ENOTFOUND = 1, /* there is no such name; the address has none */
    PROMISE_DNS_ENODATA,       /* the name is there, but has no address of this family */
    PROMISE_DNS_EBADNAME,      /* no name can be like that */
    PROMISE_DNS_ETIMEDOUT,     /* no server answered in time */
    PROMISE_DNS_ESERVFAIL,     /* the servers could not find out */
    PROMISE_DNS_EREFUSED,      /* the servers do not answer us */
    PROMISE_DNS_ENOTIMPL,      /* ... nor such questions */
    PROMISE_DNS_EFORMAT,       /* they do not understand the question */
    PROMISE_DNS_EBADANSWER,    /* their answer cannot be understood */
    PROMISE_DNS_ETRUNCATED,    /* the answer is too large for a datagram */
    PROMISE_DNS_ENOSERVER      /* no name server is known */
};

/* ---- make and close ---- */

/* Zero is the default: what the system is configured to. */
struct promise_dns_options {
    const char *resolv_conf;        /* whose servers, search list and options to use; NULL: /etc/resolv.conf */
    const char *hosts_file;         /* NULL: /etc/hosts */
    const char *const *nameservers; /* instead of those of resolv_conf, NULL after the last: "192.0.2.1", "[::1]:5353" */
    bool no_system;                 /* a file that is not named here is not used, instead of the system's */
    uint64_t timeout_ms;            /* for each attempt; 0: as resolv_conf says, or 5,000 */
    unsigned attempts;              /* how often to ask; 0: as resolv_conf says, or 3; at most 255 */
    bool by_system;                 /* getaddrinfo(3) instead of all the above, on threads; addresses are in its order */
    promise_pool_t *pool;           /* whose threads; NULL: promise_pool_for_names(). Borrowed as long as the object lives */
    void *reserved[4];
};

/* options are copied; NULL is the default. What is wrong with them, lookups reject with: EINVAL for a name server that is no
 * address; ENOENT and the like for a resolv_conf that is named here and cannot be read. */
PROMISE_API PROMISE_MUST_USE promise_dns_t *promise_dns_new(promise_loop_t *loop, const struct promise_dns_options *options);
/* The loop's own, with the default configuration, made when it is first asked for. It is everybody's: leave the closing to
 * the loop. */
PROMISE_API PROMISE_MUST_USE promise_dns_t *promise_dns_default(promise_loop_t *loop);
/* Its lookups reject with PROMISE_ECLOSED. It goes with its loop if it is not closed before. NULL is fine. Takes a void *, for
 * promise_attach(). */
PROMISE_API void promise_dns_close(void *dns);

/* ---- use ---- */

/* All addresses of a host, as a list of address values with port 0, never empty: IPv6 first, each family in the order of the
 * answer. For PROMISE_DNS_ANY both are asked for at once, and one is enough. A numeric address is its own answer. A name that
 * ends in a dot is not looked for in the search list. host NULL, or another family: EINVAL. Cancelled, nothing more is sent. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_dns_lookup(promise_dns_t *dns, const char *host,
                                                           enum promise_dns_family family);
/* The name of an address, as a string. NULL, or a Unix socket's: EINVAL. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_dns_reverse(promise_dns_t *dns, const struct promise_address *address);

PROMISE_END

#endif
