/*
 * A sketch of what a user writes. Changed: promise_ref(p) and the call that consumes p were arguments of one call, and C
 * does not say which of them comes first: gcc consumed p before it was referenced, which the library stops with a message.
 */
#include <promise.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct user { char *name; int age; };
static void user_free(struct user *u) { free(u->name); free(u); }
PROMISE_DECLARE_TYPE(user, struct user)              /* in user.h */
PROMISE_DEFINE_TYPE(user, struct user, user_free)    /* in user.c */

static promise_value_t load(promise_value_t v, void *arg) {
    struct user *u = calloc(1, sizeof *u);
    (void)arg;
    if (!u || !(u->name = strdup(promise_as_string(v)))) { free(u); return promise_throw_errno(12, "user"); }
    return user_value(u);
}
static promise_value_t birthday(promise_value_t v, void *arg) { (void)arg; user_of(v)->age++; return v; }
static promise_value_t capitalize(promise_value_t v, void *arg) { (void)arg; user_of(v)->name[0] = 'A'; return v; }
static promise_value_t greet(promise_value_t v, void *arg) { (void)arg; printf("hello %s\n", user_of(v)->name); return promise_void(); }
static promise_value_t count(promise_value_t v, void *arg) { *(int *)arg += user_of(v)->age; return promise_void(); }

int main(void) {
    promise_loop_t *loop = promise_loop_new(NULL);
    int total = 0;
    promise_t *p = promise_from(loop, promise_string("ann"));
    p = promise_then(p, load, NULL);
    p = promise_then(p, birthday, NULL);
    p = promise_then(p, capitalize, NULL);
    promise_t *greeted = promise_then(promise_ref(p), greet, NULL);
    promise_t *both = promise_all_of(loop, greeted, promise_then(p, count, &total), NULL);
    int status = promise_loop_run(loop, both, NULL);
    promise_loop_free(loop);
    return status ? 1 : 0;
}
