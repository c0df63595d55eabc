/* Values that leave for another thread (H3). */
#ifndef PROMISE_SRC_TASKS_CROSS_H
#define PROMISE_SRC_TASKS_CROSS_H

#include "core.h"

/*
 * *v, a reference of ours, is to leave this thread: nothing of it may be reached from here afterwards. What nobody else holds
 * is left as it is; what somebody does is replaced by a copy, where it is a string, bytes, a list, an error: so too what is in
 * lists and errors. Types that count themselves are taken at their word. False when something else is held by others, or is a
 * promise, or memory is out: then *v is released, and is the rejection that says why.
 */
bool promise__cross(promise_value_t *v, const char *function);

/* The same for an argument of a public function, as V2 says; a promise itself stops the program. */
bool promise__cross_argument(promise_value_t *v, const char *function);

#endif
