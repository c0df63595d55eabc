/* A secure stream: the layer that TLS adds to a stream on its bufferevent, and what can be asked of it. */
#include "tls.h"

#include <errno.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <promise/memory.h>

/* ---- the layer ---- */

static promise_value_t failed(promise_stream_t *stream, short what, void *connection) {
    int error = EVUTIL_SOCKET_ERROR();
    struct tls_connection *c = connection;

    (void)stream;
    c->broken = true;
    promise_value_set(&c->failure, promise__tls_failure(c, c->bev, what, error));
    /* To a peer that has taken leave there is nothing more to be said. */
    promise__tls_farewells_end(c, SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN ? promise_void() : c->failure);
    return c->failure;
}

static void gone(void *connection) {
    struct tls_connection *c = connection;

    if (c->farewells) {
        promise_value_set(&c->failure, promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "the stream is closed"));
        promise__tls_farewells_end(c, c->failure);
    }
    if (c->read) evbuffer_remove_cb_entry(bufferevent_get_input(c->bev), c->read);
    promise__tls_forget(c->ssl);
    SSL_free(c->ssl);
    c->ssl = NULL;
    c->bev = NULL;
    promise__tls_connection_unref(c);
}

static const struct promise_stream_layer layer = {sizeof layer, promise__tls_finish, failed, gone};

/* When the input is full, libevent stops in the middle of a record, and afterwards waits for the socket, while OpenSSL has
 * the rest. */
static void on_read(struct evbuffer *input, const struct evbuffer_cb_info *info, void *connection) {
    struct tls_connection *c = connection;

    (void)input;
    if (info->n_deleted && SSL_pending(c->ssl) > 0) event_active(&c->bev->ev_read, EV_READ, 0);
}

/* The protocol that both agreed on, as a text. -1 when out of memory. */
static int note_protocol(struct tls_connection *c) {
    const unsigned char *name;
    unsigned size;

    SSL_get0_alpn_selected(c->ssl, &name, &size);
    if (!size) return 0;
    c->alpn = promise_memory_alloc(size + 1u);
    if (!c->alpn) return -1;
    memcpy(c->alpn, name, size);
    c->alpn[size] = 0;
    return 0;
}

promise_value_t promise__tls_stream(struct tls_connection *c) {
    struct bufferevent *bev = c->bev;
    promise_stream_t *stream;

    c->open = true;
    if (!bufferevent_get_underlying(bev)) c->read = evbuffer_add_cb(bufferevent_get_input(bev), on_read, c);
    if (note_protocol(c) < 0 || (!c->read && !bufferevent_get_underlying(bev))) {
        c->bev = NULL;
        bufferevent_free(bev);
        return promise_out_of_memory();
    }
    c->refs++;
    stream = promise_stream_wrap(c->loop, bev);
    promise_stream_set_layer(stream, &layer, c);
    return promise_stream_value(stream);
}

/* ---- query ---- */

static const struct tls_connection *connection_of(const promise_stream_t *stream) {
    return promise_stream_layer_data(stream, &layer);
}

const char *promise_tls_version(const promise_stream_t *stream) {
    const struct tls_connection *c = connection_of(stream);
    return c ? SSL_get_version(c->ssl) : NULL;
}
const char *promise_tls_cipher(const promise_stream_t *stream) {
    const struct tls_connection *c = connection_of(stream);
    return c ? SSL_get_cipher_name(c->ssl) : NULL;
}
const char *promise_tls_alpn(const promise_stream_t *stream) {
    const struct tls_connection *c = connection_of(stream);
    return c ? c->alpn : NULL;
}
bool promise_tls_session_reused(const promise_stream_t *stream) {
    const struct tls_connection *c = connection_of(stream);
    return c && SSL_session_reused(c->ssl);
}
SSL *promise_tls_ssl(const promise_stream_t *stream) {
    const struct tls_connection *c = connection_of(stream);
    return c ? c->ssl : NULL;
}

promise_value_t promise_tls_peer(const promise_stream_t *stream) {
    const struct tls_connection *c = connection_of(stream);
    X509 *certificate = c ? SSL_get0_peer_certificate(c->ssl) : NULL;
    BIO *out = certificate ? BIO_new(BIO_s_mem()) : NULL;
    promise_value_t v;
    char *text;
    long size;

    if (!certificate) return promise_void();
    if (!out || X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) < 0) {
        v = promise__tls_complaint(PROMISE_TLS_EPROTOCOL, "the peer's subject");
    } else {
        size = BIO_get_mem_data(out, &text);
        v = promise_stringf("%.*s", (int)size, text);
    }
    BIO_free(out);
    return v;
}
