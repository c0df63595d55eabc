/* The web site that is checked: where it is, and evhttp set up to ask it. Both programs use this, so that only their flow
 * differs. */
#ifndef LINKCHECK_SITE_H
#define LINKCHECK_SITE_H

#include "options.h"

#include <event2/http.h>
#include <event2/util.h>
#include <stdint.h>

struct event_base;
struct evdns_base;
struct server;

enum { SITE_ADDRESSES = 8 };

struct site {
    struct options options;
    struct event_base *base; /* not its own */
    struct evdns_base *dns;
    struct server *server; /* the embedded one, for a folder; or NULL */
    char *start;           /* the URL of the start page, from url_resolve() */
    char *host;            /* as in start, without the brackets of an IPv6 address */
    char *authority;       /* host and port, for the Host header */
    uint16_t port;
    unsigned addresses, current; /* how many, and which one is in use */
    char address[SITE_ADDRESSES][64];
};

/* Codes below 100 say why there was no answer; those from 100 on are the status of the answer. */
enum { FETCH_OK, FETCH_CONNECT, FETCH_TIMEOUT, FETCH_CLOSED, FETCH_MALFORMED, FETCH_REDIRECTS, FETCH_MAX };
const char *fetch_describe(int code);

/* Starts the embedded server, when it is a folder that is checked, and takes the URL apart. -1, or the exit status after
 * a message. To be closed in either case. */
int site_open(struct site *site, const struct options *options, struct event_base *base);
void site_close(struct site *site);

/* Takes what evdns found; -1 when there is no address in it. */
int site_set_addresses(struct site *site, const struct evutil_addrinfo *list);
/* The address in use does not answer: tries go to the next. */
void site_next_address(struct site *site);

/* A connection to the site. It has no timeout that would come before the caller's own. */
struct evhttp_connection *site_connection(const struct site *site);
/* A GET, with its headers, for one connection. The caller owns it: evhttp_request_free() after the connection is freed. */
struct evhttp_request *site_request(const struct site *site, void (*on_answer)(struct evhttp_request *, void *),
                                    void (*on_error)(enum evhttp_request_error, void *), void *arg);
/* What follows the origin in a URL of the site. */
const char *site_path(const struct site *site, const char *url);

/* What the end of a request means, FETCH_OK for an answer whatever its status. answered is what on_answer got. */
int fetch_result(struct evhttp_request *request, const struct evhttp_request *answered,
                 enum evhttp_request_error error);
/* Is it worth another try? code: from fetch_result(), or the status. */
bool fetch_may_recover(int code);

#endif
