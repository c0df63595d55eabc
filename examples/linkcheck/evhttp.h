/* evhttp and evdns, set up to ask the site's server: what callback.c needs of them beside its flow. */
#ifndef LINKCHECK_EVHTTP_H
#define LINKCHECK_EVHTTP_H

#include "crawl.h"

#include <event2/http.h>
#include <event2/util.h>
#include <stdint.h>

struct evdns_base;

enum { HOST_ADDRESSES = 8 };

/* The site's server. */
struct host {
    const struct site *site;
    struct event_base *base; /* not its own */
    struct evdns_base *dns;
    char *name;      /* as in the site's URL, without the brackets of an IPv6 address */
    char *authority; /* name and port, for the Host header */
    uint16_t port;
    unsigned addresses, current; /* how many, and which one is in use */
    char address[HOST_ADDRESSES][64];
};

/* Takes the site's URL apart. -1, or the exit status after a message. To be closed in either case. */
int host_open(struct host *host, const struct site *site, struct event_base *base);
void host_close(struct host *host);

/* Takes what evdns found; -1 when there is no address in it. */
int host_set_addresses(struct host *host, const struct evutil_addrinfo *list);
/* The address in use does not answer: tries go to the next. */
void host_next_address(struct host *host);

/* It has no timeout that would come before the caller's own. */
struct evhttp_connection *host_connection(const struct host *host);
/* A GET, with its headers, for one connection. The caller owns it: evhttp_request_free() after the connection is freed. */
struct evhttp_request *host_request(const struct host *host, void (*on_answer)(struct evhttp_request *, void *),
                                    void (*on_error)(enum evhttp_request_error, void *), void *arg);

/* What the end of a request means, FETCH_OK for an answer whatever its status. answered is what on_answer got. */
int host_result(const struct host *host, struct evhttp_request *request, const struct evhttp_request *answered,
                enum evhttp_request_error error);
/* What was answered, lent by the request. -1 when out of memory. */
int host_answer(const struct host *host, struct evhttp_request *request, struct answer *answer);

#endif
