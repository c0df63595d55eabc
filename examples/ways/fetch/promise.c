/* Concurrent, by promises, all on one thread. */
#include "../trace.h"
#include "../ways.h"

static promise_fn begin, got, failed;

int main(int argc, char **argv) {
    promise_loop_t *loop = promise_loop_new(NULL);
    const struct promise_http_client_options options = {.max_connections_per_host = 64};
    promise_http_client_t *client = promise_http_client_new(loop, &options);
    struct pages *pages = pages_open(argc, argv);

    ways_run(loop, promise_each(pages_items(loop, pages), 64, begin, client));
    promise_loop_free(loop);
    return pages_report(pages);
}

static promise_value_t begin(promise_value_t v, void *client) {
    struct page *page = promise_as_pointer(v);
    const struct promise_http_request request = {.url = page->url};

    trace_begin(page->number);
    return promise_adopt(promise_then_catch(promise_http_client_request(client, &request), got, failed, page));
}

static promise_value_t got(promise_value_t response, void *arg) {
    struct page *page = arg;

    page->status = promise_http_status(response);
    promise_as_bytes(promise_http_body(response), &page->size);
    trace_end(page->number);
    return promise_void();
}

static promise_value_t failed(promise_value_t reason, void *page) {
    page_failed(page, promise_error_message(reason));
    return promise_void();
}
