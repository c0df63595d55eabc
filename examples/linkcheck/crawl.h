/* What is known of the site while it is checked: its pages, each once, and the links between them. Knows nothing of how
 * they are fetched. */
#ifndef LINKCHECK_CRAWL_H
#define LINKCHECK_CRAWL_H

#include "site.h"

#include <stddef.h>

struct page {
    char *url;
    int code;                    /* FETCH_OK, or what is wrong with it; see site.h */
    const struct page *redirect; /* where it sends its readers on the site, or NULL */
    bool leaves;                 /* it sends them to another site */
};

struct link {
    const struct page *from;
    const struct page *to; /* NULL: text is not a URL */
    char *text;
};

/* What a server answered. All of it is the caller's. */
struct answer {
    int status;
    const char *type, *location; /* these headers, or NULL */
    const char *body;
    size_t size;
    bool too_large; /* the body, which was not read then */
};

struct crawl {
    const struct site *site;
    struct page **pages; /* in the order in which they were found: those from next on are still to be fetched */
    size_t n_pages, next, done;
    struct page **table; /* the same by URL: open addressing, a power of two, at most half full */
    size_t table_size;
    struct link *links;
    size_t n_links, room;
    size_t external, other, unread; /* links to other sites, of other schemes; pages above the limit */
};

/* Begins with the site's start page waiting. NULL when out of memory. */
struct crawl *crawl_new(const struct site *site);
void crawl_free(struct crawl *crawl);

/* The next page to be fetched, or NULL when none is waiting (more may come with the answers that are under way). */
struct page *crawl_next(struct crawl *crawl);
/* What came of it: exactly one of these for each page that crawl_next() gave. -1 when out of memory. */
int crawl_answered(struct crawl *crawl, struct page *page, const struct answer *answer);
void crawl_failed(struct crawl *crawl, struct page *page, int code);

#endif
