/*
 * What the tests of connecting by name share: three hosts on loopback that refuse, accept or hang, and who is tried, word by
 * word in the trace. Delays of an hour stand for "not because of the time".
 */
#ifndef TEST_EYEBALLS_H
#define TEST_EYEBALLS_H

#include "dns_support.h"

enum { HOUR = 3600000 };

/* 127.0.0.1, 127.0.0.2 and ::1, all at one port. */
enum { ONE, TWO, SIX, HOSTS };
extern uint16_t port;
extern size_t filler_count; /* descriptors that hangs() has opened */

bool has_six(void); /* IPv6, on this machine */
/* They refuse before. */
void accepts(int which);
void hangs(int which); /* its queue is full: what comes more is neither refused nor taken, until accepts() */
/* How many connections wait there; they are closed. */
int waiting_at(int which);

/* How to() connects: the delays are an hour, the resolver is dns. */
extern struct promise_connect_options options;

/* As open_dns() and close_dns(), with the hosts. */
void open_all(int callers);
void close_all(void);

/* What the name server says of host.test. */
void records(const char *six, const char *four);
promise_t *to(const char *name);

/* Runs until it has connected: to whom; or the error's words after '!'. */
const char *peer(promise_t *p);
#define connects(p, text) ck_assert_str_eq(peer(p), (text))
const char *refused_by(const char *text);

/* Turns the loop until what is with the kernel was seen. */
void some_turns(void);
/* Turns the loop until just these have been tried. */
void tried(const char *text);
void run_dry(void);

#endif
