/* What a client knows of a file, and which part it wants: the lines are the values of the headers below, in that order. */
#include "fuzz.h"

#include <promise.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/net/http_condition.h"
#include "../src/net/http_date.h"
#include "../src/net/http_message.h"

static const char *const names[] = {"Range",    "If-Range",          "If-None-Match",
                                    "If-Match", "If-Modified-Since", "If-Unmodified-Since"};

static promise_loop_t *loop;

static void check(bool holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* What was understood of a date is the same when it is written and read again, as long as its year can be written. */
static void check_date(const char *text) {
    const time_t last = 253402300799; /* of 9999 */
    char again[HTTP_DATE_SIZE];
    time_t when, then;

    if (!promise__http_date_parse(text, &when) || when > last) return;
    promise__http_date(again, when);
    check(promise__http_date_parse(again, &then) && then == when, text);
}

static void check_part(promise_value_t request, uint64_t size) {
    const struct http_entity entity = {"\"a-1\"", 784111777, size};
    struct http_wanted wanted = promise__http_wanted(request, &entity);

    switch (wanted.status) {
    case 200: check(!wanted.offset && wanted.size == size, "not all of it"); break;
    case 206: check(wanted.size && wanted.offset < size && wanted.size <= size - wanted.offset, "a part beyond it"); break;
    default: check(wanted.status == 304 || wanted.status == 412 || wanted.status == 416, "another status");
    }
}

/* The head of a request with the lines of text, which it takes apart. Freed by the caller. */
static char *head_of(char *text, size_t size) {
    static const char first[] = "GET / HTTP/1.1\r\nHost: x\r\n";
    char *head = malloc(sizeof first + size + 6 * 32), *at = head, *line = text;

    check(head != NULL, "out of memory");
    at += sprintf(at, "%s", first);
    for (size_t i = 0; i < 6 && line; i++) {
        char *end = strchr(line, '\n');
        if (end) *end++ = 0;
        check_date(line);
        if (*line) at += sprintf(at, "%s: %s\r\n", names[i], line);
        line = end;
    }
    return head;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint64_t sizes[] = {0, 1, 1000, UINT64_MAX};
    char *text = malloc(size + 1), *head;
    struct http_fault fault;
    struct http_message *m;

    if (!loop) loop = promise_loop_new(NULL);
    check(loop && text, "out of memory");
    if (size) memcpy(text, data, size);
    text[size] = 0;
    head = head_of(text, size);
    m = promise__http_parse_request(loop, head, strlen(head), &fault);
    if (m) {
        promise_value_t request = promise__http_message_value(m);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) check_part(request, sizes[i]);
        promise_value_clear(&request);
    }
    free(head);
    free(text);
    return 0;
}
