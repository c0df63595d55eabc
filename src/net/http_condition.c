#include "http_condition.h"

#include <string.h>
#include <strings.h>

#include <promise/http.h>

#include "http_date.h"

/* ---- conditions ---- */

static const char *skip(const char *text, const char *characters) { return text + strspn(text, characters); }

/* Is etag, which is a strong one, in the list? weak: W/"x" is as good as "x". */
static bool has_etag(const char *list, const char *etag, bool weak) {
    size_t size = strlen(etag);

    list = skip(list, " \t,");
    if (*list == '*') return true;
    while (*list) {
        bool is_weak = strncmp(list, "W/", 2) == 0;
        const char *tag = is_weak ? list + 2 : list, *end = *tag == '"' ? strchr(tag + 1, '"') : NULL;
        if (!end) return false;
        if ((weak || !is_weak) && (size_t)(end + 1 - tag) == size && memcmp(tag, etag, size) == 0) return true;
        list = skip(end + 1, " \t,");
    }
    return false;
}

/* Was it changed after the date? A date that is none, or lies in the future, does not count. */
static bool is_newer(const struct http_entity *entity, const char *date) {
    time_t when;

    return !promise__http_date_parse(date, &when) || when > time(NULL) || entity->modified > when;
}

/* In the order of section 13.2.2: If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since. */
static int status_of(promise_value_t request, const struct http_entity *entity) {
    const char *match = promise_http_header(request, "If-Match"), *none = promise_http_header(request, "If-None-Match");
    const char *since = promise_http_header(request, "If-Modified-Since");
    const char *until = promise_http_header(request, "If-Unmodified-Since");
    time_t when;

    if (match && !has_etag(match, entity->etag, false)) return 412;
    if (!match && until && promise__http_date_parse(until, &when) && entity->modified > when) return 412;
    if (none) return has_etag(none, entity->etag, true) ? 304 : 200;
    return since && !is_newer(entity, since) ? 304 : 200;
}

/* Does If-Range, where there is one, name just what there is? A date does so as long as it cannot have changed within it. */
static bool is_same(promise_value_t request, const struct http_entity *entity) {
    const char *range = promise_http_header(request, "If-Range");
    time_t when;

    if (!range) return true;
    if (*range == '"' || strncmp(range, "W/", 2) == 0) return strcmp(range, entity->etag) == 0;
    return promise__http_date_parse(range, &when) && when == entity->modified && time(NULL) - when > 1;
}

/* ---- ranges ---- */

/* Takes a number away from the front of *at; too large is UINT64_MAX. */
static bool take_number(const char **at, uint64_t *number) {
    const char *start = *at;

    for (*number = 0; **at >= '0' && **at <= '9'; ++*at) {
        uint64_t digit = (uint64_t)(**at - '0');
        *number = *number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *number * 10 + digit;
    }
    return *at != start;
}

/* Of "bytes=0-99", "bytes=100-" and "bytes=-100"; more than one, or another unit, is as if there were none. */
static struct http_wanted part_of(const char *range, uint64_t size) {
    const struct http_wanted all = {200, 0, size}, nothing = {416, 0, 0};
    struct http_wanted part = {206, 0, 0};
    uint64_t first = 0, last;
    bool suffix;

    if (strncasecmp(range, "bytes=", 6) != 0) return all;
    range = skip(range + 6, " \t");
    suffix = *range == '-';
    if (!suffix && !take_number(&range, &first)) return all;
    if (*range++ != '-') return all;
    if (!take_number(&range, &last)) {
        if (suffix) return all;
        last = UINT64_MAX;
    }
    if (*skip(range, " \t")) return all;
    if (suffix) {
        if (!last || !size) return nothing;
        part.size = last < size ? last : size;
        part.offset = size - part.size;
        return part;
    }
    if (last < first) return all;
    if (first >= size) return nothing;
    part.offset = first;
    part.size = (last < size ? last + 1 : size) - first;
    return part;
}

struct http_wanted promise__http_wanted(promise_value_t request, const struct http_entity *entity) {
    struct http_wanted wanted = {status_of(request, entity), 0, entity->size};
    const char *range = promise_http_header(request, "Range");

    if (wanted.status != 200 || !range || strcmp(promise_http_method(request), "GET") != 0) return wanted;
    return is_same(request, entity) ? part_of(range, entity->size) : wanted;
}
