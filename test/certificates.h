/* Certificates for the tests, made when they run, in a folder of their own: each file has a certificate and its key. */
#ifndef TEST_CERTIFICATES_H
#define TEST_CERTIFICATES_H

/* In main(), before and after the cases: -1 when they cannot be made. */
int certificates_make(void);
void certificates_remove(void);

/* The path of one of them, in a buffer that the 8th call from now uses again:
 *
 *     authority    has signed all but the last three; "authority" has its own key, but is to be trusted only
 *     good         good.test, 127.0.0.1, ::1
 *     wild         *.wild.test
 *     other        other.test
 *     expired      good.test, up to yesterday
 *     client       for a client, CN=client
 *     locked       good.test; the key needs the password "secret"
 *     self         good.test, signed by itself
 *     stranger     good.test, signed by an authority that nobody knows
 *     garbage      no certificate at all
 */
const char *certificate(const char *name);

#endif
