#include "certificates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static char folder[] = "/tmp/promise-tls-XXXXXX";

const char *certificate(const char *name) {
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s.pem", folder, name);
    return path;
}

struct identity {
    X509 *certificate;
    EVP_PKEY *key;
};

static int add_extension(X509 *x, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509_EXTENSION *e;
    int status;

    X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (!e) return 0;
    status = X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    return status;
}

/* issuer NULL: signed by itself. names NULL: an authority. */
static struct identity issue(const struct identity *issuer, const char *cn, const char *names, const char *use, long days) {
    static long serial;
    struct identity id = {X509_new(), EVP_EC_gen("P-256")};
    const struct identity *by = issuer ? issuer : &id;
    X509_NAME *name = X509_get_subject_name(id.certificate);
    int ok;

    ok =
        X509_set_version(id.certificate, X509_VERSION_3) && ASN1_INTEGER_set(X509_get_serialNumber(id.certificate), ++serial) &&
        X509_gmtime_adj(X509_getm_notBefore(id.certificate), -10 * 86400L) &&
        X509_gmtime_adj(X509_getm_notAfter(id.certificate), days * 86400L) &&
        X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"Tests", -1, -1, 0) &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0) &&
        X509_set_issuer_name(id.certificate, X509_get_subject_name(by->certificate)) && X509_set_pubkey(id.certificate, id.key);
    if (ok && names) ok = add_extension(id.certificate, by->certificate, NID_subject_alt_name, names);
    if (ok && use) ok = add_extension(id.certificate, by->certificate, NID_ext_key_usage, use);
    if (ok && !names && !use) ok = add_extension(id.certificate, by->certificate, NID_basic_constraints, "critical,CA:TRUE");
    if (!ok || !X509_sign(id.certificate, by->key, EVP_sha256())) abort();
    return id;
}

static int store(const char *name, struct identity id, const char *password) {
    FILE *file = fopen(certificate(name), "w");
    int ok = file && PEM_write_X509(file, id.certificate) &&
             PEM_write_PrivateKey(file, id.key, password ? EVP_aes_128_cbc() : NULL, (const unsigned char *)password,
                                  password ? (int)strlen(password) : 0, NULL, NULL);

    if (file) fclose(file);
    X509_free(id.certificate);
    EVP_PKEY_free(id.key);
    return ok;
}

static int store_garbage(void) {
    FILE *file = fopen(certificate("garbage"), "w");

    if (!file) return 0;
    fputs("-----BEGIN CERTIFICATE-----\nno\n", file);
    return fclose(file) == 0;
}

int certificates_make(void) {
    static const char good[] = "DNS:good.test,IP:127.0.0.1,IP:::1", server[] = "serverAuth";
    struct identity authority, stranger;
    int ok;

    if (!mkdtemp(folder)) return -1;
    authority = issue(NULL, "Authority", NULL, NULL, 10);
    stranger = issue(NULL, "Nobody", NULL, NULL, 10);
    ok = store("good", issue(&authority, "good.test", good, server, 10), NULL) &&
         store("wild", issue(&authority, "wild.test", "DNS:*.wild.test", server, 10), NULL) &&
         store("other", issue(&authority, "other.test", "DNS:other.test", server, 10), NULL) &&
         store("expired", issue(&authority, "good.test", good, server, -1), NULL) &&
         store("client", issue(&authority, "client", NULL, "clientAuth", 10), NULL) &&
         store("locked", issue(&authority, "good.test", good, server, 10), "secret") &&
         store("self", issue(NULL, "good.test", good, server, 10), NULL) &&
         store("stranger", issue(&stranger, "good.test", good, server, 10), NULL) && store_garbage();
    X509_free(stranger.certificate);
    EVP_PKEY_free(stranger.key);
    return store("authority", authority, NULL) && ok ? 0 : -1;
}

void certificates_remove(void) {
    static const char *const names[] = {"authority", "good",   "wild", "other",    "expired",
                                        "client",    "locked", "self", "stranger", "garbage"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unlink(certificate(names[i]));
    rmdir(folder);
}
