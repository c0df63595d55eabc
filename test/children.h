/*
 * Children for the case that runs, on a loop of its own; in the end there must be none of them left, no descriptor and no memory.
 *
 *     children_start(_i);         // 0: told by a descriptor of the process, 1: by SIGCHLD
 *     ...
 *     outcome_is(promise_child_wait(c), "exit status 3");
 *     children_end();
 */
#ifndef TEST_CHILDREN_H
#define TEST_CHILDREN_H

#include "support.h"

#include <promise.h>

void children_start(int mode);
void children_end(void);
/* The same, with the loop freed already. */
void children_end_without_loop(void);

/* Runs "sh -c script" with those options. */
promise_child_t *shell(const char *script, struct promise_child_options options);
#define OPTIONS(...) ((struct promise_child_options){__VA_ARGS__})
#define NO_OPTIONS ((struct promise_child_options){0})

/* Runs the loop until p, consumed, settles: as text, a rejection with "!" and its message. Good until the next call. */
const char *text_of(promise_t *p);
#define outcome_is(p, text) ck_assert_str_eq(text_of(p), (text))

/* The next line of the stream must be this one. */
void line_is(promise_stream_t *stream, const char *text);
/* Runs the loop until it has nothing more to do. */
void run_out(void);
/* Is there such a process, that is not a zombie? */
bool is_running(pid_t pid);
/* It runs programs in its own way, with an environment that is not quite the one given. */
bool under_valgrind(void);

#endif
