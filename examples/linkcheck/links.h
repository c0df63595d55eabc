/* The links of an HTML page, found by gumbo. */
#ifndef LINKCHECK_LINKS_H
#define LINKCHECK_LINKS_H

#include "url.h"

#include <stddef.h>

/* Called for each link, in the order of the page, with its absolute URL, or with the text that was found when it is not
 * http. Anything but 0 ends the search. */
typedef int links_fn(enum url_kind kind, const char *link, void *arg);

/* Parses size bytes of HTML, the page at url, heeding its <base>. 0, or -1 when out of memory, or what found returned. */
int links_find(const char *url, const char *html, size_t size, links_fn *found, void *arg);

#endif
