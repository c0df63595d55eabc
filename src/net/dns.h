/*
 * Names and addresses from the inside:
 *
 *     dns.c        the object, its configuration, and the functions of <promise/dns.h>
 *     dns_query.c  one question to the name servers (evdns)
 *     dns_hosts.c  the hosts file
 *     dns_system.c one question to the system, instead of the two
 */
#ifndef PROMISE_NET_DNS_H
#define PROMISE_NET_DNS_H

#include <promise/dns.h>
#include <promise/pool.h>
#include <promise/source.h>

#include <event2/event.h>
#include <event2/event_struct.h>

struct evdns_base;
struct dns_query;
struct dns_system;

struct dns_server {
    struct sockaddr_storage address;
    int size; /* of address */
};

struct promise_dns {
    struct promise_source source;
    promise_value_t error; /* kept: what is wrong with the options */
    char *resolv_conf;     /* NULL: none */
    bool named;            /* resolv_conf must be there: the options name it */
    char *hosts_file;      /* NULL: none */
    struct dns_server *servers;
    size_t server_count;        /* 0: those of resolv_conf */
    uint64_t timeout_ms;        /* 0: as resolv_conf says */
    unsigned attempts;          /* the same */
    bool by_system;             /* none of the above counts */
    promise_pool_t *pool;       /* for that */
    struct dns_system *systems; /* what the system was asked, and has not answered */
    struct evdns_base *evdns;   /* NULL while there are no queries: see tidy() */
    struct dns_query *queries;  /* under way, or cancelled but still libevent's */
    size_t pending;             /* those under way */
    struct event tidy;          /* made active when a query has ended */
};

/* A rejection of promise_dns_errors; the message is "lookup host: ..." in the words of the code. */
promise_value_t promise__dns_error(const char *host, int code);
/* Of two rejections, the one that says more: that there is no name holds for both; that there is no address, for one. */
promise_value_t promise__dns_worse(promise_value_t a, promise_value_t b);
/* Adds an address to a list; false when out of memory. */
bool promise__dns_add(promise_value_t list, const struct promise_address *address);

/* ---- dns_query.c ---- */

enum dns_kind { DNS_ADDRESS_4, DNS_ADDRESS_6, DNS_NAME };

/* Asks the name servers: for the addresses of host, or for the name of address, which host is in words. */
promise_t *promise__dns_ask(promise_dns_t *dns, enum dns_kind kind, const char *host, const struct promise_address *address);
/* Once, when the object is made. */
void promise__dns_queries_open(promise_dns_t *dns);
/* Nothing is asked any more; what was is rejected with reason. The object may be freed then. */
void promise__dns_queries_close(promise_dns_t *dns, promise_value_t reason);

/* ---- dns_system.c ---- */

/* Follows what the system was asked about host, in words, as long as the object is open; its errors are ours then. */
promise_t *promise__dns_ask_system(promise_dns_t *dns, const char *host, promise_t *asked);
/* The same as promise__dns_queries_close. */
void promise__dns_systems_close(promise_dns_t *dns, promise_value_t reason);

/* ---- dns_hosts.c ---- */

/* A list of the addresses of host, all families, in the file at path; or void where it does not have the name. path NULL: no
 * file; what is said of localhost holds all the same. */
promise_value_t promise__hosts_addresses(const char *path, const char *host);
/* The first name of the address, as a string; or void. */
promise_value_t promise__hosts_name(const char *path, const struct promise_address *address);

#endif
