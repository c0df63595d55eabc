/* Loops on threads under stress: a server on all of them; and random programs of calls, posts, channels, cancels, stops and
 * frees, at any moment, of which nothing may be left (J5, R15, R22). */
#include "support.h"

#include <promise.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { N = 3 };

static atomic_size_t freed;
static size_t made;
static void count_free(void *arg) {
    (void)arg;
    atomic_fetch_add(&freed, 1);
}
static promise_value_t counted(void) {
    made++;
    return promise_box(&freed, count_free);
}

static promise_value_t ignore(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

/* ---- a server on all of them ---- */

struct server {
    struct promise_address address;
    promise_listener_t *listeners[N];
    atomic_size_t served[N];
};

struct mine {
    struct server *server;
    size_t number;
};
static promise_value_t serve_one(promise_value_t connection, void *arg) {
    struct mine *m = arg;

    atomic_fetch_add(&m->server->served[m->number], 1);
    promise_stream_t *stream = promise_as_stream(connection);
    promise_unref(promise_stream_write(stream, promise_string("x")));
    return promise_adopt(promise_catch(promise_stream_close(stream), ignore, NULL));
}
static promise_value_t serve(promise_value_t number, void *arg) {
    static struct mine all[N];
    const struct promise_listener_options share = {.reuse_port = true};
    struct mine *m = &all[promise_as_int(number)];

    *m = (struct mine){arg, (size_t)promise_as_int(number)};
    m->server->listeners[m->number] = promise_listener_new_with(NULL, &m->server->address, &share);
    promise_unref(promise_each(promise_listener_accepted(m->server->listeners[m->number]), 0, serve_one, m));
    return promise_listener_error(m->server->listeners[m->number]);
}
static promise_value_t stop_serving(promise_value_t number, void *arg) {
    struct server *s = arg;
    return promise_adopt(promise_listener_stop(s->listeners[promise_as_int(number)], UINT64_MAX));
}

static void be_served(const struct promise_address *address) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char byte;

    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address->storage, address->size), 0);
    ck_assert_int_eq(recv(fd, &byte, 1, 0), 1);
    ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
    close(fd);
}

/* By SO_REUSEPORT, which spreads by a hash: after enough connections each loop has had some. */
START_TEST(servers_share_a_port) {
    const struct promise_listener_options share = {.reuse_port = true};
    struct server *s = calloc(1, sizeof *s);
    size_t live = test_alloc_live(), fds = test_open_fds(), connections = 0, served = 0, hit = 0;
    promise_value_t v = {0};

    loop = promise_loop_new(NULL);
    ck_assert_int_eq(promise_address_parse(&s->address, "127.0.0.1", 0), 0);
    promise_listener_t *placeholder = promise_listener_new_with(loop, &s->address, &share);
    ck_assert_int_eq(promise_listener_address(placeholder, &s->address), 0);
    promise_loops_t *loops =
        promise_loops_new(&(struct promise_loops_options){.threads = N, .init = serve, .stop = stop_serving, .arg = s});
    ck_assert_int_eq(promise_loop_run(loop, promise_loops_ready(loop, loops), NULL), 0);
    promise_listener_close(placeholder);
    while (hit < N) {
        ck_assert_uint_lt(connections++, 10000);
        be_served(&s->address);
        hit = 0;
        for (int i = 0; i < N; i++) hit += atomic_load(&s->served[i]) > 0;
    }
    ck_assert_int_eq(promise_loop_run(loop, promise_loops_stop(loop, loops, UINT64_MAX), &v), 0);
    ck_assert_int_eq(promise_as_int(v), 0);
    for (int i = 0; i < N; i++) served += atomic_load(&s->served[i]);
    ck_assert_uint_eq(served, connections);
    promise_loops_free(loops);
    promise_loop_free(loop);
    free(s);
    ck_assert_uint_eq(test_alloc_live(), live);
    ck_assert_uint_eq(test_open_fds(), fds);
}
END_TEST

/* ---- random programs ---- */

static promise_loops_t *loops;
static promise_shared_channel_t *channel;

static promise_value_t give(promise_value_t v, void *arg) {
    (void)arg;
    return v;
}
static promise_value_t sleep_on(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_sleep(NULL, 1000000));
}
static promise_value_t sleep_short(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_sleep(NULL, 1));
}
static promise_value_t send_there(promise_value_t v, void *arg) {
    (void)arg;
    return promise_adopt(promise_shared_send(NULL, channel, v));
}
static promise_value_t receive_there(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_shared_receive(NULL, channel));
}
static promise_value_t drain_there(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_each(promise_shared_channel_items(NULL, channel), 2, sleep_short, NULL));
}
static promise_value_t close_there(promise_value_t v, void *arg) {
    (void)arg;
    promise_shared_channel_close(channel);
    return promise_is_rejection(v) ? v : promise_void();
}
static promise_value_t call_next(promise_value_t v, void *arg) {
    static promise_fn *const fns[] = {give, sleep_short, send_there, receive_there};
    size_t here = promise_loops_here(loops);

    (void)arg;
    return promise_adopt(
        promise_loops_run_on(NULL, loops, (here + 1) % N, fns[here], promise_is(v, &promise_type_box) ? promise_int(1) : v));
}

enum { PENDING = 12 };
static promise_t *pending[PENDING];

static void keep(promise_t *p) {
    promise_t **place = &pending[draw(PENDING)];

    promise_unref(promise_catch(promise_ref(p), ignore, NULL));
    if (draw(2)) promise_cancel(*place);
    else promise_unref(*place);
    *place = p;
}

static void step(void) {
    static promise_fn *const fns[] = {give,          sleep_on,    sleep_short, send_there,
                                      receive_there, drain_there, call_next,   call_next};
    promise_fn *fn = fns[draw(8)];

    switch (draw(10)) {
    case 0:
    case 1:
    case 2: keep(promise_loops_run(loop, loops, fn, counted())); break;
    case 3: keep(promise_loops_run_on(loop, loops, draw(N), fn, counted())); break;
    case 4: keep(promise_loops_all(loop, loops, fn, promise_string("for each"))); break;
    case 5: promise_post(promise_loops_mailbox(loops, draw(N)), ignore, counted()); break;
    case 6: keep(promise_shared_send(loop, channel, counted())); break;
    case 7: keep(promise_shared_receive(loop, channel)); break;
    case 8: promise_loop_turn(loop); break;
    default:
        if (draw(20) == 0) keep(promise_loops_run(loop, loops, close_there, promise_void()));
        if (draw(40) == 0) keep(promise_loops_stop(loop, loops, draw(3)));
    }
}

static void let_go(void) {
    for (int i = 0; i < PENDING; i++) {
        if (draw(2)) promise_cancel(pending[i]);
        else promise_unref(pending[i]);
        pending[i] = NULL;
    }
}

static promise_loops_t *loops_of_three(void) {
    promise_loops_t *l = promise_loops_new(&(struct promise_loops_options){.threads = N});

    ck_assert_uint_eq(promise_loops_count(l), N);
    return l;
}

/* Ours goes first, or theirs do; gracefully or not. */
static void end(void) {
    promise_value_t v = {0};
    unsigned how = draw(3);

    if (how == 0) promise_loop_run(loop, promise_loops_stop(loop, loops, draw(3)), &v);
    if (how == 1) {
        promise_loop_free(loop);
        loop = NULL;
    }
    promise_shared_channel_close(draw(2) ? channel : NULL);
    promise_value_clear(&v);
    promise_loops_free(loops);
    let_go();
    promise_loop_free(loop);
    promise_shared_channel_unref(channel);
}

static void program(uint64_t seed) {
    size_t live = test_alloc_live(), fds = test_open_fds();

    (void)seed;
    made = 0;
    atomic_store(&freed, 0);
    loop = promise_loop_new(NULL);
    loops = loops_of_three();
    channel = promise_shared_channel_new(draw(3));
    for (unsigned steps = draw(60); steps; steps--) step();
    end();
    ck_assert_uint_eq(atomic_load(&freed), made);
    ck_assert_uint_eq(test_alloc_live(), live);
    ck_assert_uint_eq(test_open_fds(), fds);
}

START_TEST(J5_random_programs_leave_nothing) { test_seeds(program, 1000); }
END_TEST

int main(void) {
    Suite *suite = suite_create("loops_random");
    TCase *threads = tcase_create("threads");

    tcase_set_timeout(threads, 300);
    tcase_add_test(threads, servers_share_a_port);
    tcase_add_test(threads, J5_random_programs_leave_nothing);
    suite_add_tcase(suite, threads);
    return test_main(suite);
}
