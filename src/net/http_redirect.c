/* Redirects (RFC 9110, 15.4): where to, by which method, and what may go there. */
#include <string.h>
#include <strings.h>

#include "http_exchange.h"

bool promise__http_is_redirect(const struct http_exchange *x, const struct http_message *m) {
    if (x->no_redirects) return false;
    if (m->status == 307 || m->status == 308) return !x->was_streamed; /* it cannot be sent again */
    return m->status == 301 || m->status == 302 || m->status == 303;
}

/* Whatever it was, it becomes a GET; the body goes, and what describes it. */
static void become_get(struct http_exchange *x) {
    if (strcmp(x->method, "HEAD") != 0) x->method = "GET";
    promise_value_clear(&x->body);
    promise_iterator_close(x->stream);
    x->stream = NULL;
    x->was_streamed = false;
    x->drops_body = true;
}

promise_value_t promise__http_redirect(struct http_exchange *x, const struct http_message *m) {
    const char *location = NULL, *wrong;
    struct http_url *url;

    for (size_t i = 0; i < m->count && !location; i++)
        if (!strcasecmp(m->fields[i].name, "location")) location = m->fields[i].value;
    if (!location) return promise__http_error(x, PROMISE_HTTP_EREDIRECT, "redirected by %d, but not to where", m->status);
    if (x->redirects == x->client->options.max_redirects)
        return promise__http_error(x, PROMISE_HTTP_EREDIRECT, "redirected more than %u times", x->redirects);
    url = promise__http_url_resolve(x->url, location, &wrong);
    if (!url && !wrong) return promise_out_of_memory();
    if (!url) return promise__http_error(x, PROMISE_HTTP_EREDIRECT, "redirected to \"%.200s\": %s", location, wrong);
    if (x->url->secure && !url->secure) {
        promise_value_t v = promise__http_error(x, PROMISE_HTTP_EREDIRECT, "redirected from https to %.200s", url->text);
        promise__http_url_free(url);
        return v;
    }
    x->redirects++;
    if (x->asked) promise__http_url_free(x->url);
    else x->asked = x->url;
    x->url = url;
    x->retried = false;
    if (m->status < 307) become_get(x);
    return promise_void();
}

/* ---- the request's head ---- */

static bool is_one_of(const char *name, const char *const *names) {
    for (; *names; names++)
        if (!strcasecmp(name, *names)) return true;
    return false;
}

/* What is not for another host than the one that was asked, and what says how a body is that is not sent any more. */
static bool is_left_out(const struct http_exchange *x, const char *name) {
    static const char *const secrets[] = {"authorization", "cookie", "proxy-authorization", NULL};
    static const char *const framing[] = {"connection", "content-length", "transfer-encoding", NULL};

    if (is_one_of(name, framing)) return true; /* ours; the wrong ones were refused */
    if (x->drops_body && !strncasecmp(name, "content-", 8)) return true;
    if (!x->asked) return false;
    if (!strcasecmp(name, "host")) return true;
    return is_one_of(name, secrets) && !promise__http_url_same_origin(x->asked, x->url);
}

static bool is_given(const struct http_exchange *x, const char *name) {
    for (const char *const *h = x->headers; *h; h += 2)
        if (!strcasecmp(*h, name) && !is_left_out(x, *h)) return true;
    return false;
}

static struct http_framing framing_of(const struct http_exchange *x) {
    size_t size = 0;

    if (x->stream) return (struct http_framing){x->stream_size ? HTTP_LENGTH : HTTP_CHUNKED, x->stream_size};
    if (!promise_is_void(x->body)) promise_as_bytes(x->body, &size);
    return (struct http_framing){size ? HTTP_LENGTH : HTTP_EMPTY, size};
}

/* An empty body is worth a word only where one is expected (RFC 9110, 8.6). */
static bool says_length(const struct http_exchange *x, struct http_framing framing) {
    static const char *const with_body[] = {"POST", "PUT", "PATCH", NULL};

    return framing.kind != HTTP_EMPTY || !promise_is_void(x->body) || is_one_of(x->method, with_body);
}

struct http_framing promise__http_put_request(struct http_exchange *x, struct http_buffer *head) {
    struct http_framing framing = framing_of(x);

    promise__http_buffer_init(head);
    promise__http_puts(head, x->method);
    promise__http_puts(head, " ");
    promise__http_puts(head, x->url->target);
    promise__http_puts(head, " HTTP/1.1\r\n");
    if (!is_given(x, "host")) promise__http_put_field(head, "Host", x->url->authority);
    if (!is_given(x, "user-agent")) promise__http_put_field(head, "User-Agent", x->client->user_agent);
    if (!is_given(x, "accept")) promise__http_puts(head, "Accept: */*\r\n");
    for (const char *const *h = x->headers; *h; h += 2)
        if (!is_left_out(x, *h)) promise__http_put_field(head, h[0], h[1]);
    if (x->closes) promise__http_puts(head, "Connection: close\r\n");
    if (says_length(x, framing)) promise__http_put_framing(head, framing);
    promise__http_puts(head, "\r\n");
    return framing;
}
