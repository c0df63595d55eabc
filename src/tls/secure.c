/*
 * The handshake. The bufferevent is taken out of the plain stream, once that has sent what it had; where it is a socket's and
 * nothing has come yet, its descriptor goes to a new one, else the new one is a filter above it.
 */
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <promise/address.h>
#include <promise/memory.h>
#include <promise/timer.h>

/* ---- a connection ---- */

static int ssl_index = -1;
static char ours; /* in the place of a connection that is gone */

/* Without close_notify OpenSSL would not have the session resumed, as SSL 3 wanted it; that is no rule any more (RFC 5246,
 * section 7.2.1). Who goes on using the SSL is not to see it: so it is done when the last one lets go of it. */
static void ssl_goes(void *ssl, void *pointer, CRYPTO_EX_DATA *data, int index, long argl, void *argp) {
    (void)data, (void)index, (void)argl, (void)argp;
    if (pointer == &ours) SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

static void get_index(void) { ssl_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, ssl_goes); }

static int index_of_connection(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, get_index);
    return ssl_index;
}

struct tls_connection *promise__tls_connection_of(SSL *ssl) {
    void *pointer = SSL_get_ex_data(ssl, index_of_connection());
    return pointer == &ours ? NULL : pointer;
}

void promise__tls_forget(SSL *ssl) { SSL_set_ex_data(ssl, index_of_connection(), &ours); }

/* The address at the other end, or "": on a Unix socket those that connect have none. */
static void peer_of(int fd, char *text, size_t size, uint16_t *port) {
    struct promise_address peer = {.size = sizeof peer.storage};

    *text = 0;
    *port = 0;
    if (getpeername(fd, (struct sockaddr *)&peer.storage, &peer.size) < 0 || peer.storage.ss_family == AF_UNIX) return;
    promise_address_print(&peer, text, size);
    *port = promise_address_port(&peer);
}

/* The host as certificates have it: "www.example." without its dot, "[fe80::1%eth0]" without its brackets and scope. */
static size_t normal_size(const char **host) {
    size_t size;

    if (**host == '[') ++*host;
    size = strcspn(*host, "]%");
    return size && (*host)[size - 1] == '.' ? size - 1 : size;
}

/* Takes a reference to tls over, and one to plain; or NULL. */
static struct tls_connection *connection_new(promise_tls_t *tls, promise_stream_t *plain, const char *host) {
    char peer[PROMISE_ADDRESS_TEXT];
    uint16_t port;
    size_t room, size = host ? normal_size(&host) : 0;
    struct tls_connection *c;

    peer_of(promise_stream_fd(plain), peer, sizeof peer, &port);
    room = host ? size + sizeof "[]:65535" : strlen(peer) + sizeof "a client";
    c = promise_memory_alloc(sizeof *c + room + size + 1);
    if (!c) return NULL;
    *c = (struct tls_connection){.refs = 1, .tls = tls, .loop = promise_stream_loop(plain), .plain = plain};
    if (!host) snprintf(c->name, room, "%s", *peer ? peer : tls->server ? "a client" : "a server");
    else if (port) snprintf(c->name, room, memchr(host, ':', size) ? "[%.*s]:%u" : "%.*s:%u", (int)size, host, port);
    else snprintf(c->name, room, "%.*s", (int)size, host);
    if (host) {
        c->host = c->name + room;
        memcpy(c->host, host, size);
        c->host[size] = 0;
    }
    return c;
}

void promise__tls_connection_unref(void *connection) {
    struct tls_connection *c = connection;

    if (--c->refs) return;
    promise_stream_unref(c->plain);
    if (c->ssl) SSL_set_ex_data(c->ssl, index_of_connection(), NULL);
    SSL_free(c->ssl);
    promise_tls_unref(c->tls);
    promise_value_clear(&c->failure);
    promise_memory_free(c->alpn);
    promise_memory_free(c);
}

/* ---- what OpenSSL is told ---- */

static bool is_address(const char *host) {
    unsigned char address[16];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* Whom to ask for, and to expect. */
static bool set_host(struct tls_connection *c) {
    X509_VERIFY_PARAM *expected = SSL_get0_param(c->ssl);

    if (!c->host) return true;
    X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_address(c->host)) return X509_VERIFY_PARAM_set1_ip_asc(expected, c->host) == 1; /* no SNI (RFC 6066, section 3) */
    return SSL_set_tlsext_host_name(c->ssl, c->host) == 1 && SSL_set1_host(c->ssl, c->host) == 1;
}

static bool set_ssl(struct tls_connection *c) {
    c->ssl = SSL_new(c->tls->context);
    if (!c->ssl || SSL_set_ex_data(c->ssl, index_of_connection(), c) != 1) return false;
    /* libevent takes a part that was written for the whole, and waits for a socket while OpenSSL has read ahead of it. */
    SSL_clear_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_set_read_ahead(c->ssl, 0);
    if (c->tls->server) return true;
    if (!set_host(c)) return false;
    promise__tls_session_resume(c);
    return true;
}

/* ---- the bufferevent ---- */

static bool is_fresh_socket(struct bufferevent *plain) {
    return bufferevent_getfd(plain) >= 0 && !bufferevent_get_underlying(plain) && !bufferevent_openssl_get_ssl(plain) &&
           !evbuffer_get_length(bufferevent_get_input(plain)) && !evbuffer_get_length(bufferevent_get_output(plain));
}

/* Takes plain over; NULL when out of memory. The new one takes the descriptor, or plain, and a reference to the SSL. */
static struct bufferevent *put_above(struct tls_connection *c, struct bufferevent *plain) {
    enum bufferevent_ssl_state state = c->tls->server ? BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING;
    struct event_base *base = bufferevent_get_base(plain);
    struct bufferevent *bev;

    SSL_up_ref(c->ssl);
    if (is_fresh_socket(plain)) {
        evutil_socket_t fd = bufferevent_getfd(plain);
        if (SSL_set_fd(c->ssl, fd) != 1) SSL_free(c->ssl), bev = NULL; /* libevent would not look */
        else bev = bufferevent_openssl_socket_new(base, fd, c->ssl, state, BEV_OPT_CLOSE_ON_FREE);
        if (bev) bufferevent_setfd(plain, -1);
        bufferevent_free(plain);
        return bev;
    }
    /* A filter calls back from inside of what enables and reads it, if it is not told to do it later. */
    bev = bufferevent_openssl_filter_new(base, plain, c->ssl, state, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (bev)
        bufferevent_trigger(plain, EV_WRITE,
                            BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS); /* else it may wait for ever */
    else bufferevent_free(plain);
    return bev;
}

/* ---- the handshake ---- */

static void settle(struct tls_connection *c, promise_value_t v) {
    promise_resolver_t *resolver = c->resolver;

    c->resolver = NULL;
    promise_resolve(resolver, v);
}

static void let_go(struct tls_connection *c) {
    bufferevent_free(c->bev);
    c->bev = NULL;
}

static void stop(void *connection) {
    struct tls_connection *c = connection;
    promise_resolver_t *resolver = c->resolver;

    let_go(c);
    c->resolver = NULL;
    promise_abandon(resolver);
}

static void on_event(struct bufferevent *bev, short what, void *connection) {
    int error = EVUTIL_SOCKET_ERROR();
    struct tls_connection *c = connection;
    promise_loop_t *loop = c->loop;

    promise_source_enter(loop);
    if (what & BEV_EVENT_CONNECTED) {
        settle(c, promise__tls_stream(c));
    } else {
        promise_value_t why = promise__tls_failure(c, bev, what, error);
        let_go(c);
        settle(c, why);
    }
    promise_source_leave(loop);
}

static promise_value_t start(struct tls_connection *c, struct bufferevent *plain) {
    promise_t *p = promise_new(c->loop, &c->resolver);

    if (promise_resolver_is_pending(c->resolver)) c->bev = put_above(c, plain);
    else bufferevent_free(plain);
    if (c->bev) {
        promise_on_cancel(c->resolver, stop, c);
        bufferevent_setcb(c->bev, NULL, NULL, on_event, c);
    } else {
        settle(c, promise_out_of_memory());
    }
    return promise_adopt(p);
}

/* All that the plain stream had to send is sent. */
static promise_value_t begin(promise_value_t v, void *connection) {
    struct tls_connection *c = connection;
    struct bufferevent *plain = promise_stream_release(c->plain);
    promise_value_t why;

    (void)v;
    promise_stream_unref(c->plain);
    c->plain = NULL;
    if (!plain) return promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "the stream is closed");
    ERR_clear_error();
    if (set_ssl(c)) return start(c, plain);
    why = promise__tls_complaint(PROMISE_TLS_EHANDSHAKE, c->name);
    bufferevent_free(plain);
    return why;
}

/* promise_timeout() does not know what it was that took so long. */
static promise_value_t name_timeout(promise_value_t reason, void *connection) {
    const struct tls_connection *c = connection;

    if (!promise_is_timeout(reason)) return reason;
    return promise_wrap_at(NULL, reason, &promise_errors, PROMISE_ETIMEDOUT, "TLS handshake with %s: %s", c->name,
                           promise_error_message(reason));
}

/* Why there is nothing to begin, or void. */
static promise_value_t refused(const promise_tls_t *tls, const char *host) {
    promise_value_t why = promise_tls_error(tls);

    if (!promise_is_void(why)) return why;
    if (tls->server && host) return promise__tls_bad_argument("promise_tls_secure", "a server expects no host");
    if (tls->server) return promise_void();
    if (!host && !tls->insecure) return promise__tls_bad_argument("promise_tls_secure", "host is NULL");
    if (host && (!normal_size(&host) || *host == '.')) /* with a dot in front it would be any host below */
        return promise__tls_bad_argument("promise_tls_secure", "host is no name");
    return promise_void();
}

promise_t *promise_tls_secure(promise_stream_t *plain, const char *host, void *arg) {
    promise_loop_t *loop = promise_stream_loop(plain);
    promise_tls_t *tls = arg ? promise_tls_ref(arg) : promise__tls_default(loop);
    promise_value_t why = refused(tls, host);
    struct tls_connection *c = promise_is_void(why) ? connection_new(tls, plain, host) : NULL;
    promise_t *p;

    if (!c) {
        p = promise_from(loop, promise_is_void(why) ? promise_out_of_memory() : why);
        promise_stream_unref(plain);
        promise_tls_unref(tls);
        return p;
    }
    p = promise_then(promise_stream_drain(plain), begin, c);
    p = promise_catch(promise_timeout(p, tls->handshake_ms), name_timeout, c);
    return promise_attach(p, c, promise__tls_connection_unref);
}
