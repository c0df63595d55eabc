/*
 * What went wrong, in OpenSSL's words.
 *
 * A bufferevent keeps up to three numbers of an error, which are asked for last first: OpenSSL's queue, of which the oldest
 * entry is the cause, and below it what SSL_get_error() said. All are taken: what is left over would be told of the next
 * error.
 */
#include "tls.h"

#include <errno.h>
#include <stdio.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/x509.h>

static const char *describe(int code) {
    switch (code) {
    case PROMISE_TLS_EOPTIONS: return "the options cannot be used";
    case PROMISE_TLS_EVERIFY: return "the peer's certificate was not accepted";
    case PROMISE_TLS_EALERT: return "the peer refused";
    case PROMISE_TLS_EHANDSHAKE: return "the handshake failed";
    case PROMISE_TLS_EPROTOCOL: return "the peer does not keep to the protocol";
    case PROMISE_TLS_ETRUNCATED: return "the connection ended without close_notify";
    default: return NULL;
    }
}
static const char *describe_verify(int code) { return X509_verify_cert_error_string(code); }

const struct promise_domain promise_tls_errors = {"tls", describe};
const struct promise_domain promise_tls_verify_errors = {"tls_verify", describe_verify};

promise_value_t promise__tls_bad_argument(const char *function, const char *what) {
    return promise_throw_errno_at(NULL, EINVAL, "%s: %s", function, what);
}

/* ---- one of OpenSSL's numbers ---- */

static const char *words(unsigned long number) {
    const char *text = ERR_reason_error_string(number);
    return text ? text : "OpenSSL gives no reason";
}

static bool is_reason(unsigned long number, int reason) {
    return ERR_GET_LIB(number) == ERR_LIB_SSL && ERR_GET_REASON(number) == reason;
}

/* The peer's alerts have their own range of reasons. */
static int kind(unsigned long number, int otherwise) {
    if (is_reason(number, SSL_R_UNEXPECTED_EOF_WHILE_READING)) return PROMISE_TLS_ETRUNCATED;
    if (ERR_GET_LIB(number) == ERR_LIB_SSL && ERR_GET_REASON(number) > SSL_AD_REASON_OFFSET) return PROMISE_TLS_EALERT;
    return otherwise;
}

static promise_value_t from_number(unsigned long number, int otherwise, const char *what) {
    if (ERR_SYSTEM_ERROR(number)) return promise_throw_errno_at(NULL, ERR_GET_REASON(number), "%s", what);
    if (ERR_GET_REASON(number) == ERR_R_MALLOC_FAILURE) return promise_out_of_memory();
    return promise_throw_at(NULL, &promise_tls_errors, kind(number, otherwise), "%s: %s", what, words(number));
}

promise_value_t promise__tls_complaint(int code, const char *what) {
    unsigned long number = ERR_get_error();

    ERR_clear_error();
    if (number) return from_number(number, code, what);
    return promise_throw_at(NULL, &promise_tls_errors, code, "%s: OpenSSL gives no reason", what);
}

/* ---- a connection ---- */

/* The peer's certificate, as we judged it; void when that was not the trouble. */
static promise_value_t verdict(const struct tls_connection *c, unsigned long number, const char *what) {
    long result = SSL_get_verify_result(c->ssl);
    promise_value_t cause;

    if (is_reason(number, SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE))
        return promise_throw_at(NULL, &promise_tls_errors, PROMISE_TLS_EVERIFY, "%s: %s", what, words(number));
    if (!is_reason(number, SSL_R_CERTIFICATE_VERIFY_FAILED) || result == X509_V_OK) return promise_void();
    cause = promise_throw_at(NULL, &promise_tls_verify_errors, (int)result, "%s", describe_verify((int)result));
    return promise_wrap_at(NULL, cause, &promise_tls_errors, PROMISE_TLS_EVERIFY, "%s: %s: %s", what, words(number),
                           describe_verify((int)result));
}

/* The cause, or 0 when it was the system's. An error of what is below is the cause of those above. */
static unsigned long take_numbers(struct bufferevent *bev) {
    unsigned long number, cause = 0;

    for (; bev; bev = bufferevent_get_underlying(bev))
        while ((number = bufferevent_get_openssl_error(bev)))
            if (number != SSL_ERROR_SYSCALL && number != SSL_ERROR_SSL) cause = number;
    ERR_clear_error();
    return cause;
}

static promise_value_t truncated(const char *what) {
    return promise_throw_at(NULL, &promise_tls_errors, PROMISE_TLS_ETRUNCATED, "%s: %s", what,
                            describe(PROMISE_TLS_ETRUNCATED));
}

promise_value_t promise__tls_failure(struct tls_connection *c, struct bufferevent *bev, short what, int error) {
    unsigned long number = take_numbers(bev);
    char text[512];
    promise_value_t v;

    snprintf(text, sizeof text, c->open ? "TLS with %s" : "TLS handshake with %s", c->name);
    if (number) {
        v = c->open ? promise_void() : verdict(c, number, text);
        return promise_is_void(v) ? from_number(number, c->open ? PROMISE_TLS_EPROTOCOL : PROMISE_TLS_EHANDSHAKE, text) : v;
    }
    /* The end of what is under a filter comes as an error of no direction; in the handshake, close_notify comes as the end. */
    if (what == BEV_EVENT_ERROR || what & BEV_EVENT_EOF || !error)
        return c->open && SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN ? promise_throw_errno_at(NULL, EPIPE, "%s", text)
                                                                           : truncated(text);
    return promise_throw_errno_at(NULL, error, "%s", text);
}
