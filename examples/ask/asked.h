/* ask() as a promise. */
#ifndef ASKED_H
#define ASKED_H

#include "ask.h"

#include <promise.h>

/* The answer, as a string; rejected with one of enum ask_error. Cancelling it is ask_cancel(). */
promise_t *asked(promise_loop_t *loop, struct ask_client *client, const char *verb, const char *object);

#endif
