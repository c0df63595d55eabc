/* URLs from users and from Location headers: a base, a line break, and what is to be resolved there. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/net/http_message.h"
#include "../src/net/http_url.h"

static void check(bool holds, const char *what, const char *text) {
    if (holds) return;
    fprintf(stderr, "%s: %s\n", what, text);
    abort();
}

static bool has_dots(const char *path) {
    size_t size = strcspn(path, "?");

    for (const char *step = path; step < path + size; step += 1 + strcspn(step + 1, "/?")) {
        size_t length = strcspn(step + 1, "/?");
        if ((length == 1 && step[1] == '.') || (length == 2 && step[1] == '.' && step[2] == '.')) return true;
    }
    return false;
}

/* What goes into a request must not break out of its place there, and must mean the same when it is read again. */
static void check_url(const struct http_url *url) {
    const char *wrong;
    struct http_url *again = promise__http_url_new(url->text, &wrong);

    check(*url->host && url->port, "no host or port", url->text);
    check(*url->target == '/', "no path", url->text);
    for (const char *c = url->text; *c; c++) check(*c > ' ' && *c < 127 && *c != '#', "a wrong character", url->text);
    check(promise__http_is_value(url->authority, strlen(url->authority)), "a wrong Host", url->authority);
    check(again != NULL, "not an URL any more", url->text);
    check(!strcmp(again->text, url->text), "another URL", again->text);
    check(promise__http_url_same_origin(again, url), "another origin", url->text);
    promise__http_url_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1), *line;
    const char *wrong;
    struct http_url *base, *url;

    if (!text) abort();
    if (size) memcpy(text, data, size);
    text[size] = 0;
    line = strchr(text, '\n');
    if (line) *line++ = 0;
    base = promise__http_url_new(text, &wrong);
    check(base || wrong, "refused without a reason", text);
    if (base) check_url(base);
    if (base && line) {
        url = promise__http_url_resolve(base, line, &wrong);
        check(url || wrong, "refused without a reason", line);
        if (url) check_url(url);
        if (url) check(!has_dots(url->target) || !*line || *line == '?' || *line == '#', "dots that are left", url->target);
        promise__http_url_free(url);
    }
    promise__http_url_free(base);
    free(text);
    return 0;
}
