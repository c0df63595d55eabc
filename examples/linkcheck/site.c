#include "site.h"

#include "report.h"
#include "server.h"
#include "url.h"

#include <errno.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_HEADERS = 64 << 10 };

const char *fetch_describe(int code) {
    static const char *const texts[FETCH_MAX] = {[FETCH_CONNECT] = "cannot connect",
                                                 [FETCH_TIMEOUT] = "timed out",
                                                 [FETCH_CLOSED] = "connection closed early",
                                                 [FETCH_MALFORMED] = "malformed answer",
                                                 [FETCH_REDIRECTS] = "too many redirects"};
    return code > FETCH_OK && code < FETCH_MAX ? texts[code] : NULL;
}

/* Takes start apart: http://host:port/path. */
static int set_host(struct site *site) {
    const char *authority = strstr(site->start, "://") + 3;
    struct evhttp_uri *uri = evhttp_uri_parse_with_flags(site->start, EVHTTP_URI_NONCONFORMANT);
    if (!uri) return -1;
    const char *host = evhttp_uri_get_host(uri);
    int port = evhttp_uri_get_port(uri);
    size_t size = strlen(host);
    site->port = port > 0 ? (uint16_t)port : 80;
    site->host = *host == '[' && size > 2 ? strndup(host + 1, size - 2) : strdup(host);
    site->authority = strndup(authority, url_origin_length(site->start) - (size_t)(authority - site->start));
    evhttp_uri_free(uri);
    return site->host && site->authority ? 0 : -1;
}

/* It knows the hosts file and, where there are any, the system's name servers. */
static struct evdns_base *dns_new(struct event_base *base) {
    struct evdns_base *dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (dns)
        evdns_base_resolv_conf_parse(dns, DNS_OPTIONS_ALL, "/etc/resolv.conf"); /* without it: numbers and hosts only */
    return dns;
}

static enum url_kind set_start(struct site *site) {
    char own[32];
    const char *url = own;
    if (site->server) snprintf(own, sizeof own, "http://127.0.0.1:%u/", (unsigned)server_port(site->server));
    else url = site->options.target;
    return url_resolve(NULL, url, &site->start);
}

int site_open(struct site *site, const struct options *options, struct event_base *base) {
    const char *target = options->target;
    *site = (struct site){.options = *options, .base = base};
    if (!options->is_url && !(site->server = server_new(base, target)))
        return report_could_not_run(target, strerror(errno));
    enum url_kind kind = set_start(site);
    if (kind == URL_MALFORMED || kind == URL_OTHER)
        return report_could_not_run(target, "not a URL that can be checked");
    if (kind == URL_HTTP && set_host(site) == 0 && (site->dns = dns_new(base))) return -1;
    return report_could_not_run(target, strerror(ENOMEM));
}

void site_close(struct site *site) {
    if (site->dns) evdns_base_free(site->dns, 0);
    server_free(site->server);
    free(site->start);
    free(site->host);
    free(site->authority);
}

static bool put_address(char *text, size_t size, const struct sockaddr *address) {
    const void *binary =
        address->sa_family == AF_INET6  ? (const void *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr
        : address->sa_family == AF_INET ? (const void *)&((const struct sockaddr_in *)(const void *)address)->sin_addr
                                        : NULL;
    return binary && evutil_inet_ntop(address->sa_family, binary, text, size);
}

int site_set_addresses(struct site *site, const struct evutil_addrinfo *list) {
    site->addresses = site->current = 0;
    for (; list && site->addresses < SITE_ADDRESSES; list = list->ai_next)
        if (put_address(site->address[site->addresses], sizeof site->address[0], list->ai_addr)) site->addresses++;
    return site->addresses ? 0 : -1;
}

void site_next_address(struct site *site) { site->current = (site->current + 1) % site->addresses; }

struct evhttp_connection *site_connection(const struct site *site) {
    struct evhttp_connection *connection =
        evhttp_connection_base_new(site->base, NULL, site->address[site->current], site->port);
    if (!connection) return NULL;
    evhttp_connection_set_timeout(connection,
                                  (int)(site->options.timeout_ms / 1000) + 60); /* its own default is 50 s */
    evhttp_connection_set_max_headers_size(connection, MAX_HEADERS);
    evhttp_connection_set_max_body_size(connection, (ev_ssize_t)site->options.max_body);
    return connection;
}

struct evhttp_request *site_request(const struct site *site, void (*on_answer)(struct evhttp_request *, void *),
                                    void (*on_error)(enum evhttp_request_error, void *), void *arg) {
    struct evhttp_request *request = evhttp_request_new(on_answer, arg);
    if (!request) return NULL;
    evhttp_request_own(request); /* from the start: evhttp frees its own before it tells that they failed */
    evhttp_request_set_error_cb(request, on_error);
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    if (evhttp_add_header(headers, "Host", site->authority) == 0 &&
        evhttp_add_header(headers, "Connection", "close") == 0 &&
        evhttp_add_header(headers, "User-Agent", "linkcheck") == 0)
        return request;
    evhttp_request_free(request);
    return NULL;
}

const char *site_path(const struct site *site, const char *url) { return url + url_origin_length(site->start); }

/* An answer above the limit is one, but evhttp says the same of chunks that make no sense. */
static bool is_only_too_large(struct evhttp_request *request) {
    return !evhttp_find_header(evhttp_request_get_input_headers(request), "Transfer-Encoding");
}

int fetch_result(struct evhttp_request *request, const struct evhttp_request *answered,
                 enum evhttp_request_error error) {
    if (answered) return evhttp_request_get_response_code(request) ? FETCH_OK : FETCH_CONNECT;
    switch (error) {
    case EVREQ_HTTP_TIMEOUT:
        return FETCH_TIMEOUT;
    case EVREQ_HTTP_INVALID_HEADER:
        return FETCH_MALFORMED;
    case EVREQ_HTTP_DATA_TOO_LONG:
        return is_only_too_large(request) ? FETCH_OK : FETCH_MALFORMED;
    default:
        return FETCH_CLOSED;
    }
}

bool fetch_may_recover(int code) { return code != FETCH_OK && (code < 100 || code >= 500); }
