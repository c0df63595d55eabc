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

/* region: call */
static promise_value_t square(promise_value_t v, void *arg) { /* there; what it gives is waited for */
    int64_t n = promise_as_int(v);
    (void)arg; /* always NULL */
    return n < 1000000 ? promise_int(n * n) : promise_throw_errno(ERANGE, "square of %lld", (long long)n);
}

struct helper { /* a loop on a thread of its own */
    pthread_t thread;
    promise_mailbox_t *mailbox; /* it runs until this is let go of */
    pthread_barrier_t ready;
};

static void *help(void *arg) {
    struct helper *h = arg;
    promise_loop_t *loop = promise_loop_new(NULL);
    h->mailbox = loop ? promise_loop_mailbox(loop) : NULL;
    pthread_barrier_wait(&h->ready);
    if (loop) promise_loop_run(loop, NULL, NULL);
    promise_loop_free(loop);
    return NULL;
}

static promise_t *ask_helper(promise_loop_t *loop, struct helper *h) {
    promise_t *of_7 = promise_call(loop, h->mailbox, square, promise_int(7));
    promise_t *of_8 = promise_call(loop, h->mailbox, square, promise_int(8));
    return promise_then(promise_all_of(loop, of_7, of_8, NULL), show, "call");
}
/* end: call */

static void end_helper(void *arg) {
    struct helper *h = arg;
    promise_mailbox_unref(h->mailbox);
    pthread_join(h->thread, NULL);
    pthread_barrier_destroy(&h->ready);
    free(h);
}

static promise_t *on_another_loop(promise_loop_t *loop) {
    struct helper *h = malloc(sizeof *h);
    if (!h) return promise_from(loop, promise_throw_errno(ENOMEM, "helper"));
    pthread_barrier_init(&h->ready, NULL, 2);
    int error = pthread_create(&h->thread, NULL, help, h);
    if (error) {
        free(h);
        return promise_from(loop, promise_throw_errno(error, "thread"));
    }
    pthread_barrier_wait(&h->ready);
    promise_t *p = h->mailbox ? ask_helper(loop, h) : promise_from(loop, promise_throw_errno(ENOMEM, "helper"));
    return promise_attach(p, h, end_helper);
}

int main(void) {
    static tour_fn *const parts[] = {in_a_thread, with_progress, on_another_loop};
    return tour(sizeof parts / sizeof *parts, parts);
}
