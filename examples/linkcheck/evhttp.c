#include "evhttp.h"

#include "report.h"
#include "url.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/dns.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADERS = 64 << 10 };

/* Takes the start page's URL apart: http://host:port/path. */
static int set_name(struct host *host) {
    const char *start = host->site->start, *authority = strstr(start, "://") + 3;
    struct evhttp_uri *uri = evhttp_uri_parse_with_flags(start, EVHTTP_URI_NONCONFORMANT);
    if (!uri) return -1;
    const char *name = evhttp_uri_get_host(uri);
    int port = evhttp_uri_get_port(uri);
    size_t size = strlen(name);
    host->port = port > 0 ? (uint16_t)port : 80;
    host->name = *name == '[' && size > 2 ? strndup(name + 1, size - 2) : strdup(name);
    host->authority = strndup(authority, url_origin_length(start) - (size_t)(authority - start));
    evhttp_uri_free(uri);
    return host->name && host->authority ? 0 : -1;
}

/* It knows the hosts file and, where there are any, the system's name servers. */
static struct evdns_base *dns_new(struct event_base *base) {
    struct evdns_base *dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (dns) evdns_base_resolv_conf_parse(dns, DNS_OPTIONS_ALL, "/etc/resolv.conf"); /* without it: numbers and hosts only */
    return dns;
}

int host_open(struct host *host, const struct site *site, struct event_base *base) {
    *host = (struct host){.site = site, .base = base};
    if (site_is_secure(site)) return report_could_not_run(site->options.target, "https is not supported");
    if (set_name(host) == 0 && (host->dns = dns_new(base))) return -1;
    return report_could_not_run(site->options.target, strerror(ENOMEM));
}

void host_close(struct host *host) {
    if (host->dns) evdns_base_free(host->dns, 0);
    free(host->name);
    free(host->authority);
}

static bool put_address(char *text, size_t size, const struct sockaddr *address) {
    const void *binary =
        address->sa_family == AF_INET6  ? (const void *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr
        : address->sa_family == AF_INET ? (const void *)&((const struct sockaddr_in *)(const void *)address)->sin_addr
                                        : NULL;
    return binary && evutil_inet_ntop(address->sa_family, binary, text, size);
}

int host_set_addresses(struct host *host, const struct evutil_addrinfo *list) {
    host->addresses = host->current = 0;
    for (; list && host->addresses < HOST_ADDRESSES; list = list->ai_next)
        if (put_address(host->address[host->addresses], sizeof host->address[0], list->ai_addr)) host->addresses++;
    return host->addresses ? 0 : -1;
}

void host_next_address(struct host *host) { host->current = (host->current + 1) % host->addresses; }

struct evhttp_connection *host_connection(const struct host *host) {
    const struct options *options = &host->site->options;
    struct evhttp_connection *connection =
        evhttp_connection_base_new(host->base, NULL, host->address[host->current], host->port);
    if (!connection) return NULL;
    evhttp_connection_set_timeout(connection, (int)(options->timeout_ms / 1000) + 60); /* its own default is 50 s */
    evhttp_connection_set_max_headers_size(connection, MAX_HEADERS);
    evhttp_connection_set_max_body_size(connection, (ev_ssize_t)options->max_body);
    return connection;
}

struct evhttp_request *host_request(const struct host *host, void (*on_answer)(struct evhttp_request *, void *),
                                    void (*on_error)(enum evhttp_request_error, void *), void *arg) {
    struct evhttp_request *request = evhttp_request_new(on_answer, arg);
    if (!request) return NULL;
    evhttp_request_own(request); /* from the start: evhttp frees its own before it tells that they failed */
    evhttp_request_set_error_cb(request, on_error);
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    if (evhttp_add_header(headers, "Host", host->authority) == 0 && evhttp_add_header(headers, "Connection", "close") == 0 &&
        evhttp_add_header(headers, "User-Agent", "linkcheck") == 0)
        return request;
    evhttp_request_free(request);
    return NULL;
}

/* evhttp did not read the body, or not to its end. */
static bool is_too_large(const struct host *host, struct evhttp_request *request) {
    const char *length = evhttp_find_header(evhttp_request_get_input_headers(request), "Content-Length");
    size_t limit = host->site->options.max_body;
    return (length && strtoull(length, NULL, 10) > limit) ||
           evbuffer_get_length(evhttp_request_get_input_buffer(request)) > limit;
}

int host_result(const struct host *host, struct evhttp_request *request, const struct evhttp_request *answered,
                enum evhttp_request_error error) {
    if (answered) return evhttp_request_get_response_code(request) ? FETCH_OK : FETCH_CONNECT;
    switch (error) {
    case EVREQ_HTTP_TIMEOUT: return FETCH_TIMEOUT;
    case EVREQ_HTTP_INVALID_HEADER: return FETCH_MALFORMED;
    case EVREQ_HTTP_DATA_TOO_LONG: /* or the head is, or chunks make no sense: it does not say which */
        return is_too_large(host, request) ? FETCH_OK : FETCH_MALFORMED;
    default: return FETCH_CLOSED;
    }
}

int host_answer(const struct host *host, struct evhttp_request *request, struct answer *answer) {
    struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    *answer = (struct answer){.status = evhttp_request_get_response_code(request),
                              .type = evhttp_find_header(headers, "Content-Type"),
                              .location = evhttp_find_header(headers, "Location"),
                              .size = evbuffer_get_length(body),
                              .too_large = is_too_large(host, request)};
    if (answer->too_large || answer->size == 0) return 0;
    answer->body = (const char *)evbuffer_pullup(body, -1);
    return answer->body ? 0 : -1;
}
