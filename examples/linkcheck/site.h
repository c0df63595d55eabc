/* The web site that is checked, and what can become of its pages. Knows nothing of how they are fetched. */
#ifndef LINKCHECK_SITE_H
#define LINKCHECK_SITE_H

#include "options.h"

struct event_base;
struct server;

struct site {
    struct options options;
    struct server *server; /* the embedded one, for a folder; or NULL */
    char *start;           /* the URL of the start page, from url_resolve() */
};

/* Codes below 100 say why there was no answer; those from 100 on are the status of the answer. */
enum {
    FETCH_OK,
    FETCH_HOST,
    FETCH_CONNECT,
    FETCH_SECURE,
    FETCH_TIMEOUT,
    FETCH_CLOSED,
    FETCH_MALFORMED,
    FETCH_REDIRECTS,
    FETCH_MAX
};
const char *fetch_describe(int code);
/* Is it worth another try? */
bool fetch_may_recover(int code);

/* Starts the embedded server on base, when it is a folder that is checked. -1, or the exit status after a message. To be
 * closed in either case. */
int site_open(struct site *site, const struct options *options, struct event_base *base);
void site_close(struct site *site);

/* Is it https? */
bool site_is_secure(const struct site *site);
/* What follows the origin in a URL of the site. */
const char *site_path(const struct site *site, const char *url);

#endif
