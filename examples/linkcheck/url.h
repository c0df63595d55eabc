/* References in pages become absolute URLs (RFC 3986, section 5), of which one page has one only. */
#ifndef LINKCHECK_URL_H
#define LINKCHECK_URL_H

#include <stddef.h>

enum url_kind {
    URL_NO_MEMORY = -1,
    URL_HTTP,     /* http or https: *url is the absolute URL, to be freed */
    URL_OTHER,    /* mailto:, javascript:, data: and so on */
    URL_MALFORMED /* not a reference at all */
};

/* Resolves ref against base, a URL that came from here, or NULL for an absolute ref. The result has no fragment, a path
 * without dot segments, lower case where case does not matter, no default port, and escapes where they must be and only
 * there, so that URLs of the same page are equal as strings. */
enum url_kind url_resolve(const char *base, const char *ref, char **url);

/* The length of "http://host:port" in a URL that came from url_resolve(). */
size_t url_origin_length(const char *url);

#endif
