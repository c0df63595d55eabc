#include "pages.h"

#include <stdio.h>
#include <stdlib.h>

#include <curl/curl.h>

#include "trace.h"

struct pages *pages_open(int argc, char **argv) {
    struct pages *pages = calloc(1, sizeof *pages);
    size_t count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

    if (!count || !pages || !(pages->pages = calloc(count, sizeof *pages->pages))) {
        fprintf(stderr, "usage: %s URL COUNT\n", argv[0]);
        exit(EXIT_FAILURE);
    }
    for (pages->count = 0; pages->count < count; pages->count++) {
        struct page *page = &pages->pages[pages->count];
        page->number = pages->count;
        if (asprintf(&page->url, "%s/%zu", argv[1], pages->count) < 0) exit(EXIT_FAILURE);
    }
    curl_global_init(CURL_GLOBAL_DEFAULT); /* before there are threads */
    return pages;
}

int pages_report(struct pages *pages) {
    int status = EXIT_SUCCESS;

    trace_memory();
    for (size_t i = 0; i < pages->count; i++) {
        struct page *page = &pages->pages[i];
        if (page->status) printf("%ld %zu %s\n", page->status, page->size, page->url);
        else status = EXIT_FAILURE;
        free(page->url);
    }
    free(pages->pages);
    free(pages);
    curl_global_cleanup();
    return status;
}

void page_failed(const struct page *page, const char *why) { fprintf(stderr, "%s: %s\n", page->url, why); }

static size_t count_bytes(char *data, size_t size, size_t n, void *arg) {
    struct page *page = arg;

    (void)data;
    page->size += size * n;
    return size * n;
}

void page_fetch(struct page *page) {
    CURL *curl = curl_easy_init();
    CURLcode bad = CURLE_OUT_OF_MEMORY;

    trace_begin(page->number);
    if (curl) {
        curl_easy_setopt(curl, CURLOPT_URL, page->url);
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, count_bytes);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, page);
        bad = curl_easy_perform(curl);
    }
    if (bad) page_failed(page, curl_easy_strerror(bad));
    else curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &page->status);
    curl_easy_cleanup(curl);
    trace_end(page->number);
}
