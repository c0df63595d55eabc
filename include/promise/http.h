/*
 * HTTP/1.1: what the client (<promise/http_client.h>) and the server (<promise/http_server.h>) share: messages and errors.
 *
 *     static promise_value_t got_page(promise_value_t response, void *arg) {
 *         const char *type = promise_http_header(response, "content-type");
 *         printf("%d %s\n", promise_http_status(response), type ? type : "of no type");
 *         return promise_http_body(response);
 *     }
 *
 * A message is a value: the client's responses, the server's requests, and the responses that a server's handler makes. What
 * these functions give is lent: it lives as long as the value. A value that is no message stops the program.
 */
#ifndef PROMISE_HTTP_H
#define PROMISE_HTTP_H

#include <promise/error.h>
#include <promise/iterator.h>
#include <promise/promise.h>

PROMISE_BEGIN

PROMISE_API extern const struct promise_type promise_type_http;

/* Codes from 100 on are HTTP's own statuses (promise_error_is(v, &promise_http_errors, 404)). The others have what they
 * came of as their cause: errno's, promise_dns_errors, promise_tls_errors. */
PROMISE_API extern const struct promise_domain promise_http_errors;
enum promise_http_error_code {
    PROMISE_HTTP_EURL = 1,   /* no URL of ours */
    PROMISE_HTTP_ERESOLVE,   /* the host's name was not found */
    PROMISE_HTTP_ECONNECT,   /* no connection */
    PROMISE_HTTP_ESECURE,    /* no secure one; or https without a secure function */
    PROMISE_HTTP_ETIMEDOUT,  /* connect_ms, first_byte_ms, total_ms, ...: the message says which */
    PROMISE_HTTP_EPROTOCOL,  /* the peer does not speak HTTP/1 */
    PROMISE_HTTP_ETOOLARGE,  /* a head or body over the limit */
    PROMISE_HTTP_ETRUNCATED, /* the connection ended or broke before the message did */
    PROMISE_HTTP_EREDIRECT   /* too many, or to nowhere */
};

/* ---- look ---- */

/* 200; 0 in a request. */
PROMISE_API int promise_http_status(promise_value_t message);
/* "OK", as the peer says it, perhaps empty; a made response's is that of its status. "" in a request. */
PROMISE_API const char *promise_http_reason_phrase(promise_value_t message);
/* "GET"; NULL in a response. */
PROMISE_API const char *promise_http_method(promise_value_t message);
/* As it came: "/a%20b?c=d"; NULL in a response. */
PROMISE_API const char *promise_http_target(promise_value_t message);
/* The target's path, decoded: "/a b". It begins with a slash and has no NUL and no ".." step: requests with such ones are
 * answered by the server itself (400). But "*" in OPTIONS * and "" in CONNECT. NULL in a response. */
PROMISE_API const char *promise_http_path(promise_value_t message);
/* What is behind the target's '?', not decoded, or NULL. */
PROMISE_API const char *promise_http_query(promise_value_t message);
/* Where a response came from, after redirects; NULL in other messages. */
PROMISE_API const char *promise_http_url(promise_value_t message);
/* The value of a header, whatever the case of name: several are joined by ", " (but Set-Cookie: the first). NULL: none. */
PROMISE_API const char *promise_http_header(promise_value_t message, const char *name);
/* All of them, as they came and in that order. An index that is too large stops the program. */
PROMISE_API size_t promise_http_header_count(promise_value_t message);
PROMISE_API const char *promise_http_header_name(promise_value_t message, size_t index);
PROMISE_API const char *promise_http_header_value(promise_value_t message, size_t index);
/* The whole body as a string or bytes, lent; empty where there is none (made on demand: or ENOMEM). Of a message whose body is
 * streamed it stops the program. */
PROMISE_API promise_value_t promise_http_body(promise_value_t message);

/* ---- a body that is streamed ---- */

/* The body piece by piece, as bytes; backpressure reaches the peer. Once to a message: a second time rejects with
 * PROMISE_ECLOSED. Closing it early lets go of the connection. The iterator holds the message. Of a message with a whole
 * body: that, in one piece. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_http_chunks(promise_value_t message);
/* All that is left of it, as bytes; over max rejects with PROMISE_HTTP_ETOOLARGE. Otherwise as promise_http_chunks(). */
PROMISE_API PROMISE_MUST_USE promise_t *promise_http_read_body(promise_value_t message, size_t max);

/* ---- make: a server's responses ---- */

/* body: a string, bytes, or void; a rejection comes back as it is, another type, or a status that is not one of 200 to 999, is
 * an EINVAL rejection. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_http_response(int status, promise_value_t body);
/* The body comes from the iterator (consumed), items are strings or bytes; sent chunked, or with size as Content-Length
 * (UINT64_MAX: not known). */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_http_response_stream(int status, promise_iterator_t *body, uint64_t size);
/* Adds a header, both texts are copied. 0, or -1 when out of memory, when name or value hold what they must not (CR, LF,
 * NUL, no token), or when message is a rejection. What frames the message is the library's: Content-Length,
 * Transfer-Encoding, and Connection, are refused, but "Connection: close", which has the connection closed afterwards. */
PROMISE_API int promise_http_add_header(promise_value_t message, const char *name, const char *value);

PROMISE_END

#endif
