/*
 * Sockets in tests: a loop whose end proves that nothing is left behind, promises run to their outcome, and plain blocking
 * sockets as peers that are not the library's own.
 */
#ifndef TEST_NET_H
#define TEST_NET_H

#include "evloop.h"

#include <errno.h>
#include <promise/address.h>

/* For tcase_add_checked_fixture: a loop; and its end, unless the case has freed it and set loop NULL: no memory of the
 * library's and no descriptor must be left. */
void net_open(void);
void net_close(void);

size_t open_fds(void);

/* Runs p to its end. What they give lives until the next of them. */
promise_value_t fulfilled(promise_t *p);
promise_value_t rejected(promise_t *p);
/* It must reject with this errno, and its message begin with text. */
void rejects_with(promise_t *p, int error, const char *text);
void rejects_closed(promise_t *p); /* PROMISE_ECLOSED */

/* Turns the loop n times. */
void turn(unsigned n);
/* Turns it until fn(arg) holds, or for ever: the case has a limit of time. */
void turn_until(bool (*fn)(void *arg), void *arg);

/* 127.0.0.1 with that port. */
struct promise_address local_address(uint16_t port);
/* Plain sockets of that type, blocking. */
int peer_bind(int type, struct promise_address *address); /* on a free port of 127.0.0.1 */
int peer_connect(const struct promise_address *address);  /* -1 with errno */
/* A folder of the case's own, which net_close removes with what is left in it: "FOLDER/name". */
const char *in_folder(const char *name);

/* O2: on a loop of its own each time, makes each allocation of work() fail, once with promises at hand and once without; runs
 * what work gave until it settles, calls after(), frees the loop. Where work rejects it must be with ENOMEM, and because of
 * that. Gives how many there were. */
size_t each_allocation(promise_t *(*work)(void), void (*after)(void));

/* Makes the next n open descriptors the last ones: then EMFILE. UINT_MAX: no more of that. */
void limit_fds(unsigned n);

#endif
