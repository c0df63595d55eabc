/* Blocking calls, each in a process of its own: as many at a time as there are processes. */
#include <stdlib.h>
#include <string.h>

#include "../trace.h"
#include "../ways.h"

static promise_fn begin, fetch, got, failed;
static const struct promise_function functions[] = {{"fetch", fetch}, {NULL, NULL}};

int main(int argc, char **argv) {
    promise_loop_t *loop = promise_loop_new(NULL);
    const struct promise_process_options options = {.functions = functions, .name = "fetch", .workers = 16};
    promise_process_pool_t *pool = promise_process_pool_new(loop, &options);
    struct pages *pages = pages_open(argc, argv);

    ways_run(loop, promise_each(pages_items(loop, pages), 0, begin, pool));
    ways_run(loop, promise_process_pool_close(pool, 1000));
    promise_loop_free(loop);
    return pages_report(pages);
}

static promise_value_t begin(promise_value_t v, void *pool) {
    struct page *page = promise_as_pointer(v);
    promise_t *p = promise_process_run(pool, "fetch", promise_stringf("%zu %s", page->number, page->url));

    return promise_adopt(promise_then_catch(p, got, failed, page));
}

/* In a worker: a number for the timeline, and a URL; gives the page, without its URL. */
static promise_value_t fetch(promise_value_t v, void *arg) {
    struct page page = {0};

    (void)arg;
    page.number = strtoul(promise_as_bytes(v, NULL), &page.url, 10);
    page.url++;
    page_fetch(&page);
    trace_memory();
    page.url = NULL;
    return promise_bytes(&page, sizeof page);
}

static promise_value_t got(promise_value_t v, void *arg) {
    struct page *page = arg, fetched;

    memcpy(&fetched, promise_as_bytes(v, NULL), sizeof fetched);
    page->status = fetched.status;
    page->size = fetched.size;
    return promise_void();
}

static promise_value_t failed(promise_value_t reason, void *page) {
    page_failed(page, promise_error_message(reason));
    return promise_void();
}
