/*
 * TLS, by OpenSSL: streams that nobody else can read. In a library of its own, libpromise-tls.
 *
 *     promise_t *p = promise_tls_connect(loop, NULL, "www.example", 443);
 *     p = promise_then(p, connected, NULL);            // promise_as_stream(v): read, write and close it as any other
 *
 * A client checks the server's certificate, and that it is for the host, without being asked; it speaks TLS 1.2 or later, tells
 * the server the name that it wants (SNI), and resumes the sessions that it had with the same host and port.
 *
 * A secure stream's shutdown sends close_notify, and reading goes on; its close sends it and waits until the kernel has it. The
 * peer's close_notify is the end of what can be read. A connection that ends without it may have been cut off by anybody: who
 * reads up to the end then gets PROMISE_TLS_ETRUNCATED, after the bytes that came.
 *
 * A server that does not like the client's certificate says so after the client's handshake, with TLS 1.3: then it is a
 * read that rejects.
 */
#ifndef PROMISE_TLS_H
#define PROMISE_TLS_H

#include <promise/error.h>
#include <promise/stream.h>

struct ssl_ctx_st; /* OpenSSL's SSL_CTX */
struct ssl_st;     /* OpenSSL's SSL */

PROMISE_BEGIN

/* How to speak TLS: certificates, whom to trust, sessions. Counted; needs no loop; belongs to one thread at a time. */
typedef struct promise_tls promise_tls_t;

enum promise_tls_version { PROMISE_TLS_1_0 = 0x0301, PROMISE_TLS_1_1, PROMISE_TLS_1_2, PROMISE_TLS_1_3 };

/* ---- make and own: never NULL; what cannot be made rejects whoever uses it, with the reason (O2) ---- */

/* Zero is the default. Files are PEM, and are read by the call. */
struct promise_tls_options {
    const char *certificate_file; /* one's own certificate, then those between it and the authority's; a server needs one */
    const char *key_file;         /* its private key; NULL: it is in certificate_file */
    const char *key_password;     /* of that file; NULL: it has none. Nobody is ever asked at the terminal */
    const char *authorities_file; /* the certificates to trust; */
    const char *authorities_path; /* or a folder of them, made by openssl-rehash(1). Both NULL: the system's */
    const char *const *alpn;      /* the protocols spoken over it, the best one first, then NULL: {"h2", "http/1.1", NULL} */
    const char *ciphers;          /* for TLS 1.2, as in openssl-ciphers(1) */
    int min_version;              /* enum promise_tls_version; 0: PROMISE_TLS_1_2 */
    bool insecure;                /* a client: believes any certificate. Then anybody can read and change what is sent */
    bool verify_client;     /* a server: who comes must have a certificate of one of the authorities, which are needed then */
    bool ignore_truncation; /* an end without close_notify is an end as well */
    bool no_sessions;       /* never resumes any */
    uint64_t handshake_ms;  /* how long a handshake may take; 0: 10,000 */
    void *reserved[4];      /* zero */
};

/* For the side that connects; options NULL: the defaults. */
PROMISE_API PROMISE_MUST_USE promise_tls_t *promise_tls_client(const struct promise_tls_options *options);
/* For the side that accepts. Of several protocols it takes the first of its own that the client knows; when there is none, it
 * refuses. */
PROMISE_API PROMISE_MUST_USE promise_tls_t *promise_tls_server(const struct promise_tls_options *options);
PROMISE_API promise_tls_t *promise_tls_ref(promise_tls_t *tls);
PROMISE_API void promise_tls_unref(void *tls); /* NULL is fine; secure streams hold it as well; void *: for promise_attach() */

/* Why it could not be made: a rejection, lent; void when all is well. */
PROMISE_API promise_value_t promise_tls_error(const promise_tls_t *tls);
/* The SSL_CTX, borrowed, for what there is no option for; NULL when there is an error. Its callbacks for new sessions (a
 * client's) and for ALPN (a server's) are ours. Libevent cannot deal with SSL_MODE_ENABLE_PARTIAL_WRITE and read-ahead:
 * connections do without. */
PROMISE_API struct ssl_ctx_st *promise_tls_context(const promise_tls_t *tls);

/* ---- secure streams ---- */

/* Connects by name (as promise_connect() does), and then makes it secure: the stream. tls NULL: a client of the loop's, with
 * the defaults. A cancel closes at once. Borrows tls. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_tls_connect(promise_loop_t *loop, promise_tls_t *tls, const char *host,
                                                            uint16_t port);

/* Makes a stream that is connected already secure: after its accept, after STARTTLS, through a proxy. Consumes one reference
 * to plain, which is closed for others from then on (a handshake that fails closes the connection); what it has still to send
 * goes first, unencrypted, and what has come on it and was not read is taken for TLS. Gives the secure stream.
 *   host   a client: whom to expect there, a name or a numeric address; NULL is an EINVAL rejection, unless insecure.
 *          A server: NULL.
 *   tls    a promise_tls_t *, borrowed; NULL: a client of the loop's, with the defaults. A promise_secure_fn has a void *.
 * It rejects with promise_tls_errors, with errno's, and with PROMISE_ETIMEDOUT (promise_is_timeout()) when the peer does not
 * answer. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_tls_secure(promise_stream_t *plain, const char *host, void *tls);

/* ---- query: of a stream that is not secure, or is closed: NULL, void, false. Texts live as long as it is open ---- */

/* "TLSv1.3", and OpenSSL's name of the cipher. */
PROMISE_API const char *promise_tls_version(const promise_stream_t *stream);
PROMISE_API const char *promise_tls_cipher(const promise_stream_t *stream);
/* The protocol that both agreed on, or NULL. */
PROMISE_API const char *promise_tls_alpn(const promise_stream_t *stream);
/* Was a session of an earlier connection resumed? */
PROMISE_API bool promise_tls_session_reused(const promise_stream_t *stream);
/* The subject of the peer's certificate as a string, like "CN=www.example,O=Example" (RFC 2253), fresh; void when it has
 * shown none. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_tls_peer(const promise_stream_t *stream);
/* The SSL, borrowed: not for reading, writing, or shutting down. */
PROMISE_API struct ssl_st *promise_tls_ssl(const promise_stream_t *stream);

/* ---- errors: the messages name the peer, and end in OpenSSL's words ---- */

PROMISE_API extern const struct promise_domain promise_tls_errors;
/* The cause of a PROMISE_TLS_EVERIFY: codes are OpenSSL's X509_V_ERR_*, so that expired and unknown can be told apart. */
PROMISE_API extern const struct promise_domain promise_tls_verify_errors;

enum promise_tls_error_code {
    PROMISE_TLS_EOPTIONS = 1, /* the options: a file that is no certificate, a key of another, ... */
    PROMISE_TLS_EVERIFY,      /* the peer's certificate: expired, for another host, of an unknown authority, missing, ... */
    PROMISE_TLS_EALERT,       /* the peer refused, and sent an alert that says why */
    PROMISE_TLS_EHANDSHAKE, /* any other failure of the handshake: no version or cipher in common, a peer that speaks no TLS */
    PROMISE_TLS_EPROTOCOL,  /* afterwards: what came is no TLS, or was changed on the way */
    PROMISE_TLS_ETRUNCATED  /* the connection ended without close_notify */
};

PROMISE_END

#endif
