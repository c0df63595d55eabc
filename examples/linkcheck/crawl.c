#include "crawl.h"

#include "links.h"
#include "report.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct finder {
    struct crawl *crawl;
    struct page *page;
};

static size_t hash(const char *text) {
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    while (*text) h = (h ^ (unsigned char)*text++) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

/* The place of url in the table, or the free one where it would go. */
static struct page **look_up(const struct crawl *crawl, const char *url) {
    size_t i = hash(url) & (crawl->table_size - 1);
    while (crawl->table[i] && strcmp(crawl->table[i]->url, url) != 0) i = (i + 1) & (crawl->table_size - 1);
    return &crawl->table[i];
}

/* The list of pages has half the room of the table, so that both grow together. */
static int grow_pages(struct crawl *crawl) {
    size_t size = crawl->table_size ? 2 * crawl->table_size : 256;
    struct page **table = calloc(size, sizeof(struct page *));
    struct page **pages = realloc(crawl->pages, size / 2 * sizeof(struct page *));
    if (pages) crawl->pages = pages;
    if (!table || !pages) {
        free(table);
        return -1;
    }
    free(crawl->table);
    crawl->table = table;
    crawl->table_size = size;
    for (size_t i = 0; i < crawl->n_pages; i++) *look_up(crawl, pages[i]->url) = pages[i];
    return 0;
}

static struct page *add_page(struct crawl *crawl, const char *url) {
    if (2 * crawl->n_pages >= crawl->table_size && grow_pages(crawl) < 0) return NULL;
    struct page **place = look_up(crawl, url);
    if (*place) return *place;
    struct page *page = calloc(1, sizeof *page);
    if (!page || !(page->url = strdup(url))) {
        free(page);
        return NULL;
    }
    return crawl->pages[crawl->n_pages++] = *place = page;
}

static int add_link(struct crawl *crawl, const struct link *link) {
    if (crawl->n_links == crawl->room) {
        size_t room = crawl->room ? 2 * crawl->room : 256;
        struct link *links = realloc(crawl->links, room * sizeof *links);
        if (!links) return -1;
        crawl->links = links;
        crawl->room = room;
    }
    crawl->links[crawl->n_links++] = *link;
    return 0;
}

static int add_text(struct crawl *crawl, const struct page *from, const char *text) {
    struct link link = {.from = from, .text = strdup(text)};
    if (link.text && add_link(crawl, &link) == 0) return 0;
    free(link.text);
    return -1;
}

static bool is_same_site(const struct crawl *crawl, const char *url) {
    size_t n = url_origin_length(crawl->site->start);
    return url_origin_length(url) == n && !memcmp(url, crawl->site->start, n);
}

static int found_link(enum url_kind kind, const char *url, void *arg) {
    struct finder *finder = arg;
    struct crawl *crawl = finder->crawl;
    if (kind == URL_MALFORMED) return add_text(crawl, finder->page, url);
    if (kind == URL_OTHER) return crawl->other++, 0;
    if (!is_same_site(crawl, url)) return crawl->external++, 0;
    struct link link = {.from = finder->page, .to = add_page(crawl, url)};
    return link.to ? add_link(crawl, &link) : -1;
}

/* A redirect to another site is a link to it; one within is followed when the report is made, so that its outcome does not
 * depend on the order of the answers. */
static int found_redirect(enum url_kind kind, const char *url, void *arg) {
    struct finder *finder = arg;
    if (kind == URL_MALFORMED || kind == URL_OTHER) {
        finder->page->code = FETCH_MALFORMED;
    } else if (!is_same_site(finder->crawl, url)) {
        finder->crawl->external++;
        finder->page->leaves = true;
    } else if (!(finder->page->redirect = add_page(finder->crawl, url))) {
        return -1;
    }
    return 0;
}

static int take_redirect(struct finder *finder, const char *location) {
    char *url = NULL;
    enum url_kind kind = location ? url_resolve(finder->page->url, location, &url) : URL_MALFORMED;
    int result = kind == URL_NO_MEMORY ? -1 : found_redirect(kind, url, finder);
    free(url);
    return result;
}

static bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool is_html(const char *type) {
    static const char html[] = "text/html";
    return type && !strncasecmp(type, html, sizeof html - 1) && strchr("; \t", type[sizeof html - 1]);
}

static int take_links(struct finder *finder, const struct answer *answer) {
    if (answer->too_large) return finder->crawl->unread++, 0;
    if (!is_html(answer->type) || answer->size == 0) return 0;
    return links_find(finder->page->url, answer->body, answer->size, found_link, finder);
}

struct page *crawl_next(struct crawl *crawl) {
    return crawl->next < crawl->n_pages ? crawl->pages[crawl->next++] : NULL;
}

int crawl_answered(struct crawl *crawl, struct page *page, const struct answer *answer) {
    struct finder finder = {crawl, page};
    int result = 0;
    if (is_redirect(answer->status)) result = take_redirect(&finder, answer->location);
    else if (answer->status / 100 == 2) result = take_links(&finder, answer);
    else page->code = answer->status;
    crawl->done++;
    report_progress(crawl);
    return result;
}

void crawl_failed(struct crawl *crawl, struct page *page, int code) {
    page->code = code;
    crawl->done++;
    report_progress(crawl);
}

struct crawl *crawl_new(const struct site *site) {
    struct crawl *crawl = calloc(1, sizeof *crawl);
    if (!crawl) return NULL;
    crawl->site = site;
    if (add_page(crawl, site->start)) return crawl;
    crawl_free(crawl);
    return NULL;
}

void crawl_free(struct crawl *crawl) {
    if (!crawl) return;
    for (size_t i = 0; i < crawl->n_pages; i++) {
        free(crawl->pages[i]->url);
        free(crawl->pages[i]);
    }
    for (size_t i = 0; i < crawl->n_links; i++) free(crawl->links[i].text);
    free(crawl->links);
    free(crawl->pages);
    free(crawl->table);
    free(crawl);
}
