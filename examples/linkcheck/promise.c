/*
 * linkcheck with promises: the same work as callback.c, as flat chains.
 *
 * The first three functions are all there is to the flow; the handlers follow in the order in which they are called.
 */
#include "check.h"
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One page: what its handlers need. */
struct visit {
    struct check *check;
    struct page *page;
    promise_value_t response; /* kept: the last one that began */
};

static promise_fn next_page, check_page, try_page, got_head, allow_too_large, refuse_5xx;
static promise_fn got_answer, got_no_answer, page_done, make_report, could_not_run;
static bool may_recover(promise_value_t reason, void *arg);
static void visit_free(void *arg);

promise_t *check_site(promise_loop_t *loop, struct check *check) {
    promise_iterator_t *pages = promise_pull(loop, next_page, check);
    promise_t *p = promise_each(pages, check->site.options.jobs, check_page, check);
    p = promise_then(p, make_report, check);
    return promise_catch(p, could_not_run, check);
}

static promise_value_t check_page(promise_value_t page, void *check) {
    static const struct promise_retry_policy policy = {
        .count = ATTEMPTS, .delay_ms = RETRY_DELAY_MS, .no_jitter = true, .again = may_recover};
    struct visit *visit = malloc(sizeof *visit);
    if (!visit) return promise_throw_errno(ENOMEM, "page");
    *visit = (struct visit){.check = check, .page = promise_as_pointer(page)};
    promise_t *p = promise_retry(NULL, &policy, try_page, visit);
    p = promise_then_catch(p, got_answer, got_no_answer, visit);
    p = promise_finally(p, page_done, check);
    return promise_adopt(promise_attach(p, visit, visit_free));
}

static promise_value_t try_page(promise_value_t attempt, void *arg) {
    struct visit *visit = arg;
    const struct promise_http_request request = {.url = visit->page->url, .stream = true};
    (void)attempt;
    promise_t *p = promise_http_client_request(visit->check->client, &request);
    p = promise_then(p, got_head, visit);
    p = promise_timeout(p, visit->check->site.options.timeout_ms);
    return promise_adopt(promise_then(p, refuse_5xx, visit));
}

/* A page that waits, or when none does the first that those under way bring; the end when they bring none. */
static promise_value_t next_page(promise_value_t v, void *arg) {
    struct check *check = arg;
    struct page *page = crawl_next(check->crawl);
    (void)v;
    if (!page && check->running == 0) return promise_end();
    if (!page) return promise_adopt(promise_then(promise_new(NULL, &check->more), next_page, check));
    check->running++;
    return promise_pointer(page);
}

static promise_value_t page_done(promise_value_t v, void *arg) {
    check_page_done(arg);
    return v;
}

/* The body counts whatever the status is; void stands for one that is too large. */
static promise_value_t got_head(promise_value_t response, void *arg) {
    struct visit *visit = arg;
    promise_value_set(&visit->response, response);
    promise_t *body = promise_http_read_body(response, visit->check->site.options.max_body);
    return promise_adopt(promise_catch(body, allow_too_large, NULL));
}

static promise_value_t allow_too_large(promise_value_t reason, void *arg) {
    (void)arg;
    return promise_error_is(reason, &promise_http_errors, PROMISE_HTTP_ETOOLARGE) ? promise_void() : reason;
}

static promise_value_t refuse_5xx(promise_value_t body, void *arg) {
    struct visit *visit = arg;
    int status = promise_http_status(visit->response);
    return status >= 500 ? promise_throw(&promise_http_errors, status, "status %d", status) : body;
}

static bool may_recover(promise_value_t reason, void *arg) {
    (void)arg;
    return fetch_may_recover(check_code_of(reason));
}

static promise_value_t got_answer(promise_value_t body, void *arg) {
    struct visit *visit = arg;
    struct answer answer = {.status = promise_http_status(visit->response),
                            .type = promise_http_header(visit->response, "Content-Type"),
                            .location = promise_http_header(visit->response, "Location"),
                            .too_large = promise_is_void(body)};
    if (!answer.too_large) answer.body = promise_as_bytes(body, &answer.size);
    int result = crawl_answered(visit->check->crawl, visit->page, &answer);
    return result < 0 ? promise_throw_errno(ENOMEM, "page") : promise_void();
}

static promise_value_t got_no_answer(promise_value_t reason, void *arg) {
    struct visit *visit = arg;
    int code = check_code_of(reason);
    if (code == FETCH_OK) return reason;
    crawl_failed(visit->check->crawl, visit->page, code);
    return promise_void();
}

static void visit_free(void *arg) {
    struct visit *visit = arg;
    promise_value_clear(&visit->response);
    free(visit);
}

static promise_value_t make_report(promise_value_t v, void *arg) {
    struct check *check = arg;
    (void)v;
    return promise_int(report(check->crawl));
}

static promise_value_t could_not_run(promise_value_t reason, void *arg) {
    struct check *check = arg;
    bool no_memory = promise_error_is(reason, &promise_errno_errors, ENOMEM);
    const char *why = no_memory ? strerror(ENOMEM) : promise_error_message(reason);
    return promise_int(report_could_not_run(check->site.options.target, why));
}
