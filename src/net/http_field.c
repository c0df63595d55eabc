/* Single headers: of what characters they are, and what is in them. */
#include <string.h>
#include <strings.h>

#include "http_message.h"

/* t: in a token; v: other visible ones; b: blank or tab; x: none of these. From 128 on: in values only. */
static const char classes[128 + 1] = "xxxxxxxxxbxxxxxx"
                                     "xxxxxxxxxxxxxxxx"
                                     "btvtttttvvttvttv"
                                     "ttttttttttvvvvvv"
                                     "vttttttttttttttt"
                                     "tttttttttttvvvtt"
                                     "tttttttttttttttt"
                                     "tttttttttttvtvtx";

static bool is_token(char c) { return (unsigned char)c < 128 && classes[(unsigned char)c] == 't'; }
static bool is_value(char c) { return (unsigned char)c >= 128 || classes[(unsigned char)c] != 'x'; }
static bool is_blank(char c) { return c == ' ' || c == '\t'; }

bool promise__http_is_token(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (!is_token(text[i])) return false;
    return size > 0;
}

bool promise__http_is_value(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (!is_value(text[i])) return false;
    return true;
}

/* FNV-1a; bit 5 makes letters lower case, and what else it makes equal is told apart by the comparison. */
uint32_t promise__http_hash(const char *name) {
    uint32_t hash = 2166136261u;

    for (; *name; name++) hash = (hash ^ ((unsigned char)*name | 32u)) * 16777619u;
    return hash;
}

bool promise__http_list_has(const char *list, const char *element) {
    size_t size = strlen(element);

    while (*list) {
        const char *comma = list + strcspn(list, ","), *end = comma;
        while (list < end && is_blank(*list)) list++;
        while (end > list && is_blank(end[-1])) end--;
        if ((size_t)(end - list) == size && !strncasecmp(list, element, size)) return true;
        list = *comma ? comma + 1 : comma;
    }
    return false;
}

int promise__http_hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int promise__http_number(const char *digits, uint64_t *number) {
    uint64_t n = 0;

    if (!*digits) return -1;
    for (; *digits; digits++) {
        if (*digits < '0' || *digits > '9' || n > (INT64_MAX - 9) / 10) return -1;
        n = n * 10 + (uint64_t)(*digits - '0');
    }
    *number = n;
    return 0;
}

const char *promise__http_parse_field(char *line, char *end, struct http_field *field) {
    char *colon = memchr(line, ':', (size_t)(end - line)), *value;

    if (line < end && is_blank(*line)) return "a header on several lines";
    if (!colon) return "a header without a colon";
    if (!promise__http_is_token(line, (size_t)(colon - line))) return "the name of a header is no token";
    for (value = colon + 1; value < end && is_blank(*value);) value++;
    while (end > value && is_blank(end[-1])) end--;
    if (!promise__http_is_value(value, (size_t)(end - value))) return "a control character in a header";
    *colon = *end = 0;
    *field = (struct http_field){.name = line, .value = value, .hash = promise__http_hash(line)};
    return NULL;
}
