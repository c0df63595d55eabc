/* What a client knows already, and which part it wants: conditions (RFC 9110, section 13) and ranges (section 14). */
#ifndef PROMISE_NET_HTTP_CONDITION_H
#define PROMISE_NET_HTTP_CONDITION_H

#include <stdint.h>
#include <time.h>

#include <promise/value.h>

/* What there is. */
struct http_entity {
    const char *etag; /* with its quotes */
    time_t modified;
    uint64_t size;
};

/* 200: send it all. 206: send size bytes from offset. 304: the client has it. 412: it is not what the client meant. 416:
 * it has no such part. request: a GET or HEAD. */
struct http_wanted {
    int status;
    uint64_t offset, size;
};
struct http_wanted promise__http_wanted(promise_value_t request, const struct http_entity *entity);

#endif
