/* A producer sends the pages, and consumers take them and ask for them: coroutines, all on one thread. */
#include "../trace.h"
#include "../ways.h"

enum { CONSUMERS = 64 };

struct world {
    struct pages *pages;
    promise_channel_t *channel;
    promise_http_client_t *client;
};

static promise_fn produce, consume;

int main(int argc, char **argv) {
    promise_loop_t *loop = promise_loop_new(NULL);
    const struct promise_http_client_options options = {.max_connections_per_host = CONSUMERS};
    struct world world = {pages_open(argc, argv), promise_channel_new(loop, 0), promise_http_client_new(loop, &options)};
    promise_group_t *group = promise_group_new(loop);

    promise_group_async(group, produce, &world);
    for (int i = 0; i < CONSUMERS; i++) promise_group_async(group, consume, &world);
    ways_run(loop, promise_group_wait(group));
    promise_channel_unref(world.channel);
    promise_loop_free(loop);
    return pages_report(world.pages);
}

static promise_value_t produce(promise_value_t v, void *arg) {
    struct world *world = arg;

    for (size_t i = 0; i < world->pages->count; i++)
        if (promise_await(promise_send(world->channel, promise_pointer(&world->pages->pages[i])), &v) < 0) break;
    promise_channel_close(world->channel);
    return v;
}

static promise_value_t consume(promise_value_t v, void *arg) {
    struct world *world = arg;

    while (promise_await(promise_receive(world->channel), &v) == 0 && !promise_is_end(v)) {
        struct page *page = promise_as_pointer(v);
        const struct promise_http_request request = {.url = page->url};

        trace_begin(page->number);
        if (promise_await(promise_http_client_request(world->client, &request), &v) < 0) {
            page_failed(page, promise_error_message(v));
        } else {
            page->status = promise_http_status(v);
            promise_as_bytes(promise_http_body(v), &page->size);
        }
        trace_end(page->number);
    }
    return v;
}
