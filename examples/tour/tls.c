/* TLS: both ends of a secure connection, what is refused, sessions. */
#include "tour.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <promise/tls.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

static char shop[] = "/tmp/promise-tour-XXXXXX"; /* the certificate of shop.test, and its key */

/* Signed by itself: who trusts it as an authority accepts it. */
static int make_certificate(void) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:shop.test");
    FILE *file = fdopen(mkstemp(shop), "w");
    int ok = key && x && names && file && X509_set_version(x, X509_VERSION_3) &&
             X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"shop.test", -1,
                                        -1, 0) &&
             X509_set_issuer_name(x, X509_get_subject_name(x)) && X509_gmtime_adj(X509_getm_notBefore(x), 0) &&
             X509_gmtime_adj(X509_getm_notAfter(x), 3600) && X509_set_pubkey(x, key) && X509_add_ext(x, names, -1) &&
             X509_sign(x, key, EVP_sha256()) && PEM_write_X509(file, x) &&
             PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);

    if (file) fclose(file);
    X509_EXTENSION_free(names);
    X509_free(x);
    EVP_PKEY_free(key);
    return ok;
}

/* region: stream */
/* The server's end, when the handshake is over. It is a stream like any other. */
static promise_value_t greet(promise_value_t v, void *arg) {
    promise_stream_t *stream = promise_as_stream(v);
    (void)arg;
    promise_unref(promise_stream_write(stream, promise_stringf("welcome, by %s\n", promise_tls_version(stream))));
    return promise_adopt(promise_attach(promise_stream_close(stream), promise_stream_ref(stream), promise_stream_unref));
}

/* The client's: it knows whom it talks to. */
static promise_value_t listen_to(promise_value_t v, void *arg) {
    promise_value_t peer = promise_tls_peer(promise_as_stream(v));
    (void)arg;
    printf("client: this is %s; session %s\n", promise_as_string(peer),
           promise_tls_session_reused(promise_as_stream(v)) ? "resumed" : "new");
    promise_value_clear(&peer);
    return promise_adopt(promise_stream_read_line(promise_as_stream(v), 1000));
}
/* end: stream */

/* region: secure */
static promise_t *serve(promise_stream_t *plain, promise_tls_t *server) {
    return promise_then(promise_tls_secure(plain, NULL, server), greet, NULL);
}

static promise_t *visit(promise_stream_t *plain, const char *host, promise_tls_t *client) {
    promise_t *p = promise_then(promise_tls_secure(plain, host, client), listen_to, NULL);
    return promise_then(p, show, "client");
}
/* end: secure */

/* region: context */
static promise_tls_t *make_server(void) {
    struct promise_tls_options options = {.certificate_file = shop}; /* and the key, which is in it as well */
    return promise_tls_server(&options);
}

static promise_tls_t *make_client(void) {
    struct promise_tls_options options = {.authorities_file = shop}; /* else: those that the system trusts */
    return promise_tls_client(&options);
}
/* end: context */

/* region: errors */
static promise_value_t explain(promise_value_t reason, void *arg) {
    (void)arg;
    if (!promise_error_is(reason, &promise_tls_errors, PROMISE_TLS_EVERIFY)) return reason;
    if (promise_error_is(reason, &promise_tls_verify_errors, X509_V_ERR_HOSTNAME_MISMATCH)) printf("that is somebody else\n");
    printf("%s\n", promise_error_message(reason));
    return promise_void();
}
/* end: errors */

static promise_tls_t *server, *client;

static promise_value_t ignore(promise_value_t reason, void *arg) {
    (void)reason, (void)arg;
    return promise_void();
}

static promise_t *meet(promise_loop_t *loop, const char *host) {
    promise_stream_t *ends[2];
    promise_t *served, *visited;

    promise_stream_pair(loop, ends);
    served = promise_catch(serve(ends[0], server), ignore, NULL);
    visited = promise_catch(visit(ends[1], host, client), explain, NULL);
    return promise_all_of(loop, served, visited, NULL);
}

static promise_t *once(promise_loop_t *loop) { return meet(loop, "shop.test"); }
static promise_t *again(promise_loop_t *loop) { return meet(loop, "shop.test"); }
static promise_t *elsewhere(promise_loop_t *loop) { return meet(loop, "bank.test"); }

int main(void) {
    static tour_fn *const parts[] = {once, again, elsewhere};
    int status;

    if (!make_certificate()) return 1;
    server = make_server();
    client = make_client();
    unlink(shop);
    status = tour(sizeof parts / sizeof *parts, parts);
    promise_tls_unref(server);
    promise_tls_unref(client);
    return status;
}
