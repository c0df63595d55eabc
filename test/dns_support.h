/* What the tests of names share: a name server, a resolver that asks it alone, outcomes as text. */
#ifndef TEST_DNS_SUPPORT_H
#define TEST_DNS_SUPPORT_H

#include "evloop.h"
#include "nameserver.h"
#include "trace.h"

extern struct nameserver *ns;
extern promise_dns_t *dns;

/* A loop (0: on a base of its own, 1: on the caller's), a name server, and a resolver. */
void open_dns(int callers);
/* A resolver that asks the name server and reads this hosts file only (NULL: none); it waits for a minute. */
promise_dns_t *new_dns(const char *hosts_file);
/* The loop is freed, nothing of it is left: no memory, no descriptor, nothing on the caller's base, which is freed at once. */
void close_dns(void);
/* Frees the loop in it. */
void free_the_loop(void);

/* Runs until p settles; its outcome, as shown() has it. */
const char *outcome(promise_t *p);
/* The same, but an error's message. */
const char *message(promise_t *p);
#define is(p, text) ck_assert_str_eq(outcome(p), (text))

/* The path of a file with this text, which goes with close_dns(). */
const char *temporary_file(const char *text);
size_t open_descriptors(void);

#endif
