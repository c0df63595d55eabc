#include "url.h"

#include <ctype.h>
#include <event2/http.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The parts of RFC 3986 that the result is put together from, all borrowed from parsed URIs. */
struct parts {
    const char *scheme;
    const struct evhttp_uri *authority; /* whose host and port */
    const char *path;
    const char *query;  /* NULL: none */
    const char *folder; /* what path is relative to: the path of the base, or NULL */
};

static int hex_digit(char c) {
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return at ? (int)(at - digits) : -1;
}

static bool is_unreserved(int c) { return c < 0x80 && (isalnum(c) || (c && strchr("-._~", c))); }

static char *put_escaped(char *out, unsigned c) {
    static const char digits[] = "0123456789ABCDEF";
    *out++ = '%';
    *out++ = digits[c >> 4];
    *out++ = digits[c & 15];
    return out;
}

/* Copies a reference as browsers read it (blanks around it and line breaks in it do not count), escaping what may not
 * stand in a URL and unescaping what need not be escaped. */
static char *clean(const char *ref) {
    size_t size = strlen(ref);
    while (size && (unsigned char)*ref <= ' ') ref++, size--;
    while (size && (unsigned char)ref[size - 1] <= ' ') size--;
    char *result = malloc(3 * size + 1), *out = result;
    if (!result) return NULL;
    for (const char *end = ref + size; ref < end; ref++) {
        unsigned char c = (unsigned char)*ref;
        if (c == '\t' || c == '\n' || c == '\r') continue;
        if (c == '%' && end - ref > 2 && hex_digit(ref[1]) >= 0 && hex_digit(ref[2]) >= 0) {
            int escaped = hex_digit(ref[1]) << 4 | hex_digit(ref[2]);
            ref += 2;
            if (is_unreserved(escaped)) *out++ = (char)escaped;
            else out = put_escaped(out, (unsigned)escaped);
        } else if (c <= ' ' || c >= 0x7f || strchr("%\"<>\\^`{|}", c)) {
            out = put_escaped(out, c);
        } else {
            *out++ = (char)c;
        }
    }
    *out = 0;
    return result;
}

/* The length of the scheme that ref begins with, 0 when it has none. */
static size_t scheme_length(const char *ref) {
    size_t n = 0;
    if (!isalpha((unsigned char)*ref)) return 0;
    while (isalnum((unsigned char)ref[n]) || (ref[n] && strchr("+-.", ref[n]))) n++;
    return ref[n] == ':' ? n : 0;
}

static bool is_http(const char *scheme, size_t size) {
    return (size == 4 && !strncasecmp(scheme, "http", 4)) || (size == 5 && !strncasecmp(scheme, "https", 5));
}

/* RFC 3986, 5.2.4, in place; path begins with a slash. */
static void remove_dot_segments(char *path) {
    char *out = path;
    for (const char *in = path; *in;) {
        size_t n = 1 + strcspn(in + 1, "/");
        bool last = !in[n];
        if (n == 2 && in[1] == '.') {
            if (last) *out++ = '/';
        } else if (n == 3 && in[1] == '.' && in[2] == '.') {
            while (out > path && *--out != '/') {}
            if (last) *out++ = '/';
        } else {
            memmove(out, in, n);
            out += n;
        }
        in += n;
    }
    if (out == path) *out++ = '/';
    *out = 0;
}

/* RFC 3986, 5.2.2: which part comes from where. */
static void choose(struct parts *to, const struct evhttp_uri *base, const struct evhttp_uri *ref) {
    const char *path = evhttp_uri_get_path(ref);
    bool own_host = evhttp_uri_get_host(ref) != NULL;
    *to =
        (struct parts){.scheme = evhttp_uri_get_scheme(ref), .authority = own_host || !base ? ref : base, .path = path};
    to->query = evhttp_uri_get_query(ref);
    if (!base || to->scheme) return;
    to->scheme = evhttp_uri_get_scheme(base);
    if (own_host || *path == '/') return;
    to->folder = evhttp_uri_get_path(base);
    if (*path) return;
    to->path = to->folder;
    to->folder = NULL;
    if (!to->query) to->query = evhttp_uri_get_query(base);
}

/* Writes scheme://host:port in lower case; returns the length. */
static size_t put_origin(char *out, size_t size, const struct parts *from) {
    int port = evhttp_uri_get_port(from->authority);
    const char *host = evhttp_uri_get_host(from->authority);
    bool is_default = port <= 0 || port == (strlen(from->scheme) == 5 ? 443 : 80);
    int n = is_default ? snprintf(out, size, "%s://%s", from->scheme, host)
                       : snprintf(out, size, "%s://%s:%d", from->scheme, host, port);
    for (char *c = out; *c; c++) *c = (char)tolower((unsigned char)*c);
    return (size_t)n;
}

static char *put_together(const struct parts *from) {
    int folder = from->folder ? (int)(strrchr(from->folder, '/') - from->folder) + 1 : 0;
    const char *slash = !folder && *from->path != '/' ? "/" : "";
    size_t size = strlen(from->scheme) + strlen(evhttp_uri_get_host(from->authority)) + (size_t)folder +
                  strlen(from->path) + (from->query ? strlen(from->query) : 0) + sizeof "://:65535/?";
    char *url = malloc(size);
    if (!url) return NULL;
    size_t n = put_origin(url, size, from);
    snprintf(url + n, size - n, "%.*s%s%s", folder, from->folder ? from->folder : "", slash, from->path);
    remove_dot_segments(url + n);
    n += strlen(url + n);
    if (from->query) snprintf(url + n, size - n, "?%s", from->query);
    return url;
}

static enum url_kind kind_of(const struct parts *parts) {
    const char *host = evhttp_uri_get_host(parts->authority);
    if (!parts->scheme || !host || !*host) return URL_MALFORMED;
    return evhttp_uri_get_userinfo(parts->authority) ? URL_OTHER : URL_HTTP; /* nobody logs in here */
}

static enum url_kind resolve(const char *base, const char *ref, char **url) {
    struct parts parts;
    struct evhttp_uri *b = base ? evhttp_uri_parse_with_flags(base, EVHTTP_URI_NONCONFORMANT) : NULL;
    struct evhttp_uri *r = evhttp_uri_parse_with_flags(ref, EVHTTP_URI_NONCONFORMANT);
    enum url_kind kind = URL_MALFORMED;
    if (r && (b || !base)) {
        choose(&parts, b, r);
        kind = kind_of(&parts);
        if (kind == URL_HTTP && !(*url = put_together(&parts))) kind = URL_NO_MEMORY;
    }
    if (b) evhttp_uri_free(b);
    if (r) evhttp_uri_free(r);
    return kind;
}

enum url_kind url_resolve(const char *base, const char *ref, char **url) {
    char *cleaned = clean(ref);
    if (!cleaned) return URL_NO_MEMORY;
    size_t scheme = scheme_length(cleaned);
    enum url_kind kind = scheme && !is_http(cleaned, scheme) ? URL_OTHER : resolve(base, cleaned, url);
    free(cleaned);
    return kind;
}

size_t url_origin_length(const char *url) {
    const char *host = strstr(url, "://") + 3;
    return (size_t)(host - url) + strcspn(host, "/?");
}
