/* The table of faults, what TLS adds to it (R17, R21). The finer ones are in test_tls_faults.c. */
#include "certificates.h"
#include "faults.h"
#include "tlspair.h"

#include <promise/tls.h>
#include <stdio.h>

#define TLS(code)                                                                                                              \
    { &promise_tls_errors, PROMISE_TLS_##code, "PROMISE_TLS_" #code }
#define VERIFY(code)                                                                                                           \
    { &promise_tls_verify_errors, code, #code }

/* ---- two ends ---- */

static promise_tls_t *kept(promise_tls_t *tls) {
    close_after_loop(promise_tls_unref, tls);
    return tls;
}

/* That good.test is here. */
static const struct promise_connect_options *connect_here(void) {
    static struct promise_connect_options options; /* it must outlive the client */
    const char *path = in_folder("hosts");
    FILE *hosts = fopen(path, "w");

    ck_assert_ptr_nonnull(hosts);
    fputs("127.0.0.1 good.test\n", hosts);
    fclose(hosts);
    options.dns = promise_dns_new(loop, &(struct promise_dns_options){.hosts_file = path, .no_system = true});
    return &options;
}

static promise_t *get(const struct promise_address *address, uint64_t connect_ms) {
    const struct promise_http_client_options options = {.connect = connect_here(),
                                                        .secure = promise_tls_secure,
                                                        .secure_arg = kept(good_client(NULL)),
                                                        .connect_ms = connect_ms};

    return request(new_client(&options), url_at("https", "good.test", address));
}

static promise_value_t handler(promise_value_t r, void *arg) {
    (void)r, (void)arg;
    return promise_string("fine");
}

static void serve(struct promise_tls_options options, struct promise_address *address) {
    new_server(handler,
               (struct promise_http_server_options){.secure = promise_tls_secure, .secure_arg = kept(good_server(&options))},
               address);
}

/* The row's option is the name of the server's certificate. */
static struct promise_tls_options certified(const struct fault *f) {
    return (struct promise_tls_options){.certificate_file = certificate(f->options)};
}

static promise_t *get_from(const struct fault *f) {
    struct promise_address address;

    serve(certified(f), &address);
    return get(&address, 0);
}

static promise_t *get_as_nobody(const struct fault *f) {
    struct promise_tls_options options = certified(f);
    struct promise_address address;

    options.verify_client = true;
    options.authorities_file = certificate("authority");
    serve(options, &address);
    return get(&address, 0);
}

static promise_t *connect_to(const struct fault *f) {
    struct promise_address address;

    serve(certified(f), &address);
    return promise_tls_connect(loop, kept(good_client(NULL)), "127.0.0.1", promise_address_port(&address));
}

/* ---- a peer of another kind ---- */

static promise_t *get_from_peer(const struct fault *f) {
    struct promise_address address;

    peer_listens(f, &address);
    return get(&address, 0);
}

static promise_t *get_in_time(const struct fault *f) {
    struct promise_address address;

    peer_listens(f, &address);
    return get(&address, 30);
}

static promise_value_t accepted(promise_value_t stream, void *tls) {
    return promise_adopt(promise_tls_secure(promise_stream_ref(promise_as_stream(stream)), NULL, tls));
}

static promise_listener_t *listener_at(struct promise_address *address) {
    promise_listener_t *listener = promise_listener_new(loop, "127.0.0.1", 0);

    ck_assert_int_eq(promise_listener_address(listener, address), 0);
    close_with_loop(promise_listener_close, listener);
    return listener;
}

static promise_t *accept_from_peer(const struct fault *f) {
    promise_tls_t *tls = kept(good_server(&(struct promise_tls_options){.handshake_ms = f->options ? 30 : 0}));
    struct promise_address address;
    promise_listener_t *listener = listener_at(&address);

    ck_assert_ptr_null(peer_calls(f, &address));
    return promise_then(promise_listener_accept(listener), accepted, tls);
}

/* A server that answers by half of what it says, and is gone. */
static promise_value_t leave(promise_value_t v, void *secure) {
    (void)v;
    promise_stream_abort(secure);
    return promise_void();
}
static promise_value_t answer(promise_value_t head, void *secure) {
    (void)head;
    promise_unref(promise_stream_write(secure, promise_string("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")));
    return promise_adopt(promise_then(promise_stream_drain(secure), leave, secure));
}
static promise_value_t secured(promise_value_t v, void *arg) {
    promise_stream_t *secure = promise_stream_ref(promise_as_stream(v));

    (void)arg;
    return promise_adopt(
        promise_attach(promise_then(promise_stream_read_until(secure, promise_string("\r\n\r\n"), 1000), answer, secure),
                       secure, promise_stream_unref));
}

static promise_value_t nothing(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

static promise_t *get_half(const struct fault *f) {
    promise_tls_t *tls = kept(good_server(NULL));
    struct promise_address address;
    promise_listener_t *listener = listener_at(&address);

    (void)f;
    promise_unref(promise_catch(promise_then(promise_then(promise_listener_accept(listener), accepted, tls), secured, NULL),
                                nothing, NULL));
    return get(&address, 0);
}

/* ---- the table ---- */

#define GET "`promise_http_client_request()`"
#define FROM "GET https://good.test:*/: "
#define HELLO HEARS("\x16") /* the first byte of a handshake */

static const struct fault faults[] = {
    SECTION("TLS"),
    ROW("the certificate has expired", GET, HTTP(ESECURE),
        FROM "TLS handshake with good.test:*: certificate verify failed: certificate has expired", get_from,
        .cause = VERIFY(X509_V_ERR_CERT_HAS_EXPIRED), .options = "expired"),
    ROW("the certificate is for another host", GET, HTTP(ESECURE),
        FROM "TLS handshake with good.test:*: certificate verify failed: hostname mismatch", get_from,
        .cause = VERIFY(X509_V_ERR_HOSTNAME_MISMATCH), .options = "other"),
    ROW("the certificate is signed by itself", GET, HTTP(ESECURE),
        FROM "TLS handshake with good.test:*: certificate verify failed: self-signed certificate", get_from,
        .cause = VERIFY(X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT), .options = "self"),
    ROW("the certificate is of an unknown authority", GET, HTTP(ESECURE),
        FROM "TLS handshake with good.test:*: certificate verify failed: unable to get local issuer certificate", get_from,
        .cause = VERIFY(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY), .options = "stranger"),
    ROW("the certificate is for another address", "`promise_tls_connect()`", TLS(EVERIFY),
        "TLS handshake with 127.0.0.1:*: certificate verify failed: IP address mismatch", connect_to,
        .cause = VERIFY(X509_V_ERR_IP_ADDRESS_MISMATCH), .options = "other"),
    ROW("the server asks for a certificate of ours", GET, HTTP(ETRUNCATED),
        FROM "the connection broke before the end of the head: TLS with good.test:*: tlsv13 alert certificate required",
        get_as_nobody, .cause = TLS(EALERT), .options = "good"),
    ROW("the server speaks no TLS", GET, HTTP(ESECURE), FROM "TLS handshake with good.test:*: wrong version number",
        get_from_peer, .peer = {HELLO, SAYS("HTTP/1.1 400 No\r\n\r\n")}, .cause = TLS(EHANDSHAKE)),
    ROW("the server leaves in the handshake", GET, HTTP(ESECURE),
        FROM "TLS handshake with good.test:*: unexpected eof while reading", get_from_peer, .peer = {HELLO, ENDS, STAYS},
        .cause = TLS(ETRUNCATED)),
    ROW("the server resets the connection in the handshake", GET, HTTP(ESECURE),
        FROM "TLS handshake with good.test:*: Connection reset by peer", get_from_peer, .peer = {HELLO, RESETS},
        .cause = ERRNO(ECONNRESET)),
    ROW("the server never answers", GET, HTTP(ETIMEDOUT), FROM "no connection within 30 ms", get_in_time, .peer = {STAYS}),
    ROW("the connection is cut in mid-body, without close_notify", GET, HTTP(ETRUNCATED),
        FROM "the connection broke before the end of the body: TLS with good.test:*: unexpected eof while reading", get_half,
        .cause = TLS(ETRUNCATED)),
    ROW("a client that speaks no TLS", "`promise_tls_secure()`", TLS(EHANDSHAKE),
        "TLS handshake with 127.0.0.1:*: http request", accept_from_peer,
        .peer = {SAYS("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), STAYS}),
    ROW("a client that leaves in the handshake", "`promise_tls_secure()`", TLS(ETRUNCATED),
        "TLS handshake with 127.0.0.1:*: unexpected eof while reading", accept_from_peer,
        .peer = {SAYS("\x16\3\1\2"), ENDS, STAYS}),
    ROW("slow loris: a client that never comes to the end of its handshake", "`promise_tls_secure()`", PROMISE(ETIMEDOUT),
        "TLS handshake with 127.0.0.1:*: timed out after 30 ms", accept_from_peer, .peer = {SAYS("\x16\3\1\2"), DRIPS},
        .options = "in time"),
};
enum { FAULTS = sizeof faults / sizeof *faults };

int main(int argc, char **argv) {
    if (faults_listed(argc, argv, faults, FAULTS)) return 0;
    return tls_test_main(faults_suite("faults_tls", faults, FAULTS));
}
