/*
 * What the tests of TLS share: a loop for each case, the two ends of a secure connection, and the error that comes out.
 *
 *     tls_pair("good.test", NULL, NULL);       // client and server are secure streams, connected to each other
 */
#ifndef TEST_TLSPAIR_H
#define TEST_TLSPAIR_H

#include "certificates.h"
#include "support.h"

#include <openssl/ssl.h>
#include <promise/loop.h>
#include <promise/tls.h>

/* Fixtures: a loop; afterwards nothing of the library's is left, and no descriptor. */
void tls_setup(void);
void tls_teardown(void);

extern promise_stream_t *client, *server; /* of the last tls_pair(), or NULL; let go of by the teardown */

/* Contexts with good.test's certificate, and with the authority to be trusted; what is in options is added. The caller's. */
promise_tls_t *good_server(const struct promise_tls_options *options);
promise_tls_t *good_client(const struct promise_tls_options *options);

/* A handshake between the two; each NULL: a good one of its own. The contexts stay the caller's. */
void tls_pair(const char *host, promise_tls_t *of_client, promise_tls_t *of_server);

/* Runs until p settles: the value, kept until the next call; it must be fulfilled. */
promise_value_t value_of(promise_t *p);
/* The same, but it must be rejected with this: the message. */
const char *error_of(promise_t *p, const struct promise_domain *domain, int code);
/* Until both have settled; outcomes kept until the next call. */
promise_value_t outcomes_of(promise_t *a, promise_t *b);
/* Lets the loop turn until there is nothing left to do at once. */
void run_dry(void);

size_t open_descriptors(void);
/* For main(). */
int tls_test_main(Suite *suite);

/* A text of size bytes, the same for the same size. */
promise_value_t long_text(size_t size);

#endif
