/* The same as promise.c, by coroutines: each waits where it asks. */
#include "../trace.h"
#include "../ways.h"

static promise_fn begin, fetch;

int main(int argc, char **argv) {
    promise_loop_t *loop = promise_loop_new(NULL);
    const struct promise_http_client_options options = {.max_connections_per_host = 64};
    promise_http_client_t *client = promise_http_client_new(loop, &options);
    struct pages *pages = pages_open(argc, argv);

    ways_run(loop, promise_each(pages_items(loop, pages), 64, begin, client));
    promise_loop_free(loop);
    return pages_report(pages);
}

static promise_value_t begin(promise_value_t page, void *client) {
    return promise_adopt(promise_then_async(promise_from(NULL, page), fetch, client));
}

static promise_value_t fetch(promise_value_t v, void *client) {
    struct page *page = promise_as_pointer(v);
    const struct promise_http_request request = {.url = page->url};
    promise_value_t response = promise_void();

    trace_begin(page->number);
    if (promise_await(promise_http_client_request(client, &request), &response) < 0) {
        page_failed(page, promise_error_message(response));
    } else {
        page->status = promise_http_status(response);
        promise_as_bytes(promise_http_body(response), &page->size);
    }
    trace_end(page->number);
    promise_value_clear(&response);
    return promise_void();
}
