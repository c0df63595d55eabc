/* The hosts file: read whenever it is asked, as the C library does it, and so always as it is now. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dns.h"

static const char blanks[] = " \t\r\n\f\v";

/* The next line that has an address: its names, to be cut by strtok_r(NULL, blanks, rest); false at the end. */
static bool next_line(FILE *file, char **line, size_t *room, struct promise_address *address, char **rest) {
    while (getline(line, room, file) >= 0) {
        char *text;
        (*line)[strcspn(*line, "#")] = 0;
        text = strtok_r(*line, blanks, rest);
        if (text && promise_address_parse(address, text, 0) == 0) return true;
    }
    return false;
}

/* Without regard to case, and to the dot that ends an absolute name. */
static bool same_name(const char *name, const char *host) {
    size_t size = strlen(host);

    if (size > 1 && host[size - 1] == '.') size--;
    return strlen(name) == size && strncasecmp(name, host, size) == 0;
}

static bool has_name(const char *host, char **rest) {
    for (char *name; (name = strtok_r(NULL, blanks, rest));)
        if (same_name(name, host)) return true;
    return false;
}

/* false when out of memory: then *list is the rejection. */
static bool add(promise_value_t *list, const struct promise_address *address) {
    if (promise_is_void(*list)) *list = promise_list(0, NULL);
    if (promise__dns_add(*list, address)) return true;
    promise_value_clear(list);
    *list = promise_out_of_memory();
    return false;
}

/* RFC 6761, section 6.3: these never leave the machine. */
static bool is_localhost(const char *host) {
    static const char name[] = "localhost";
    size_t size = strlen(host), length = sizeof name - 1;

    if (size > 1 && host[size - 1] == '.') size--;
    if (size < length || strncasecmp(host + size - length, name, length)) return false;
    return size == length || host[size - length - 1] == '.';
}

static promise_value_t loopback(void) {
    static const char *const texts[] = {"::1", "127.0.0.1"};
    promise_value_t list = promise_void();
    struct promise_address address;

    for (size_t i = 0; i < 2; i++)
        if (promise_address_parse(&address, texts[i], 0) < 0 || !add(&list, &address)) break;
    return list;
}

promise_value_t promise__hosts_addresses(const char *path, const char *host) {
    FILE *file = path ? fopen(path, "re") : NULL;
    promise_value_t list = promise_void();
    struct promise_address address;
    char *line = NULL, *rest;
    size_t room = 0;

    if (file) {
        while (next_line(file, &line, &room, &address, &rest))
            if (has_name(host, &rest) && !add(&list, &address)) break;
        free(line);
        fclose(file);
    }
    return promise_is_void(list) && is_localhost(host) ? loopback() : list;
}

promise_value_t promise__hosts_name(const char *path, const struct promise_address *wanted) {
    FILE *file = path ? fopen(path, "re") : NULL;
    promise_value_t name = promise_void();
    struct promise_address address, alone = *wanted;
    char *line = NULL, *rest, *text;
    size_t room = 0;

    if (!file) return name;
    promise_address_set_port(&alone, 0);
    while (promise_is_void(name) && next_line(file, &line, &room, &address, &rest))
        if (promise_address_equal(&address, &alone) && (text = strtok_r(NULL, blanks, &rest))) name = promise_string(text);
    free(line);
    fclose(file);
    return name;
}
