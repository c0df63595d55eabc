/* URLs of http and https, as the client needs them. */
#ifndef PROMISE_NET_HTTP_URL_H
#define PROMISE_NET_HTTP_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All texts are in the same block, and end in a NUL. */
struct http_url {
    bool secure;
    uint16_t port;
    const char *host;      /* in lower case; an IPv6 address without its brackets */
    const char *authority; /* as it goes into a Host header: "example", "[::1]:81" */
    const char *target;    /* "/path?query" */
    const char *text;      /* all of it, without a fragment */
    char data[];
};

/* NULL: *wrong says why, or is NULL when out of memory. What a browser would escape (blanks, characters beyond ASCII) is
 * escaped. */
struct http_url *promise__http_url_new(const char *text, const char **wrong);
/* What text means where base is (RFC 3986, 5.2): "../x", "//host/", "?query". Otherwise as new. */
struct http_url *promise__http_url_resolve(const struct http_url *base, const char *text, const char **wrong);
void promise__http_url_free(struct http_url *url);
bool promise__http_url_same_origin(const struct http_url *a, const struct http_url *b);

#endif
