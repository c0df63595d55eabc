/* Names and addresses as the system has them. */
#include "tour.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* region: names */
static promise_value_t first(promise_value_t list, void *arg) {
    (void)arg;
    return promise_list_get(list, 0); /* an address; there is always one */
}

static promise_t *look_up(promise_loop_t *loop) {
    const struct promise_getaddrinfo_options options = {.family = AF_INET};
    promise_t *p = promise_getaddrinfo(loop, NULL, "localhost", "8080", &options);
    return promise_then(promise_then(p, first, NULL), show, "names");
}
/* end: names */

/* region: errors */
static promise_value_t explain(promise_value_t why, void *arg) {
    (void)arg;
    if (!promise_error_is(why, &promise_getaddrinfo_errors, EAI_NONAME)) return why;
    return promise_string("there is no such name");
}

static promise_t *not_there(promise_loop_t *loop) {
    const struct promise_getaddrinfo_options numbers = {.flags = AI_NUMERICHOST};
    promise_t *p = promise_getaddrinfo(loop, NULL, "no number", NULL, &numbers);
    return promise_then(promise_catch(p, explain, NULL), show, "errors");
}
/* end: errors */

/* region: back */
static promise_value_t is_known(promise_value_t name, void *arg) {
    (void)arg;
    return promise_string(strlen(promise_as_string(name)) > 0 ? "it has a name" : "it has none");
}

static promise_t *back(promise_loop_t *loop) {
    struct promise_address address;
    if (promise_address_parse(&address, "127.0.0.1", 0) < 0) return promise_from(loop, promise_throw_errno(EINVAL, "back"));
    return promise_then(promise_then(promise_getnameinfo(loop, NULL, &address), is_known, NULL), show, "back");
}
/* end: back */

int main(void) {
    static tour_fn *const parts[] = {look_up, not_there, back};
    return tour(sizeof parts / sizeof *parts, parts);
}
