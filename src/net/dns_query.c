/*
 * One question to the name servers.
 *
 * What evdns does not do for us: it may call back a turn after a query was cancelled, or never, when its base or the
 * event_base is freed first; nobody can tell which. So it is not given pointers but numbers: who is no longer in the table is
 * not called, and nothing is kept for a call that may not come.
 *
 * The evdns_base is there while something is asked, and freed when nothing is (tidy). Otherwise a server that has failed
 * keeps the loop going for ever (it is probed by questions for a name of libevent's choice), and resolv.conf would be read
 * once only.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/dns.h>

#include <promise/loop.h>
#include <promise/memory.h>

#include "dns.h"

struct dns_query {
    uintptr_t number;               /* what evdns has of it */
    struct dns_query *same;         /* in the table, the next in its slot */
    struct dns_query *next, **link; /* of its object */
    promise_dns_t *dns;
    promise_resolver_t *resolver;  /* NULL once it was cancelled */
    struct evdns_request *request; /* good as long as the query is in the table */
    uint64_t start;                /* in milliseconds */
    bool reverse;                  /* it is about an address */
    char host[];                   /* in words */
};

/* ---- numbers ---- */

enum { SLOTS = 64 };

static _Thread_local struct dns_query *table[SLOTS]; /* of all loops of this thread */
static _Thread_local uintptr_t last_number;

static struct dns_query **find(uintptr_t number) {
    struct dns_query **link = &table[number % SLOTS];

    while (*link && (*link)->number != number) link = &(*link)->same;
    return link;
}

static void number_it(struct dns_query *q) {
    struct dns_query **link;

    do link = find(++last_number);
    while (*link || !last_number);
    q->number = last_number;
    q->same = NULL;
    *link = q;
}

/* ---- the evdns_base ---- */

/* In seconds, as libevent reads it: by strtod, which takes the point from the locale, and so does printf. */
static void set_times(const promise_dns_t *dns, struct evdns_base *evdns) {
    static const uint64_t most = 24 * 3600 * (uint64_t)1000;
    char text[32];

    if (dns->timeout_ms) {
        snprintf(text, sizeof text, "%.3f", (double)(dns->timeout_ms < most ? dns->timeout_ms : most) / 1000);
        evdns_base_set_option(evdns, "timeout:", text);
    }
    if (dns->attempts) {
        snprintf(text, sizeof text, "%u", dns->attempts);
        evdns_base_set_option(evdns, "attempts:", text);
    }
    evdns_base_set_option(evdns, "initial-probe-timeout:", "3600"); /* it is gone by then */
}

/* Why there is not one server: each needs a socket. */
static promise_value_t no_server(const char *host) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0) return promise_throw_errno_at(NULL, errno, "lookup %s", host);
    close(fd);
    return promise__dns_error(host, PROMISE_DNS_ENOSERVER);
}

/* Void, or the rejection. */
static promise_value_t configure(const promise_dns_t *dns, struct evdns_base *evdns, const char *host) {
    int flags = DNS_OPTION_SEARCH | DNS_OPTION_MISC | (dns->server_count ? 0 : DNS_OPTION_NAMESERVERS);

    if (dns->named && access(dns->resolv_conf, R_OK) < 0)
        return promise_throw_errno_at(NULL, errno, "lookup %s: %s", host, dns->resolv_conf);
    if (dns->resolv_conf) evdns_base_resolv_conf_parse(evdns, flags, dns->resolv_conf);
    for (size_t i = 0; i < dns->server_count; i++)
        evdns_base_nameserver_sockaddr_add(evdns, (const struct sockaddr *)&dns->servers[i].address,
                                           (ev_socklen_t)dns->servers[i].size, 0);
    set_times(dns, evdns);
    return evdns_base_count_nameservers(evdns) ? promise_void() : no_server(host);
}

/* Makes the evdns_base, where there is none. Void, or the rejection. */
static promise_value_t open_evdns(promise_dns_t *dns, const char *host) {
    promise_value_t outcome;

    if (dns->evdns) return promise_void();
    dns->evdns = evdns_base_new(promise_loop_base(dns->source.loop), 0);
    if (!dns->evdns) return promise_out_of_memory();
    outcome = configure(dns, dns->evdns, host);
    if (!promise_is_rejection(outcome)) return outcome;
    evdns_base_free(dns->evdns, 0);
    dns->evdns = NULL;
    return outcome;
}

/* ---- queries ---- */

static uint64_t now_ms(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* From the table and the object: evdns's call, if it comes, finds nobody. */
static void remove_query(struct dns_query *q) {
    struct dns_query **link = find(q->number);

    *link = q->same;
    *q->link = q->next;
    if (q->next) q->next->link = q->link;
    if (q->resolver) q->dns->pending--;
    promise_memory_free(q);
}

/* Comes soon after a query has ended: when others have been started meanwhile, the evdns_base stays for them. Those that were
 * cancelled have waited for this: had each been cancelled at once, evdns would have one call to come for each, and
 * its memory would leak where the caller frees the event_base first. */
static void tidy(evutil_socket_t fd, short what, void *arg) {
    promise_dns_t *dns = arg;
    struct dns_query *q, *next;

    (void)fd, (void)what;
    if (!dns->pending && dns->evdns) {
        evdns_base_free(dns->evdns, 0); /* calls nobody */
        dns->evdns = NULL;
    }
    for (q = dns->queries; q; q = next) {
        next = q->next;
        if (q->resolver) continue;
        if (dns->evdns) evdns_cancel_request(dns->evdns, q->request);
        remove_query(q);
    }
}

static void stop(void *arg) {
    struct dns_query *q = arg;

    promise_abandon(q->resolver);
    q->resolver = NULL;
    q->dns->pending--;
    event_active(&q->dns->tidy, EV_TIMEOUT, 0);
}

/* evdns takes SERVFAIL for a lost answer, asks again at once, and speaks of a timeout in the end: then it comes sooner than
 * one can be. resolv.conf counts in seconds. */
static int code_of(const struct dns_query *q, int result) {
    uint64_t timeout = q->dns->timeout_ms ? q->dns->timeout_ms : 1000;

    switch (result) {
    case DNS_ERR_FORMAT: return PROMISE_DNS_EFORMAT;
    case DNS_ERR_SERVERFAILED: return PROMISE_DNS_ESERVFAIL;
    case DNS_ERR_NOTEXIST: return PROMISE_DNS_ENOTFOUND;
    case DNS_ERR_NOTIMPL: return PROMISE_DNS_ENOTIMPL;
    case DNS_ERR_REFUSED: return PROMISE_DNS_EREFUSED;
    case DNS_ERR_TRUNCATED: return PROMISE_DNS_ETRUNCATED;
    case DNS_ERR_TIMEOUT: return now_ms() - q->start < timeout ? PROMISE_DNS_ESERVFAIL : PROMISE_DNS_ETIMEDOUT;
    case DNS_ERR_NODATA: return PROMISE_DNS_ENODATA;
    default: return PROMISE_DNS_EBADANSWER;
    }
}

static promise_value_t address_list(char type, int count, const char *data) {
    struct sockaddr_in sin = {.sin_family = AF_INET};
    struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
    promise_value_t list = promise_list(0, NULL);
    struct promise_address address;

    for (; count--; data += type == DNS_IPv4_A ? sizeof sin.sin_addr : sizeof sin6.sin6_addr) {
        if (type == DNS_IPv4_A) {
            memcpy(&sin.sin_addr, data, sizeof sin.sin_addr);
            promise_address_set(&address, (struct sockaddr *)&sin, sizeof sin);
        } else {
            memcpy(&sin6.sin6_addr, data, sizeof sin6.sin6_addr);
            promise_address_set(&address, (struct sockaddr *)&sin6, sizeof sin6);
        }
        if (!promise__dns_add(list, &address)) {
            promise_value_clear(&list);
            return promise_out_of_memory();
        }
    }
    return list;
}

static promise_value_t outcome_of(const struct dns_query *q, int result, char type, int count, const void *data) {
    int code = result != DNS_ERR_NONE ? code_of(q, result) : count ? 0 : PROMISE_DNS_ENODATA;

    if (code == PROMISE_DNS_ENODATA && q->reverse) code = PROMISE_DNS_ENOTFOUND;
    if (code) return promise__dns_error(q->host, code);
    return type == DNS_PTR ? promise_string(*(const char *const *)data) : address_list(type, count, data);
}

/* Always from the base's loop, never from inside a call. */
static void answered(int result, char type, int count, int ttl, void *data, void *arg) {
    struct dns_query *q = *find((uintptr_t)arg);
    promise_resolver_t *resolver;
    promise_loop_t *loop;
    promise_value_t outcome;

    (void)ttl;
    if (!q) return;
    resolver = q->resolver;
    loop = q->dns->source.loop;
    if (resolver) outcome = outcome_of(q, result, type, count, data);
    event_active(&q->dns->tidy, EV_TIMEOUT, 0);
    remove_query(q);
    if (!resolver) return;
    promise_source_enter(loop);
    promise_resolve(resolver, outcome);
    promise_source_leave(loop);
}

static struct evdns_request *start(const struct dns_query *q, enum dns_kind kind, const struct promise_address *address) {
    struct evdns_base *evdns = q->dns->evdns;
    void *number = (void *)q->number;
    size_t size = strlen(q->host);
    int flags = size && q->host[size - 1] == '.' ? DNS_QUERY_NO_SEARCH : 0;

    event_base_update_cache_time(promise_loop_base(q->dns->source.loop)); /* or it is given up too soon (R24) */
    if (kind == DNS_ADDRESS_4) return evdns_base_resolve_ipv4(evdns, q->host, flags, answered, number);
    if (kind == DNS_ADDRESS_6) return evdns_base_resolve_ipv6(evdns, q->host, flags, answered, number);
    if (address->storage.ss_family == AF_INET)
        return evdns_base_resolve_reverse(evdns, &((const struct sockaddr_in *)&address->storage)->sin_addr, 0, answered,
                                          number);
    return evdns_base_resolve_reverse_ipv6(evdns, &((const struct sockaddr_in6 *)&address->storage)->sin6_addr, 0, answered,
                                           number);
}

/* NULL when out of memory. */
static struct dns_query *new_query(promise_dns_t *dns, const char *host) {
    size_t size = strlen(host) + 1;
    struct dns_query *q = promise_memory_alloc(sizeof *q + size);

    if (!q) return NULL;
    *q = (struct dns_query){.dns = dns, .next = dns->queries, .link = &dns->queries, .start = now_ms()};
    memcpy(q->host, host, size);
    if (q->next) q->next->link = &q->next;
    dns->queries = q;
    number_it(q);
    return q;
}

promise_t *promise__dns_ask(promise_dns_t *dns, enum dns_kind kind, const char *host, const struct promise_address *address) {
    promise_resolver_t *resolver;
    promise_t *p = promise_new(dns->source.loop, &resolver);
    promise_value_t outcome = open_evdns(dns, host);
    struct dns_query *q;

    if (promise_is_rejection(outcome)) {
        promise_resolve(resolver, outcome);
        return p;
    }
    q = promise_resolver_is_pending(resolver) ? new_query(dns, host) : NULL;
    if (!q) {
        promise_reject(resolver, promise_out_of_memory());
        event_active(&dns->tidy, EV_TIMEOUT, 0);
        return p;
    }
    q->resolver = resolver;
    q->reverse = kind == DNS_NAME;
    dns->pending++;
    promise_on_cancel(resolver, stop, q);
    q->request = start(q, kind, address);
    if (q->request) return p;
    event_active(&dns->tidy, EV_TIMEOUT, 0);
    remove_query(q);
    promise_reject(resolver, promise_out_of_memory());
    return p;
}

void promise__dns_queries_open(promise_dns_t *dns) {
    evtimer_assign(&dns->tidy, promise_loop_base(dns->source.loop), tidy, dns);
}

void promise__dns_queries_close(promise_dns_t *dns, promise_value_t reason) {
    promise_value_t kept = promise_void();
    struct dns_query *q;

    promise_value_set(&kept, reason);
    if (event_initialized(&dns->tidy)) event_del(&dns->tidy);
    if (dns->evdns) evdns_base_free(dns->evdns, 0);
    dns->evdns = NULL;
    while ((q = dns->queries)) {
        promise_resolver_t *resolver = q->resolver;
        remove_query(q);
        if (resolver) promise_reject(resolver, kept);
    }
    promise_value_clear(&kept);
}
