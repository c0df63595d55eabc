/* Across threads: settling a promise, and posting to a loop. */
#include "tour.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* region: remote */
static void *compute(void *arg) {
    promise_remote_t *remote = arg;
    int64_t sum = 0;
    for (int i = 1; i <= 1000; i++) sum += i;
    promise_remote_resolve(remote, promise_int(sum)); /* or _reject, or _abandon: once */
    return NULL;
}

static promise_t *in_a_thread(promise_loop_t *loop) {
    promise_resolver_t *resolver;
    promise_t *p = promise_new(loop, &resolver);
    promise_remote_t *remote = promise_remote_new(resolver);
    pthread_t thread;
    int error = pthread_create(&thread, NULL, compute, remote);
    if (error) promise_remote_reject(remote, promise_throw_errno(error, "thread"));
    else pthread_detach(thread);
    return promise_then(p, show, "remote");
}
/* end: remote */

/* region: mailbox */
static promise_value_t progress(promise_value_t percent, void *arg) {
    (void)arg; /* always NULL: what it needs comes in the value */
    printf("mailbox: %d %%\n", (int)promise_as_int(percent));
    return promise_void();
}

struct copying {
    promise_mailbox_t *mailbox;
    promise_remote_t *remote;
};

static void *copy(void *arg) {
    struct copying *c = arg;
    for (int percent = 50; percent <= 100; percent += 50)
        if (promise_post(c->mailbox, progress, promise_int(percent)) < 0) break; /* the loop is gone */
    promise_mailbox_unref(c->mailbox);
    promise_remote_resolve(c->remote, promise_string("copied"));
    free(c);
    return NULL;
}

static promise_t *with_progress(promise_loop_t *loop) {
    promise_resolver_t *resolver;
    promise_mailbox_t *mailbox = promise_loop_mailbox(loop);
    struct copying *c = mailbox ? malloc(sizeof *c) : NULL;
    pthread_t thread;
    if (!c) {
        if (mailbox) promise_mailbox_unref(mailbox);
        return promise_from(loop, promise_throw_errno(ENOMEM, "copy"));
    }
    promise_t *p = promise_new(loop, &resolver);
    *c = (struct copying){mailbox, promise_remote_new(resolver)};
    int error = pthread_create(&thread, NULL, copy, c);
    if (error) {
        promise_mailbox_unref(mailbox);
        promise_remote_reject(c->remote, promise_throw_errno(error, "thread"));
        free(c);
    } else {
        pthread_detach(thread);
    }
    return promise_then(p, show, "mailbox");
}
/* end: mailbox */

int main(void) {
    static tour_fn *const parts[] = {in_a_thread, with_progress};
    return tour(sizeof parts / sizeof *parts, parts);
}
