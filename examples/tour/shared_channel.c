/* A channel between threads: a thread without a loop works, a loop collects; and between two loops. */
#include "tour.h"

#include <pthread.h>
#include <stdio.h>

/* region: thread */
struct mill {
    promise_shared_channel_t *grain, *flour;
};

/* An ordinary thread: it waits, and needs no loop. */
static void *grind(void *arg) {
    struct mill *m = arg;
    promise_value_t v = {0}; /* one variable for all: each call lets go of what is in it */
    while (promise_shared_receive_wait(m->grain, UINT64_MAX, &v) == 0 && !promise_is_end(v)) {
        promise_value_t flour = promise_stringf("flour of %s", promise_as_string(v));
        if (promise_shared_send_wait(m->flour, flour, UINT64_MAX, NULL) < 0) break; /* nobody wants it any more */
    }
    promise_value_clear(&v);
    promise_shared_channel_close(m->flour);
    return NULL;
}

static promise_t *feed(promise_loop_t *loop, struct mill *m) {
    static char *const grains[] = {"wheat", "rye", "oats"};
    for (int i = 0; i < 3; i++) promise_unref(promise_shared_send(loop, m->grain, promise_string(grains[i])));
    promise_shared_channel_close(m->grain); /* what is in it is still received */
    return promise_each(promise_shared_channel_items(loop, m->flour), 1, show, "thread");
}
/* end: thread */

static promise_t *with_a_thread(promise_loop_t *loop) {
    static struct mill m;
    static pthread_t thread;
    m = (struct mill){promise_shared_channel_new(16), promise_shared_channel_new(1)};
    int error = pthread_create(&thread, NULL, grind, &m);
    if (error) return promise_from(loop, promise_throw_errno(error, "thread"));
    int status = promise_loop_run(loop, feed(loop, &m), NULL);
    pthread_join(thread, NULL);
    promise_shared_channel_unref(m.grain);
    promise_shared_channel_unref(m.flour);
    return promise_from(loop, status < 0 ? promise_throw_errno(EIO, "mill") : promise_void());
}

/* region: timeout */
static promise_value_t too_late(promise_value_t v, void *channel) {
    if (!promise_is_timeout(v)) return v;
    printf("timeout: %zu items wait\n", promise_shared_channel_size(channel));
    return promise_void();
}

static promise_t *in_vain(promise_loop_t *loop, promise_shared_channel_t *ch) {
    promise_t *p = promise_timeout(promise_shared_receive(loop, ch), 10); /* cancels it: it takes no item (K6) */
    return promise_catch(p, too_late, ch);
}
/* end: timeout */

static promise_t *time_out(promise_loop_t *loop) {
    promise_shared_channel_t *ch = promise_shared_channel_new(1);
    return promise_attach(in_vain(loop, ch), ch, promise_shared_channel_unref);
}

int main(void) {
    static tour_fn *const parts[] = {with_a_thread, time_out};
    return tour(sizeof parts / sizeof *parts, parts);
}
