/*
 * A name server on loopback, in a thread of its own, that answers as it is told.
 *
 *     struct nameserver *ns = nameserver_open();
 *     nameserver_set(ns, "host.test", "A", "127.0.0.1 127.0.0.2");
 *     nameserver_set(ns, "host.test", "AAAA", "!nodata");
 *     nameserver_set(ns, "slow.test", "A", "hold 127.0.0.1");        // until nameserver_release()
 *     nameserver_set(ns, "1.0.0.127.in-addr.arpa", "PTR", "host.test");
 *
 * What an answer can be: addresses, names, "cname:other.test" before them; or one of !nxdomain (which is also what was not
 * set), !nodata, !formerr, !servfail, !notimpl, !refused, !rcode9, !truncated, !garbage (no message), !short (it breaks off),
 * !other (the answer to another question), !silence.
 */
#ifndef TEST_NAMESERVER_H
#define TEST_NAMESERVER_H

#include <stddef.h>

struct nameserver;

struct nameserver *nameserver_open(void);
void nameserver_close(struct nameserver *ns);

/* "127.0.0.1:5353" */
const char *nameserver_address(const struct nameserver *ns);
/* From now on. */
void nameserver_set(struct nameserver *ns, const char *name, const char *type, const char *answer);
/* Waits until n questions in all have come, and tells those since the last call, in their order: "AAAA:host.test A:host.test".
 * Good until the next call. */
const char *nameserver_asked(struct nameserver *ns, size_t n);
/* Answers those that are held; the answer is with the kernel when it returns. */
void nameserver_release(struct nameserver *ns, const char *name, const char *type);

#endif
