/* Concurrent, by evhttp's callbacks, all on one thread. */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include <stdlib.h>

#include "../pages.h"
#include "../trace.h"

enum { AT_A_TIME = 64 };

struct walk {
    struct event_base *base;
    struct pages *pages;
    size_t next; /* page to be begun */
};

struct one {
    struct walk *walk;
    struct page *page;
    struct evhttp_uri *uri;
    struct evhttp_connection *connection;
};

static void next_page(struct walk *walk);

static void done(struct one *one) {
    struct walk *walk = one->walk;

    trace_end(one->page->number);
    if (one->connection) evhttp_connection_free(one->connection);
    if (one->uri) evhttp_uri_free(one->uri);
    free(one);
    next_page(walk);
}

static void on_response(struct evhttp_request *request, void *arg) {
    struct one *one = arg;

    if (request && evhttp_request_get_response_code(request)) {
        one->page->status = evhttp_request_get_response_code(request);
        one->page->size = evbuffer_get_length(evhttp_request_get_input_buffer(request));
    } else {
        page_failed(one->page, "no response");
    }
    done(one);
}

static int ask(struct one *one) {
    struct evhttp_request *request;
    const char *host;

    one->uri = evhttp_uri_parse(one->page->url);
    if (!one->uri || !(host = evhttp_uri_get_host(one->uri))) return -1;
    one->connection = evhttp_connection_base_new(one->walk->base, NULL, host, (unsigned short)evhttp_uri_get_port(one->uri));
    request = one->connection ? evhttp_request_new(on_response, one) : NULL;
    if (!request) return -1;
    evhttp_add_header(evhttp_request_get_output_headers(request), "Host", host);
    return evhttp_make_request(one->connection, request, EVHTTP_REQ_GET, evhttp_uri_get_path(one->uri));
}

static void next_page(struct walk *walk) {
    struct one *one;

    if (walk->next == walk->pages->count) return;
    if (!(one = calloc(1, sizeof *one))) exit(EXIT_FAILURE);
    *one = (struct one){.walk = walk, .page = &walk->pages->pages[walk->next++]};
    trace_begin(one->page->number);
    if (!ask(one)) return;
    page_failed(one->page, "cannot be asked for");
    done(one);
}

int main(int argc, char **argv) {
    struct walk walk = {event_base_new(), pages_open(argc, argv), 0};

    for (int i = 0; i < AT_A_TIME; i++) next_page(&walk);
    event_base_dispatch(walk.base);
    event_base_free(walk.base);
    return pages_report(walk.pages);
}
