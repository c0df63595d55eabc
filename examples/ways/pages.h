/*
 * The job of examples/ways/fetch/: pages of a slow server, and their status and size, in their order. How they are fetched is
 * what the programs differ in; here is the rest.
 */
#ifndef WAYS_PAGES_H
#define WAYS_PAGES_H

#include <stddef.h>

struct page {
    size_t number;
    char *url;
    long status; /* 0 until it is known */
    size_t size; /* of the body, in bytes */
};

struct pages {
    size_t count;
    struct page *pages;
};

/* URL/0 to URL/(COUNT-1), as the program's two arguments say; the program ends with a message when they are no good. */
struct pages *pages_open(int argc, char **argv);
/* Prints them, frees them, and gives main()'s status. */
int pages_report(struct pages *pages);
/* What came of one that failed, on standard error. */
void page_failed(const struct page *page, const char *why);

/* Fetches it with libcurl, and sets its status and size. Blocks. */
void page_fetch(struct page *page);

#endif
