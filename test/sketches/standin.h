/*
 * What the sketches use that is not in the library yet: an HTTP client, files, and a reader of JSON. The client sends what is
 * for HOST.example to a server on loopback, which runs on the same base and knows what each made-up host is to answer.
 */
#ifndef SKETCHES_STANDIN_H
#define SKETCHES_STANDIN_H

#include <promise.h>

/* Codes are statuses of 400 and more, or 0: no answer. */
extern const struct promise_domain promise_http_errors;

promise_t *promise_http_get(promise_loop_t *loop, const char *url);
promise_t *promise_http_post(promise_loop_t *loop, const char *url, promise_value_t body);
promise_value_t promise_http_body(promise_value_t response); /* bytes, lent */

promise_t *promise_file_write(promise_loop_t *loop, const char *name, promise_value_t bytes);

/* A copy of the string under that key in a flat object, or NULL. */
char *json_get_string(const char *json, size_t size, const char *key);

#endif
