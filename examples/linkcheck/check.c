#include "check.h"

#include "report.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#ifdef HAVE_TLS
#include <promise/tls.h>
#endif

/* ---- for both ---- */

void check_page_done(struct check *check) {
    promise_resolver_t *more = check->more;
    check->running--;
    check->more = NULL;
    if (more) promise_resolve(more, promise_void());
}

int check_code_of(promise_value_t reason) {
    if (promise_is_timeout(reason)) return FETCH_TIMEOUT;
    if (promise_error_domain(reason) != &promise_http_errors) return FETCH_OK;
    switch (promise_error_code(reason)) {
    case PROMISE_HTTP_EURL: /* the host's name is all that url_resolve() has not made as it must be */
    case PROMISE_HTTP_ERESOLVE: return FETCH_HOST;
    case PROMISE_HTTP_ECONNECT: return FETCH_CONNECT;
    case PROMISE_HTTP_ESECURE: return FETCH_SECURE;
    case PROMISE_HTTP_ETIMEDOUT: return FETCH_TIMEOUT;
    case PROMISE_HTTP_ETRUNCATED: return FETCH_CLOSED;
    case PROMISE_HTTP_ETOOLARGE: /* the head */
    case PROMISE_HTTP_EPROTOCOL: return FETCH_MALFORMED;
    default: return promise_error_code(reason);
    }
}

/* ---- from the command line to the exit status ---- */

#ifdef HAVE_TLS
static int speak_tls(struct check *check) {
    const struct promise_tls_options options = {.authorities_file = check->site.options.ca};
    check->tls = promise_tls_client(&options);
    promise_value_t wrong = promise_tls_error(check->tls);
    promise_http_client_secure(check->client, promise_tls_secure, check->tls);
    if (!promise_is_rejection(wrong)) return -1;
    return report_could_not_run(check->site.options.target, promise_error_message(wrong));
}

static void tls_free(void *tls) { promise_tls_unref(tls); }
#else
static int speak_tls(struct check *check) { return report_could_not_run(check->site.options.target, "https is not supported"); }

static void tls_free(void *tls) { (void)tls; }
#endif

/* A connection stays open for the next page, so that there are as many as jobs. */
static promise_http_client_t *client_new(promise_loop_t *loop, const struct options *options) {
    const struct promise_http_client_options client_options = {.max_connections = options->jobs,
                                                               .max_connections_per_host = options->jobs,
                                                               .connect_ms = options->timeout_ms,
                                                               .first_byte_ms = options->timeout_ms,
                                                               .no_redirects = true, /* they are pages, too */
                                                               .user_agent = "linkcheck"};
    return promise_http_client_new(loop, &client_options);
}

static int run(promise_loop_t *loop, struct check *check, const struct options *options) {
    promise_value_t result = {0};
    int status = site_open(&check->site, options, promise_loop_base(loop));
    if (status >= 0) return status;
    if (!(check->crawl = crawl_new(&check->site))) return report_could_not_run(options->target, strerror(ENOMEM));
    check->client = client_new(loop, options);
    if (site_is_secure(&check->site) && (status = speak_tls(check)) >= 0) return status;
    bool failed = promise_loop_run(loop, check_site(loop, check), &result) < 0;
    status = failed ? report_could_not_run(options->target, promise_error_message(result)) : (int)promise_as_int(result);
    promise_value_clear(&result);
    return status;
}

static void check_free(struct check *check, promise_loop_t *loop) {
    if (check->more) promise_abandon(check->more);
    crawl_free(check->crawl);
    site_close(&check->site);
    promise_loop_free(loop);
    tls_free(check->tls);
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
