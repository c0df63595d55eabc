/*
 * linkcheck with libevent's callbacks alone: the same work as promise.c.
 *
 * What is done in turn is spread over these functions, each of which is told to libevent by the one before:
 *
 *     main -> on_lookup -> on_error -> on_answer -> on_turn -> on_retry -> on_error -> ...
 *                          on_deadline -----------------------^
 */
#include "evhttp.h"
#include "report.h"

#include <errno.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fetch;

struct check {
    struct event_base *base;
    struct site site;
    struct host host;
    struct crawl *crawl;
    struct evdns_getaddrinfo_request *lookup; /* NULL when it has ended */
    struct event *lookup_deadline;
    struct fetch *fetches; /* all that are under way, so that they can be freed */
    unsigned running;      /* how many these are */
    bool timed_out;        /* the lookup was cancelled for it */
    int status;            /* -1 as long as nothing has kept the check from running */
};

/* One page, from the first try to the last. */
struct fetch {
    struct check *check;
    struct page *page;
    struct fetch *next, **link; /* in check->fetches */
    struct evhttp_connection *connection;
    struct evhttp_request *request;
    struct event *deadline;
    struct event *turn;  /* leaves evhttp's callback */
    struct event *retry; /* waits before another try */
    enum evhttp_request_error error;
    unsigned tries;
    int code; /* how the try ended */
};

static void on_lookup(int error, struct evutil_addrinfo *list, void *arg);
static void on_lookup_deadline(evutil_socket_t fd, short what, void *arg);
static void on_answer(struct evhttp_request *answered, void *arg);
static void on_error(enum evhttp_request_error error, void *arg);
static void on_deadline(evutil_socket_t fd, short what, void *arg);
static void on_turn(evutil_socket_t fd, short what, void *arg);
static void on_retry(evutil_socket_t fd, short what, void *arg);

static struct timeval milliseconds(unsigned ms) {
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
}

/* Ends the run; what is still under way is freed by check_free(). */
static void stop(struct check *check, int status) {
    if (check->status < 0) check->status = status;
    event_base_loopbreak(check->base);
}

static void stop_out_of_memory(struct check *check) {
    if (check->status < 0) stop(check, report_could_not_run(check->site.options.target, strerror(ENOMEM)));
}

/* ---- one fetch ---- */

static void free_exchange(struct fetch *fetch) {
    if (fetch->connection) evhttp_connection_free(fetch->connection); /* a request that it still has ends without a call */
    if (fetch->request) evhttp_request_free(fetch->request);
    fetch->connection = NULL;
    fetch->request = NULL;
}

static void fetch_free(struct fetch *fetch) {
    free_exchange(fetch);
    if (fetch->deadline) event_free(fetch->deadline);
    if (fetch->turn) event_free(fetch->turn);
    if (fetch->retry) event_free(fetch->retry);
    if (fetch->link) {
        *fetch->link = fetch->next;
        if (fetch->next) fetch->next->link = fetch->link;
        fetch->check->running--;
    }
    free(fetch);
}

static struct fetch *fetch_new(struct check *check, struct page *page) {
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (!fetch) return NULL;
    fetch->check = check;
    fetch->page = page;
    fetch->deadline = evtimer_new(check->base, on_deadline, fetch);
    fetch->turn = evtimer_new(check->base, on_turn, fetch);
    fetch->retry = evtimer_new(check->base, on_retry, fetch);
    if (!fetch->deadline || !fetch->turn || !fetch->retry) {
        fetch_free(fetch);
        return NULL;
    }
    fetch->next = check->fetches;
    fetch->link = &check->fetches;
    if (fetch->next) fetch->next->link = &fetch->next;
    check->fetches = fetch;
    check->running++;
    return fetch;
}

/* Starts a try. -1 when out of memory. A connection that fails at once calls on_answer before this returns. */
static int try_once(struct fetch *fetch) {
    const struct site *site = &fetch->check->site;
    const struct host *host = &fetch->check->host;
    struct timeval timeout = milliseconds(site->options.timeout_ms);
    fetch->tries++;
    fetch->code = FETCH_OK;
    fetch->connection = host_connection(host);
    fetch->request = host_request(host, on_answer, on_error, fetch);
    if (!fetch->connection || !fetch->request) return -1;
    if (evtimer_add(fetch->deadline, &timeout) < 0) return -1;
    return evhttp_make_request(fetch->connection, fetch->request, EVHTTP_REQ_GET, site_path(site, fetch->page->url));
}

/* Neither the connection nor the request may be freed inside evhttp's callback: do it in a later turn. */
static void leave_callback(struct fetch *fetch) {
    static const struct timeval now = {0, 0};
    evtimer_del(fetch->deadline);
    if (evtimer_add(fetch->turn, &now) < 0) stop_out_of_memory(fetch->check);
}

static void on_error(enum evhttp_request_error error, void *arg) {
    struct fetch *fetch = arg;
    fetch->error = error; /* on_answer(NULL) comes next */
}

static void on_answer(struct evhttp_request *answered, void *arg) {
    struct fetch *fetch = arg;
    fetch->code = host_result(&fetch->check->host, fetch->request, answered, fetch->error);
    leave_callback(fetch);
}

static void start_fetches(struct check *check);

/* The last try is over: tells the crawl, and makes room for the next page. */
static void finish(struct fetch *fetch) {
    struct check *check = fetch->check;
    struct answer answer;
    int result = 0;
    if (fetch->code != FETCH_OK) crawl_failed(check->crawl, fetch->page, fetch->code);
    else if ((result = host_answer(&check->host, fetch->request, &answer)) == 0)
        result = crawl_answered(check->crawl, fetch->page, &answer);
    fetch_free(fetch);
    if (result < 0) {
        stop_out_of_memory(check);
        return;
    }
    start_fetches(check);
}

static void try_again_later(struct fetch *fetch) {
    struct timeval delay = milliseconds(RETRY_DELAY_MS);
    free_exchange(fetch);
    if (evtimer_add(fetch->retry, &delay) < 0) stop_out_of_memory(fetch->check);
}

/* A try is over. A status of 500 and above is an answer, but worth another try as well. */
static void end_try(struct fetch *fetch) {
    int code = fetch->code;
    if (code == FETCH_CONNECT) host_next_address(&fetch->check->host);
    if (code == FETCH_OK) code = evhttp_request_get_response_code(fetch->request);
    if (fetch_may_recover(code) && fetch->tries < ATTEMPTS) try_again_later(fetch);
    else finish(fetch);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg) {
    struct fetch *fetch = arg;
    (void)fd, (void)what;
    fetch->code = FETCH_TIMEOUT;
    end_try(fetch);
}

static void on_turn(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    end_try(arg);
}

static void on_retry(evutil_socket_t fd, short what, void *arg) {
    struct fetch *fetch = arg;
    (void)fd, (void)what;
    if (try_once(fetch) < 0) stop_out_of_memory(fetch->check);
}

/* ---- all pages ---- */

static void start_fetches(struct check *check) {
    struct page *page;
    while (check->running < check->site.options.jobs && (page = crawl_next(check->crawl))) {
        struct fetch *fetch = fetch_new(check, page);
        if (!fetch || try_once(fetch) < 0) {
            stop_out_of_memory(check);
            return;
        }
    }
    if (check->running == 0) event_base_loopbreak(check->base); /* the server would go on */
}

static void on_lookup_deadline(evutil_socket_t fd, short what, void *arg) {
    struct check *check = arg;
    (void)fd, (void)what;
    check->timed_out = true;
    evdns_getaddrinfo_cancel(check->lookup); /* calls on_lookup in the next turn */
}

static void lookup_failed(struct check *check) {
    const char *why = fetch_describe(check->timed_out ? FETCH_TIMEOUT : FETCH_HOST);
    stop(check, report_could_not_run(check->site.options.target, why));
}

static void on_lookup(int error, struct evutil_addrinfo *list, void *arg) {
    struct check *check = arg;
    check->lookup = NULL;
    evtimer_del(check->lookup_deadline);
    if (!error && host_set_addresses(&check->host, list) < 0) error = EVUTIL_EAI_NODATA;
    if (list) evutil_freeaddrinfo(list);
    if (error) lookup_failed(check);
    else start_fetches(check);
}

/* May call on_lookup before it returns, and then returns NULL. */
static int look_up(struct check *check) {
    struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct timeval timeout = milliseconds(check->site.options.timeout_ms);
    if (evtimer_add(check->lookup_deadline, &timeout) < 0) return -1;
    check->lookup = evdns_getaddrinfo(check->host.dns, check->host.name, NULL, &hints, on_lookup, check);
    return 0;
}

/* ---- from the command line to the exit status ---- */

static int run(struct check *check) {
    if (look_up(check) < 0) stop_out_of_memory(check);
    if (check->status < 0 && (check->lookup || check->running)) event_base_dispatch(check->base);
    return check->status >= 0 ? check->status : report(check->crawl);
}

static int set_up(struct check *check, const struct options *options) {
    if (!(check->base = event_base_new())) return report_could_not_run(options->target, strerror(ENOMEM));
    int status = site_open(&check->site, options, check->base);
    if (status < 0) status = host_open(&check->host, &check->site, check->base);
    if (status >= 0) return status;
    check->crawl = crawl_new(&check->site);
    check->lookup_deadline = evtimer_new(check->base, on_lookup_deadline, check);
    return check->crawl && check->lookup_deadline ? -1 : report_could_not_run(options->target, strerror(ENOMEM));
}

static void check_free(struct check *check) {
    while (check->fetches) fetch_free(check->fetches);
    if (check->lookup_deadline) event_free(check->lookup_deadline);
    crawl_free(check->crawl);
    host_close(&check->host);
    site_close(&check->site);
    if (check->base) event_base_free(check->base);
}

int main(int argc, char **argv) {
    struct check check = {.status = -1};
    struct options options;
    int status = options_parse(&options, argc, argv);
    if (status >= 0) return status;
    signal(SIGPIPE, SIG_IGN); /* a server or reader that goes away is an error, not the end */
    status = set_up(&check, &options);
    if (status < 0) status = run(&check);
    check_free(&check);
    return status;
}
