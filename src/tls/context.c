/* promise_tls_t: the options, as OpenSSL's SSL_CTX. */
#include "tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <promise/memory.h>

/* ---- the options, one by one: void, or why not ---- */

static promise_value_t complain(const char *what, const char *name) {
    char text[512];

    snprintf(text, sizeof text, "%s %s", what, name);
    return promise__tls_complaint(PROMISE_TLS_EOPTIONS, text);
}

/* Instead of OpenSSL's, which asks at the terminal. */
static int give_password(char *buffer, int size, int rwflag, void *arg) {
    size_t length = arg ? strlen(arg) : 0;

    (void)rwflag;
    if (!length || length > (size_t)size) return -1;
    memcpy(buffer, arg, length);
    return (int)length;
}

static promise_value_t set_certificate(SSL_CTX *context, const struct promise_tls_options *o) {
    const char *key = o->key_file ? o->key_file : o->certificate_file;
    union {
        const char *text;
        void *arg;
    } password = {o->key_password};
    bool loaded;

    if (!o->certificate_file && o->key_file)
        return promise_throw_at(NULL, &promise_tls_errors, PROMISE_TLS_EOPTIONS, "key file %s: without a certificate", key);
    if (!o->certificate_file) return promise_void();
    if (SSL_CTX_use_certificate_chain_file(context, o->certificate_file) != 1)
        return complain("certificate file", o->certificate_file);
    SSL_CTX_set_default_passwd_cb(context, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, password.arg);
    loaded = SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1 && SSL_CTX_check_private_key(context) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL); /* it was borrowed */
    return loaded ? promise_void() : complain("key file", key);
}

static promise_value_t set_authorities(SSL_CTX *context, const struct promise_tls_options *o) {
    if (o->authorities_path && access(o->authorities_path, R_OK | X_OK) < 0) /* OpenSSL looks into it later only */
        return promise_throw_errno_at(NULL, errno, "authorities %s", o->authorities_path);
    if (o->authorities_file && SSL_CTX_load_verify_file(context, o->authorities_file) != 1)
        return complain("authorities", o->authorities_file);
    if (o->authorities_path && SSL_CTX_load_verify_dir(context, o->authorities_path) != 1)
        return complain("authorities", o->authorities_path);
    return promise_void();
}

static promise_value_t set_client_verification(promise_tls_t *tls, const struct promise_tls_options *o) {
    STACK_OF(X509_NAME) * names;

    if (!o->verify_client) return promise_void();
    if (!o->authorities_file && !o->authorities_path)
        return promise_throw_at(NULL, &promise_tls_errors, PROMISE_TLS_EOPTIONS, "verify_client: without authorities");
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    if (!o->authorities_file) return promise_void();
    names = SSL_load_client_CA_file(o->authorities_file);
    if (!names) return complain("authorities", o->authorities_file);
    SSL_CTX_set_client_CA_list(tls->context, names);
    return promise_void();
}

static promise_value_t set_verification(promise_tls_t *tls, const struct promise_tls_options *o) {
    bool none = !o->authorities_file && !o->authorities_path;

    if (tls->server) return set_client_verification(tls, o);
    SSL_CTX_set_verify(tls->context, o->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (none && !o->insecure && SSL_CTX_set_default_verify_paths(tls->context) != 1)
        return complain("authorities", "of the system");
    return promise_void();
}

static promise_value_t set_versions(SSL_CTX *context, const struct promise_tls_options *o) {
    char text[16];

    snprintf(text, sizeof text, "0x%04x", (unsigned)o->min_version);
    if (o->min_version && (o->min_version < PROMISE_TLS_1_0 || o->min_version > PROMISE_TLS_1_3))
        return promise_throw_at(NULL, &promise_tls_errors, PROMISE_TLS_EOPTIONS, "min_version %s: there is none", text);
    if (SSL_CTX_set_min_proto_version(context, o->min_version ? o->min_version : PROMISE_TLS_1_2) != 1)
        return complain("min_version", text);
    if (o->ciphers && SSL_CTX_set_cipher_list(context, o->ciphers) != 1) return complain("ciphers", o->ciphers);
    return promise_void();
}

/* ---- ALPN (RFC 7301) ---- */

/* The first of ours that the client knows. Without one the handshake has to fail: who does not speak our protocol may have
 * been led here on purpose. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *size, const unsigned char *theirs,
                           unsigned their_size, void *arg) {
    const promise_tls_t *tls = arg;
    unsigned char *chosen;

    (void)ssl;
    if (SSL_select_next_proto(&chosen, size, tls->alpn, tls->alpn_size, theirs, their_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static promise_value_t set_alpn(promise_tls_t *tls, const char *const *names) {
    size_t size = 0, at = 0;

    if (!names || !*names) return promise_void();
    for (const char *const *name = names; *name; name++) {
        if (!**name || strlen(*name) > 255)
            return promise_throw_at(NULL, &promise_tls_errors, PROMISE_TLS_EOPTIONS, "alpn %s: no name of 1 to 255 bytes",
                                    *name);
        size += 1 + strlen(*name);
    }
    tls->alpn = promise_memory_alloc(size);
    if (!tls->alpn) return promise_out_of_memory();
    for (const char *const *name = names; *name; name++) {
        size_t length = strlen(*name);
        tls->alpn[at] = (unsigned char)length;
        memcpy(tls->alpn + at + 1, *name, length);
        at += 1 + length;
    }
    tls->alpn_size = (unsigned)size;
    if (tls->server) SSL_CTX_set_alpn_select_cb(tls->context, choose_protocol, tls);
    else if (SSL_CTX_set_alpn_protos(tls->context, tls->alpn, tls->alpn_size) != 0) return promise_out_of_memory();
    return promise_void();
}

/* ---- sessions ---- */

static int new_session(SSL *ssl, SSL_SESSION *session) {
    struct tls_connection *c = promise__tls_connection_of(ssl);
    return c && promise__tls_session_keep(c, session);
}

static void set_sessions(promise_tls_t *tls, const struct promise_tls_options *o) {
    static const unsigned char id[] = "libpromise";

    tls->sessions_on = !o->no_sessions;
    SSL_CTX_set_session_id_context(tls->context, id, sizeof id - 1); /* else those of clients with certificates are refused */
    if (o->no_sessions) {
        SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(tls->context, SSL_OP_NO_TICKET);
        if (tls->server) SSL_CTX_set_num_tickets(tls->context, 0);
    } else if (!tls->server) {
        SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(tls->context, new_session);
    }
}

/* ---- make and own ---- */

static promise_tls_t nomem; /* stands for one that could not be made */

static promise_value_t set_up(promise_tls_t *tls, const struct promise_tls_options *o) {
    promise_value_t why;

    tls->context = SSL_CTX_new(tls->server ? TLS_server_method() : TLS_client_method());
    if (!tls->context) return promise__tls_complaint(PROMISE_TLS_EOPTIONS, "TLS");
    SSL_CTX_set_mode(tls->context, SSL_MODE_RELEASE_BUFFERS); /* 34 KiB less for who is idle */
    SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    if (o->ignore_truncation) SSL_CTX_set_options(tls->context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    set_sessions(tls, o);
    why = set_versions(tls->context, o);
    if (promise_is_void(why)) why = set_certificate(tls->context, o);
    if (promise_is_void(why)) why = set_authorities(tls->context, o);
    if (promise_is_void(why)) why = set_verification(tls, o);
    if (promise_is_void(why)) why = set_alpn(tls, o->alpn);
    if (promise_is_void(why) && tls->server && !o->certificate_file)
        why = promise_throw_at(NULL, &promise_tls_errors, PROMISE_TLS_EOPTIONS, "a server needs a certificate_file");
    return why;
}

static promise_tls_t *make(const struct promise_tls_options *options, bool server) {
    static const struct promise_tls_options defaults;
    const struct promise_tls_options *o = options ? options : &defaults;
    promise_tls_t *tls = promise_memory_alloc(sizeof *tls);
    promise_value_t why;

    if (!tls) return &nomem;
    *tls = (promise_tls_t){.refs = 1, .server = server, .insecure = o->insecure, .handshake_ms = o->handshake_ms};
    if (!tls->handshake_ms) tls->handshake_ms = 10000;
    ERR_clear_error();
    why = set_up(tls, o);
    ERR_clear_error();
    if (promise_is_void(why)) return tls;
    promise_value_set(&tls->error, why);
    SSL_CTX_free(tls->context);
    tls->context = NULL;
    return tls;
}

promise_tls_t *promise_tls_client(const struct promise_tls_options *options) { return make(options, false); }
promise_tls_t *promise_tls_server(const struct promise_tls_options *options) { return make(options, true); }

promise_tls_t *promise_tls_ref(promise_tls_t *tls) {
    if (tls != &nomem) tls->refs++;
    return tls;
}

void promise_tls_unref(void *arg) {
    promise_tls_t *tls = arg;

    if (!tls || tls == &nomem || --tls->refs) return;
    promise__tls_sessions_clear(tls);
    SSL_CTX_free(tls->context);
    promise_value_clear(&tls->error);
    promise_memory_free(tls->alpn);
    promise_memory_free(tls);
}

promise_value_t promise_tls_error(const promise_tls_t *tls) { return tls == &nomem ? promise_out_of_memory() : tls->error; }
SSL_CTX *promise_tls_context(const promise_tls_t *tls) { return tls->context; }

/* ---- the loop's own ---- */

struct default_tls {
    struct promise_source source; /* first */
    promise_tls_t *tls;
};

static void gone(struct promise_source *source) {
    struct default_tls *d = (struct default_tls *)source;

    promise_tls_unref(d->tls);
    promise_memory_free(d);
}

promise_tls_t *promise__tls_default(promise_loop_t *loop) {
    struct default_tls *d = (struct default_tls *)promise_source_find(loop, gone);

    if (d) return promise_tls_ref(d->tls);
    d = promise_memory_alloc(sizeof *d);
    if (!d) return &nomem;
    *d = (struct default_tls){.tls = promise_tls_client(NULL)};
    promise_tls_ref(d->tls);
    if (promise_source_add_single(loop, &d->source, gone) < 0) { /* the loop is going: nothing will come of it */
        promise_tls_t *tls = d->tls;
        promise_tls_unref(tls);
        promise_memory_free(d);
        return tls;
    }
    return d->tls;
}
