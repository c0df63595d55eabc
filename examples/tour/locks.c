/* Locks between the tasks of a loop. */
#include "tour.h"

#include <stdio.h>
#include <stdlib.h>

/* region: with */
struct account {
    promise_mutex_t *mutex;
    int balance, wanted;
};

static promise_value_t store(promise_value_t v, void *account) {
    struct account *a = account;
    a->balance = a->wanted;
    return v;
}

/* In several steps: a second one that began meanwhile would lose what the first has added. */
static promise_value_t deposit(promise_value_t v, void *account) {
    struct account *a = account;
    (void)v;
    a->wanted = a->balance + 10;
    return promise_adopt(promise_then(promise_sleep(NULL, 2), store, a)); /* the sleep stands for a question to the bank */
}

static promise_value_t report(promise_value_t v, void *account) {
    const struct account *a = account;
    (void)v;
    printf("with: %d\n", a->balance);
    return promise_void();
}

static promise_t *with(promise_loop_t *loop) {
    static struct account account;
    account.mutex = promise_mutex_new(loop);
    promise_t *p = promise_all_of(loop, promise_mutex_with(account.mutex, deposit, &account),
                                  promise_mutex_with(account.mutex, deposit, &account), NULL);
    p = promise_then(p, report, &account);
    return promise_attach(p, account.mutex, promise_mutex_free);
}
/* end: with */

/* region: lock */
static promise_value_t withdraw(promise_value_t v, void *account) {
    struct account *a = account;
    promise_value_t r = {0};
    (void)v;
    if (promise_await(promise_timeout(promise_mutex_lock(a->mutex), 1000), &r) < 0) return r;
    promise_defer(promise_mutex_unlock, a->mutex); /* on every path from here on, a cancel too */
    int left = a->balance - 10;
    if (promise_await(promise_sleep(NULL, 2), &r) < 0) return r;
    a->balance = left;
    printf("lock: %d\n", a->balance);
    return promise_void();
}

static promise_t *lock(promise_loop_t *loop) {
    static struct account account = {.balance = 100};
    account.mutex = promise_mutex_new(loop);
    promise_t *p = promise_all_of(loop, promise_async(loop, withdraw, &account), promise_async(loop, withdraw, &account), NULL);
    return promise_attach(p, account.mutex, promise_mutex_free);
}
/* end: lock */

/* region: rwlock */
static promise_value_t slowly(promise_value_t v, void *what) {
    (void)v;
    printf("rwlock: begins to %s\n", (const char *)what);
    return promise_adopt(promise_sleep(NULL, 2));
}

static promise_t *rwlock(promise_loop_t *loop) {
    promise_rwlock_t *config = promise_rwlock_new(loop);
    promise_t *all[] = {
        promise_rwlock_with_read(config, slowly, "read"),
        promise_rwlock_with_read(config, slowly, "read, too"), /* beside the first */
        promise_rwlock_with_write(config, slowly, "write"),    /* after them */
    };
    return promise_attach(promise_all(loop, 3, all), config, promise_rwlock_free);
}
/* end: rwlock */

/* region: limit */
static promise_value_t fetch(promise_value_t v, void *name) {
    (void)v;
    printf("limit: %s\n", (const char *)name);
    return promise_adopt(promise_sleep(NULL, 2)); /* stands for a request */
}

static promise_t *limit(promise_loop_t *loop) {
    static char *const names[] = {"one", "two", "three", "four"};
    promise_semaphore_t *slots = promise_semaphore_new(loop, 2);
    promise_t *pages[4];
    for (int i = 0; i < 4; i++) pages[i] = promise_semaphore_with(slots, fetch, names[i]); /* two at a time */
    return promise_attach(promise_all(loop, 4, pages), slots, promise_semaphore_free);
}
/* end: limit */

/* region: condition */
struct box {
    promise_mutex_t *mutex;
    promise_condition_t *filled;
    const char *letter; /* NULL: it is empty */
};

static promise_value_t reader(promise_value_t v, void *arg) {
    struct box *box = arg;
    promise_value_t r = {0};
    (void)v;
    if (promise_await(promise_mutex_lock(box->mutex), &r) < 0) return r;
    promise_defer(promise_mutex_unlock, box->mutex);
    while (!box->letter) /* another may have taken it before us */
        if (promise_await(promise_condition_wait(box->filled, box->mutex), &r) < 0) return r;
    printf("condition: %s\n", box->letter);
    box->letter = NULL;
    return promise_void();
}

static promise_value_t writer(promise_value_t v, void *arg) {
    struct box *box = arg;
    promise_value_t r = {0};
    (void)v;
    if (promise_await(promise_mutex_lock(box->mutex), &r) < 0) return r;
    promise_defer(promise_mutex_unlock, box->mutex);
    box->letter = "a letter";
    promise_condition_signal(box->filled);
    return promise_void();
}

static promise_t *condition(promise_loop_t *loop) {
    static struct box box;
    box.mutex = promise_mutex_new(loop);
    box.filled = promise_condition_new(loop);
    promise_t *both[] = {promise_async(loop, reader, &box), promise_async(loop, writer, &box)};
    promise_t *p = promise_attach(promise_all(loop, 2, both), box.filled, promise_condition_free);
    return promise_attach(p, box.mutex, promise_mutex_free);
}
/* end: condition */

/* region: barrier */
static promise_value_t worker(promise_value_t barrier, void *arg) {
    promise_barrier_t *b = promise_as_pointer(barrier);
    promise_value_t r = {0};
    (void)arg;
    for (int phase = 1; phase <= 2; phase++) {
        if (promise_await(promise_sleep(NULL, 2), &r) < 0) return r; /* stands for its share of the work */
        if (promise_await(promise_barrier_wait(b), &r) < 0) return r;
        if (promise_as_int(r)) printf("barrier: phase %d is done\n", phase); /* one of them says so */
    }
    return promise_void();
}

static promise_t *barrier(promise_loop_t *loop) {
    promise_barrier_t *b = promise_barrier_new(loop, 3);
    promise_t *workers[3];
    for (int i = 0; i < 3; i++) workers[i] = promise_then_async(promise_from(loop, promise_pointer(b)), worker, NULL);
    return promise_attach(promise_all(loop, 3, workers), b, promise_barrier_free);
}
/* end: barrier */

/* region: wait_group */
static promise_t *send_mail(promise_loop_t *loop) { return promise_sleep(loop, 2); } /* stands for it */

static promise_t *wait_group(promise_loop_t *loop) {
    promise_wait_group_t *sent = promise_wait_group_new(loop);
    for (int i = 0; i < 3; i++) {
        promise_wait_group_add(sent, 1);
        promise_unref(promise_attach(send_mail(loop), sent, promise_wait_group_done)); /* whatever comes of it */
    }
    promise_t *p = promise_then(promise_wait_group_wait(sent), show, "all are sent");
    return promise_attach(p, sent, promise_wait_group_free);
}
/* end: wait_group */

int main(void) {
    static tour_fn *const parts[] = {with, lock, rwlock, limit, condition, barrier, wait_group};
    return tour(sizeof parts / sizeof *parts, parts);
}
