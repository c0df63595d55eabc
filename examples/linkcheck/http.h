/* evhttp and evdns as promises: what any callback API looks like once it is wrapped. */
#ifndef LINKCHECK_HTTP_H
#define LINKCHECK_HTTP_H

#include "site.h"

#include <promise.h>

/* Codes below 100 are those of site.h; the others are statuses. */
extern const struct promise_domain http_errors;
/* Codes are those of evutil_gai_strerror(). */
extern const struct promise_domain dns_errors;

/* GETs the page at url, which is of the site: http_answer(v) is the request with its answer, whatever its status. Rejects
 * with http_errors when there is none. Cancelling it closes the connection. */
promise_t *http_get(promise_loop_t *loop, const struct site *site, const char *url);
struct evhttp_request *http_answer(promise_value_t v);

/* Finds the addresses of the site's host: http_addresses(v) is the list. Rejects with dns_errors. */
promise_t *http_lookup(promise_loop_t *loop, const struct site *site);
const struct evutil_addrinfo *http_addresses(promise_value_t v);

#endif
