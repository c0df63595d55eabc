/*
 * linkcheck with promises: the same work as callback.c, as flat chains.
 *
 * The first three functions are all there is to the flow; the handlers follow in the order in which they are called.
 */
#include "crawl.h"
#include "http.h"
#include "report.h"

#include <errno.h>
#include <promise.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct check {
    struct site site;
    struct crawl *crawl;
    unsigned running;         /* pages that are under way */
    promise_resolver_t *more; /* who waits for one of them to bring more pages; NULL: nobody */
};

/* One page: what its handlers need. */
struct visit {
    struct check *check;
    struct page *page;
};

static promise_fn got_addresses, check_pages, next_page, check_page, try_page, try_next_address, refuse_5xx;
static promise_fn got_answer, got_no_answer, page_done, make_report, could_not_run;
static bool may_recover(promise_value_t reason, void *arg);

static promise_t *check_site(promise_loop_t *loop, struct check *check) {
    promise_t *p = http_lookup(loop, &check->site);
    p = promise_timeout(p, check->site.options.timeout_ms);
    p = promise_then(p, got_addresses, check);
    p = promise_then(p, check_pages, check);
    p = promise_then(p, make_report, check);
    return promise_catch(p, could_not_run, check);
}

static promise_value_t check_page(promise_value_t page, void *check) {
    static const struct promise_retry_policy policy = {
        .count = ATTEMPTS, .delay_ms = RETRY_DELAY_MS, .no_jitter = true, .again = may_recover};
    struct visit *visit = malloc(sizeof *visit);
    if (!visit) return promise_throw_errno(ENOMEM, "page");
    *visit = (struct visit){check, promise_as_pointer(page)};
    promise_t *p = promise_retry(NULL, &policy, try_page, visit);
    p = promise_then_catch(p, got_answer, got_no_answer, visit);
    p = promise_finally(p, page_done, check);
    return promise_adopt(promise_attach(p, visit, free));
}

static promise_value_t try_page(promise_value_t attempt, void *arg) {
    struct visit *visit = arg;
    struct site *site = &visit->check->site;
    (void)attempt;
    promise_t *p = http_get(NULL, site, visit->page->url);
    p = promise_timeout(p, site->options.timeout_ms);
    return promise_adopt(promise_then_catch(p, refuse_5xx, try_next_address, site));
}

static promise_value_t got_addresses(promise_value_t v, void *arg) {
    struct check *check = arg;
    bool found = site_set_addresses(&check->site, http_addresses(v)) == 0;
    return found ? promise_void() : promise_throw(&dns_errors, EVUTIL_EAI_NODATA, NULL);
}

static promise_value_t check_pages(promise_value_t v, void *arg) {
    struct check *check = arg;
    (void)v;
    return promise_adopt(
        promise_each(promise_pull(NULL, next_page, check), check->site.options.jobs, check_page, check));
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
    struct check *check = arg;
    promise_resolver_t *more = check->more;
    check->running--;
    check->more = NULL;
    if (more) promise_resolve(more, v);
    return v;
}

static promise_value_t refuse_5xx(promise_value_t answer, void *site) {
    int status = evhttp_request_get_response_code(http_answer(answer));
    (void)site;
    return status >= 500 ? promise_throw(&http_errors, status, "status %d", status) : answer;
}

static promise_value_t try_next_address(promise_value_t v, void *site) {
    if (promise_error_is(v, &http_errors, FETCH_CONNECT)) site_next_address(site);
    return v;
}

/* FETCH_... or a status; FETCH_OK for what says nothing about the page (out of memory, cancelled). */
static int code_of(promise_value_t reason) {
    if (promise_is_timeout(reason)) return FETCH_TIMEOUT;
    return promise_error_domain(reason) == &http_errors ? promise_error_code(reason) : FETCH_OK;
}

static bool may_recover(promise_value_t reason, void *arg) {
    (void)arg;
    return fetch_may_recover(code_of(reason));
}

static promise_value_t got_answer(promise_value_t answer, void *arg) {
    struct visit *visit = arg;
    int result = crawl_answered(visit->check->crawl, visit->page, http_answer(answer));
    return result < 0 ? promise_throw_errno(ENOMEM, "page") : promise_void();
}

static promise_value_t got_no_answer(promise_value_t reason, void *arg) {
    struct visit *visit = arg;
    int code = code_of(reason);
    if (code == FETCH_OK) return reason;
    crawl_failed(visit->check->crawl, visit->page, code);
    return promise_void();
}

static promise_value_t make_report(promise_value_t v, void *arg) {
    struct check *check = arg;
    (void)v;
    return promise_int(report(check->crawl));
}

static promise_value_t could_not_run(promise_value_t reason, void *arg) {
    struct check *check = arg;
    const char *why = promise_error_message(reason);
    if (promise_is_timeout(reason)) why = fetch_describe(FETCH_TIMEOUT);
    else if (promise_error_is(reason, &promise_errno_errors, ENOMEM)) why = strerror(ENOMEM);
    return promise_int(report_could_not_run(check->site.options.target, why));
}

/* ---- from the command line to the exit status ---- */

static int run(promise_loop_t *loop, struct check *check, const struct options *options) {
    promise_value_t result = {0};
    int status = site_open(&check->site, options, promise_loop_base(loop));
    if (status >= 0) return status;
    if (!(check->crawl = crawl_new(&check->site))) return report_could_not_run(options->target, strerror(ENOMEM));
    bool failed = promise_loop_run(loop, check_site(loop, check), &result) < 0;
    status =
        failed ? report_could_not_run(options->target, promise_error_message(result)) : (int)promise_as_int(result);
    promise_value_clear(&result);
    return status;
}

static void check_free(struct check *check, promise_loop_t *loop) {
    if (check->more) promise_abandon(check->more);
    promise_loop_turn(loop); /* a lookup that was cancelled, and connections that were freed, end in the next turn */
    crawl_free(check->crawl);
    site_close(&check->site);
    promise_loop_free(loop);
}

int main(int argc, char **argv) {
    struct check check = {0};
    struct options options;
    int status = options_parse(&options, argc, argv);
    if (status >= 0) return status;
    signal(SIGPIPE, SIG_IGN); /* a server or reader that goes away is an error, not the end */
    promise_loop_t *loop = promise_loop_new(NULL);
    if (!loop) return report_could_not_run(options.target, strerror(ENOMEM));
    status = run(loop, &check, &options);
    check_free(&check, loop);
    return status;
}
