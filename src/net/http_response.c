/* Responses that a server's handler makes. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include <promise/source.h>

#include "http_message.h"

enum { USUAL_FIELDS = 6 }; /* there is room for as many at once */

static struct http_message *response_new(int status) {
    struct http_message *m = promise__http_message_new(USUAL_FIELDS, 0);

    if (!m) return NULL;
    m->status = status;
    m->reason = promise__http_reason(status);
    return m;
}

static bool is_status(int status) { return status >= 200 && status <= 999; }

static promise_value_t bad_status(const char *function, int status) {
    return promise_throw_errno(EINVAL, "%s: status is %d", function, status);
}

promise_value_t promise_http_response(int status, promise_value_t body) {
    promise_value_t own = promise_void(), wrong;
    struct http_message *m;

    if (promise_is_rejection(body)) return body;
    promise_value_set(&own, body); /* from here on it is let go of, whatever happens */
    if (!is_status(status)) wrong = bad_status(__func__, status);
    else if (!promise_is_void(own) && !promise_is(own, &promise_type_string) && !promise_is(own, &promise_type_bytes))
        wrong = promise_throw_errno(EINVAL, "promise_http_response: body is %s", promise_type_name(own));
    else if (!(m = response_new(status))) wrong = promise_out_of_memory();
    else {
        m->body = own;
        return promise__http_message_value(m);
    }
    promise_value_clear(&own);
    return wrong;
}

promise_value_t promise_http_response_stream(int status, promise_iterator_t *body, uint64_t size) {
    promise_value_t wrong = promise_void();
    struct http_message *m = NULL;

    if (!body) wrong = promise_throw_errno(EINVAL, "promise_http_response_stream: body is NULL");
    else if (!is_status(status)) wrong = bad_status(__func__, status);
    else if (!(m = response_new(status))) wrong = promise_out_of_memory();
    if (!m) {
        promise_iterator_close(body);
        return wrong;
    }
    m->stream = body;
    m->stream_size = size;
    return promise__http_message_value(m);
}

int promise_http_add_header(promise_value_t message, const char *name, const char *value) {
    struct http_message *m;

    if (promise_is_rejection(message) || !name || !value) return -1;
    m = promise__http_message_of(message);
    if (!strcasecmp(name, "content-length") || !strcasecmp(name, "transfer-encoding")) return -1;
    if (strcasecmp(name, "connection") != 0) return promise__http_message_add(m, name, value);
    if (strcasecmp(value, "close") != 0) return -1;
    m->keep_alive = false;
    return 0;
}
