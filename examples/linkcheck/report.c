#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool has_progress_line;

void report_progress(const struct crawl *crawl) {
    if (!isatty(STDERR_FILENO)) return;
    fprintf(stderr, "\r%zu of %zu fetched", crawl->done, crawl->n_pages);
    has_progress_line = true;
}

static void end_progress(void) {
    if (has_progress_line) fputc('\n', stderr);
    has_progress_line = false;
}

int report_could_not_run(const char *what, const char *why) {
    end_progress();
    fprintf(stderr, "linkcheck: %s: %s\n", what, why);
    return EXIT_COULD_NOT_RUN;
}

/* Where a reader who follows a link to page ends, or NULL when that takes too many redirects. */
static const struct page *destination(const struct page *page) {
    for (int hops = 0; page->redirect; hops++, page = page->redirect)
        if (hops == MAX_REDIRECTS) return NULL;
    return page;
}

static int code_of(const struct page *page) {
    const struct page *last = destination(page);
    return last ? last->code : FETCH_REDIRECTS;
}

static int code_of_link(const struct link *link) { return link->to ? code_of(link->to) : FETCH_OK; }

static const char *text_of(const struct link *link) { return link->to ? link->to->url : link->text; }

static int compare(const void *a, const void *b) {
    const struct link *x = a, *y = b;
    int order = strcmp(x->from->url, y->from->url);
    return order ? order : strcmp(text_of(x), text_of(y));
}

/* Text from a page could break the line or command the terminal. */
static void put_text(const char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f) printf("%%%02X", (unsigned)*text);
        else putchar(*text);
}

static void put_link(const struct crawl *crawl, const struct link *link) {
    int code = code_of_link(link);
    put_text(site_path(crawl->site, link->from->url));
    putchar('\t');
    put_text(link->to ? site_path(crawl->site, link->to->url) : link->text);
    putchar('\t');
    if (!link->to) puts("malformed URL");
    else if (code >= 100) printf("%d\n", code);
    else puts(fetch_describe(code));
}

/* One line for each page and link, however often the page has it. */
static size_t put_links(struct crawl *crawl) {
    size_t broken = 0;
    const struct link *last = NULL;
    if (!crawl->n_links) return 0;
    qsort(crawl->links, crawl->n_links, sizeof *crawl->links, compare);
    for (const struct link *link = crawl->links; link < crawl->links + crawl->n_links; link++) {
        if (link->to && code_of_link(link) == FETCH_OK) continue;
        if (last && compare(last, link) == 0) continue;
        last = link;
        put_link(crawl, link);
        broken++;
    }
    return broken;
}

static void put_summary(const struct crawl *crawl, size_t broken) {
    fprintf(stderr,
            "linkcheck: %zu fetched, %zu links, %zu broken; not checked: %zu to other sites, %zu of other schemes",
            crawl->done, crawl->n_links, broken, crawl->external, crawl->other);
    if (crawl->unread) fprintf(stderr, "; too large to read: %zu", crawl->unread);
    fputc('\n', stderr);
}

static int report_start_page(const struct crawl *crawl, int code) {
    char status[32];
    snprintf(status, sizeof status, "the start page has status %d", code);
    return report_could_not_run(crawl->site->options.target, code >= 100 ? status : fetch_describe(code));
}

int report(struct crawl *crawl) {
    int code = code_of(crawl->pages[0]);
    if (code != FETCH_OK) return report_start_page(crawl, code);
    if (destination(crawl->pages[0])->leaves)
        return report_could_not_run(crawl->site->options.target, "the start page is a redirect to another site");
    end_progress(); /* the links may go to the same terminal */
    size_t broken = put_links(crawl);
    put_summary(crawl, broken);
    if (fflush(stdout) == EOF || ferror(stdout)) return report_could_not_run("standard output", strerror(errno));
    return broken ? EXIT_BROKEN : EXIT_SUCCESS;
}
