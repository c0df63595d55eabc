/*
 * linkcheck with async and await: the same work as callback.c and promise.c, as straight-line code.
 *
 * A generator gives the pages, and each is checked by a coroutine.
 */
#include "check.h"
#include "report.h"

#include <errno.h>
#include <string.h>

/* One page, in the hands of its coroutine. */
struct visit {
    struct check *check;
    struct page *page;
    promise_value_t response; /* kept: the last one that began */
};

/* The pages that wait, and when none does those that the ones under way bring. */
static promise_value_t pages(promise_value_t v, void *arg) {
    struct check *check = arg;
    for (;;) {
        struct page *page = crawl_next(check->crawl);
        if (!page && check->running == 0) return promise_end();
        if (!page) {
            if (promise_await(promise_new(NULL, &check->more), &v) < 0) return v;
            continue;
        }
        check->running++;
        if (promise_yield(promise_pointer(page)) < 0) return promise_end();
    }
}

/* The body; void stands for one that is too large. */
static promise_value_t fetch(promise_value_t v, void *arg) {
    struct visit *visit = arg;
    const struct promise_http_request request = {.url = visit->page->url, .stream = true};
    if (promise_await(promise_http_client_request(visit->check->client, &request), &v) < 0) return v;
    promise_value_set(&visit->response, v);
    if (promise_await(promise_http_read_body(v, visit->check->site.options.max_body), &v) == 0) return v;
    if (!promise_error_is(v, &promise_http_errors, PROMISE_HTTP_ETOOLARGE)) return v;
    promise_value_clear(&v);
    return v;
}

/* The body counts whatever the status is, below 500. */
static int record(const struct visit *visit, promise_value_t body) {
    struct answer answer = {.status = promise_http_status(visit->response),
                            .type = promise_http_header(visit->response, "Content-Type"),
                            .location = promise_http_header(visit->response, "Location"),
                            .too_large = promise_is_void(body)};
    if (!answer.too_large) answer.body = promise_as_bytes(body, &answer.size);
    return crawl_answered(visit->check->crawl, visit->page, &answer);
}

/* FETCH_OK, and the body in *v, or what is wrong. */
static int try_page(struct visit *visit, promise_value_t *v) {
    promise_t *fetched = promise_timeout(promise_async(NULL, fetch, visit), visit->check->site.options.timeout_ms);
    int status;
    if (promise_await(fetched, v) < 0) return check_code_of(*v);
    status = promise_http_status(visit->response);
    return status >= 500 ? status : FETCH_OK;
}

static promise_value_t visit_page(struct visit *visit) {
    promise_value_t v = {0};
    int code = try_page(visit, &v), recorded = 0;
    for (int tried = 1; tried < ATTEMPTS && fetch_may_recover(code); tried++) {
        if (promise_await(promise_sleep(NULL, RETRY_DELAY_MS), &v) < 0) return v;
        code = try_page(visit, &v);
    }
    if (code == FETCH_OK && promise_is_rejection(v)) return v;
    if (code != FETCH_OK) crawl_failed(visit->check->crawl, visit->page, code);
    else recorded = record(visit, v);
    promise_value_clear(&v);
    return recorded < 0 ? promise_throw_errno(ENOMEM, "page") : promise_void();
}

static promise_value_t check_page(promise_value_t page, void *arg) {
    struct visit visit = {.check = arg, .page = promise_as_pointer(page)};
    promise_value_t result = visit_page(&visit);
    promise_value_clear(&visit.response);
    check_page_done(visit.check);
    return result;
}

/* The parser recurses as deeply as a page nests, so each gets as much room as a main program has. */
static promise_value_t start_page(promise_value_t page, void *check) {
    static const struct promise_coroutine_options options = {.stack_size = 8 << 20, .name = "page"};
    return promise_adopt(promise_then_async_with(promise_from(NULL, page), &options, check_page, check));
}

static promise_value_t check_all(promise_value_t v, void *arg) {
    struct check *check = arg;
    promise_iterator_t *all = promise_generator(NULL, pages, check);
    if (promise_await(promise_each(all, check->site.options.jobs, start_page, check), &v) == 0)
        return promise_int(report(check->crawl));
    bool no_memory = promise_error_is(v, &promise_errno_errors, ENOMEM);
    int status = report_could_not_run(check->site.options.target, no_memory ? strerror(ENOMEM) : promise_error_message(v));
    promise_value_clear(&v);
    return promise_int(status);
}

promise_t *check_site(promise_loop_t *loop, struct check *check) { return promise_async(loop, check_all, check); }
