/*
 * Connecting by name (RFC 8305): in which order, when the next one, who wins, and that nothing of the others is left. Delays
 * of an hour stand for "not because of the time".
 */
#define connect system_connect /* ours is below */
#include "dns_support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#undef connect

enum { HOUR = 3600000 };

/* ---- who is tried: each connect(2) of the library's adds a word ---- */

int connect(int fd, const struct sockaddr *to, socklen_t size);

int connect(int fd, const struct sockaddr *to, socklen_t size) {
    struct promise_address address;
    char text[PROMISE_ADDRESS_TEXT];

    promise_address_set(&address, to, size);
    promise_address_host(&address, text, sizeof text);
    trace("%s", text);
    return (int)syscall(SYS_connect, fd, to, size);
}

/* ---- whom to connect to: three hosts at one port, which refuse at first ---- */

enum { ONE, TWO, SIX, HOSTS };
static const char *const hosts[HOSTS] = {"127.0.0.1", "127.0.0.2", "::1"};
static int sockets[HOSTS], fillers[64];
static size_t filler_count;
static uint16_t port;
static size_t asked; /* questions that the name server has seen */

/* -1 when the port is taken there. */
static int bind_to(const char *text, uint16_t at) {
    struct promise_address address;
    int fd, only = 1;

    promise_address_parse(&address, text, at);
    fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (address.storage.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    if (bind(fd, (struct sockaddr *)&address.storage, address.size) == 0) return fd;
    close(fd);
    return -1;
}

static void close_hosts(void) {
    for (size_t i = 0; i < HOSTS; i++)
        if (sockets[i] >= 0) close(sockets[i]);
    while (filler_count) close(fillers[--filler_count]);
}

static bool has_six(void) {
    int fd = bind_to("::1", 0);

    if (fd >= 0) close(fd);
    return fd >= 0;
}

static void open_hosts(void) {
    struct promise_address address;
    bool six = has_six();

    for (;;) {
        sockets[ONE] = bind_to(hosts[ONE], 0);
        ck_assert_int_eq(promise_address_local(&address, sockets[ONE]), 0);
        port = promise_address_port(&address);
        sockets[TWO] = bind_to(hosts[TWO], port);
        sockets[SIX] = six ? bind_to(hosts[SIX], port) : -1;
        if (sockets[TWO] >= 0 && (sockets[SIX] >= 0 || !six)) return;
        close_hosts();
    }
}

static void accepts(int which) { ck_assert_int_eq(listen(sockets[which], 16), 0); }

/* Its queue is full: what comes more is neither refused nor taken. */
static void hangs(int which) {
    struct pollfd p = {.events = POLLOUT};
    struct promise_address address;

    ck_assert_int_eq(listen(sockets[which], 0), 0);
    promise_address_parse(&address, hosts[which], port);
    do {
        ck_assert_uint_lt(filler_count, sizeof fillers / sizeof *fillers);
        p.fd = fillers[filler_count++] = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        syscall(SYS_connect, p.fd, &address.storage, address.size);
    } while (poll(&p, 1, 100) == 1);
}

/* How many connections wait there. */
static int waiting_at(int which) {
    struct pollfd p = {.fd = sockets[which], .events = POLLIN};
    int n = 0;

    while (poll(&p, 1, 0) == 1 && p.revents & POLLIN) {
        close(accept(sockets[which], NULL, NULL));
        n++;
    }
    return n;
}

/* ---- a case ---- */

static struct promise_connect_options options;

static void open_all(int callers) {
    open_dns(callers);
    open_hosts();
    options = (struct promise_connect_options){.dns = dns, .attempt_delay_ms = HOUR, .resolution_delay_ms = HOUR};
}

static void close_all(void) {
    if (loop) free_the_loop();
    if (base) event_base_loop(base, EVLOOP_NONBLOCK); /* what libevent puts off of a bufferevent's end */
    close_hosts();
    close_dns();
}

static void records(const char *six, const char *four) {
    nameserver_set(ns, "host.test", "AAAA", six);
    nameserver_set(ns, "host.test", "A", four);
}

static promise_t *to(const char *name) { return promise_connect_with(loop, name, port, &options); }

/* Runs until it has connected: to whom; or the error's words. */
static const char *peer(promise_t *p) {
    static char text[256];
    promise_value_t v = {0};
    struct promise_address address;

    if (promise_loop_run(loop, p, &v) < 0) snprintf(text, sizeof text, "!%s", promise_error_message(v));
    else {
        ck_assert_int_eq(promise_address_peer(&address, promise_stream_fd(promise_as_stream(v))), 0);
        ck_assert_uint_eq(promise_address_port(&address), port);
        promise_address_host(&address, text, sizeof text);
    }
    promise_value_clear(&v);
    return text;
}

static const char *refused_by(const char *text) {
    static char words[128];

    snprintf(words, sizeof words, "!connect %s:%u: Connection refused", text, port);
    return words;
}

#define connects(p, text) ck_assert_str_eq(peer(p), (text))

/* What is with the kernel is seen. */
static void some_turns(void) {
    for (int i = 0; i < 10; i++) promise_loop_turn(loop);
}

static void run_dry(void) { ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0); }

/* Turns the loop until it has tried so many. */
static void tried(const char *text) {
    static char all[256];
    const char *some;

    for (*all = 0; strcmp(all, text) != 0; promise_loop_turn(loop)) {
        some = trace_take();
        if (*some) snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", *all ? " " : "", some);
        ck_assert_msg(strncmp(all, text, strlen(all)) == 0, "tried %s, not %s", all, text);
    }
}

/* ---- the order ---- */

START_TEST(six_is_asked_for_and_tried_first) {
    if (!has_six()) return;
    open_all(_i);
    accepts(SIX);
    accepts(ONE);
    records("::1", "127.0.0.1");
    connects(to("host.test"), "::1");
    ck_assert_str_eq(nameserver_asked(ns, 2), "AAAA:host.test A:host.test");
    trace_is("::1");
    ck_assert_int_eq(waiting_at(SIX), 1);
    ck_assert_int_eq(waiting_at(ONE), 0);
    close_all();
}
END_TEST

/* All addresses are there before the first attempt. */
static promise_t *both_known(const char *six, const char *four) {
    promise_t *p;

    records(six, four);
    p = to("host.test");
    nameserver_asked(ns, asked += 2);
    some_turns();
    nameserver_release(ns, "host.test", "AAAA");
    return p;
}

START_TEST(the_families_take_turns) { /* section 4: link-local ones without an interface fail at once */
    open_all(0);
    accepts(TWO);
    connects(both_known("hold fe80::1 fe80::2 fe80::3 fe80::4", "127.0.0.1 127.0.0.2"), "127.0.0.2");
    trace_is("fe80::1 127.0.0.1 fe80::2 127.0.0.2");
    connects(both_known("hold fe80::1", "127.0.0.1 127.0.0.1 127.0.0.2"), "127.0.0.2");
    trace_is("fe80::1 127.0.0.1 127.0.0.1 127.0.0.2");
    connects(both_known("hold fe80::1 fe80::2 fe80::3", "127.0.0.2"), "127.0.0.2");
    trace_is("fe80::1 127.0.0.2");
    close_all();
}
END_TEST

START_TEST(the_next_one_when_it_fails) { /* and not after an hour */
    open_all(_i);
    accepts(ONE);
    records(has_six() ? "::1" : "fe80::1", "127.0.0.1");
    connects(to("host.test"), "127.0.0.1");
    close_all();
}
END_TEST

START_TEST(the_next_one_after_a_while) { /* section 5: a black hole; its socket is closed when another has won */
    size_t before;

    if (!has_six()) return;
    open_all(_i);
    hangs(SIX);
    hangs(ONE);
    accepts(TWO);
    records("::1", "127.0.0.1 127.0.0.2");
    options.attempt_delay_ms = 5;
    before = open_descriptors();
    connects(to("host.test"), "127.0.0.2");
    trace_is("::1 127.0.0.1 127.0.0.2");
    run_dry();
    ck_assert_uint_eq(open_descriptors(), before);
    close_all();
}
END_TEST

START_TEST(an_attempt_that_is_slow_may_win) { /* the others have failed */
    promise_t *p;

    if (!has_six()) return;
    open_all(0);
    hangs(SIX);
    records("::1", "127.0.0.1 127.0.0.2");
    options.attempt_delay_ms = 5;
    p = to("host.test");
    tried("::1 127.0.0.1 127.0.0.2");
    some_turns();
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    accepts(SIX); /* now there is room: the system asks again in a second */
    connects(p, "::1");
    close_all();
}
END_TEST

/* ---- addresses that are late ---- */

START_TEST(six_is_waited_for) { /* section 3: the resolution delay is an hour */
    promise_t *p;

    if (!has_six()) return;
    open_all(_i);
    accepts(SIX);
    accepts(ONE);
    records("hold ::1", "127.0.0.1");
    p = to("host.test");
    nameserver_asked(ns, 2);
    some_turns();
    trace_is("");
    nameserver_release(ns, "host.test", "AAAA");
    connects(p, "::1");
    trace_is("::1");
    close_all();
}
END_TEST

START_TEST(but_not_for_ever) {
    size_t before;

    open_all(_i);
    accepts(ONE);
    records("hold ::1", "127.0.0.1");
    options.resolution_delay_ms = 5;
    before = open_descriptors();
    connects(to("host.test"), "127.0.0.1");
    trace_is("127.0.0.1");
    run_dry(); /* nobody waits for the other answer any more */
    ck_assert_uint_eq(open_descriptors(), before);
    close_all();
}
END_TEST

START_TEST(without_six_four_goes_at_once) {
    open_all(0);
    accepts(ONE);
    records("!nodata", "127.0.0.1");
    connects(to("host.test"), "127.0.0.1");
    records("!servfail", "127.0.0.1");
    connects(to("host.test"), "127.0.0.1");
    close_all();
}
END_TEST

START_TEST(four_need_not_be_there) {
    if (!has_six()) return;
    open_all(0);
    accepts(SIX);
    records("::1", "hold 127.0.0.1");
    connects(to("host.test"), "::1");
    close_all();
}
END_TEST

START_TEST(addresses_that_come_when_all_others_have_failed) {
    promise_t *p;

    open_all(0);
    accepts(TWO);
    records("fe80::1", "hold 127.0.0.2");
    p = to("host.test");
    nameserver_asked(ns, 2);
    tried("fe80::1");
    some_turns();
    nameserver_release(ns, "host.test", "A");
    connects(p, "127.0.0.2");
    close_all();
}
END_TEST

/* ---- what goes wrong ---- */

START_TEST(the_first_one_says_why) {
    open_all(0);
    records("!nodata", "127.0.0.1 127.0.0.2");
    connects(to("host.test"), refused_by("127.0.0.1"));
    records("!nodata", "127.0.0.2");
    connects(to("host.test"), refused_by("127.0.0.2"));
    is(to("host.test"), "!errno111");
    records("!servfail", "127.0.0.1"); /* one was tried */
    is(to("host.test"), "!errno111");
    close_all();
}
END_TEST

START_TEST(no_addresses) {
    open_all(0);
    is(to("none.test"), "!dns1");
    records("!nodata", "!servfail");
    is(to("host.test"), "!dns5");
    records("!servfail", "!nodata");
    is(to("host.test"), "!dns5");
    records("!nodata", "!nodata");
    is(to("host.test"), "!dns2");
    is(to("a..b"), "!dns3");
    trace_is("");
    close_all();
}
END_TEST

START_TEST(bad_input) {
    open_all(0);
    is(to(NULL), "!errno22");
    is(to(""), "!dns3");
    close_all();
}
END_TEST

/* ---- without DNS ---- */

START_TEST(numeric_hosts_and_known_names) {
    open_all(_i);
    accepts(ONE);
    connects(to("127.0.0.1"), "127.0.0.1");
    connects(to("127.0.0.2"), refused_by("127.0.0.2"));
    connects(to("localhost"), "127.0.0.1");
    connects(promise_connect(loop, "127.0.0.1", port), "127.0.0.1");
    connects(promise_connect(loop, "localhost", port), "127.0.0.1");
    ck_assert_str_eq(nameserver_asked(ns, 0), "");
    trace_take();
    close_all();
}
END_TEST

static promise_value_t connect_inside(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_connect(NULL, "localhost", port)); /* the running loop */
}

START_TEST(from_a_handler) {
    open_all(0);
    accepts(ONE);
    connects(promise_try(loop, connect_inside, NULL), "127.0.0.1");
    close_all();
}
END_TEST

START_TEST(from_an_address_of_ones_own) {
    struct promise_address own, seen;
    promise_value_t v = {0};

    open_all(0);
    accepts(ONE);
    records("::1", "127.0.0.1");
    promise_address_parse(&own, "127.0.0.9", 0);
    options.local = &own;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(promise_loop_run(loop, to(i ? "127.0.0.1" : "host.test"), &v), 0);
        ck_assert_int_eq(promise_address_local(&seen, promise_stream_fd(promise_as_stream(v))), 0);
        promise_address_set_port(&seen, 0);
        ck_assert(promise_address_equal(&seen, &own));
    }
    promise_value_clear(&v);
    ck_assert_str_eq(nameserver_asked(ns, 1), "A:host.test"); /* the other family is of no use */
    promise_address_parse(&own, "::1", 0);
    records("!nodata", "127.0.0.1");
    is(to("host.test"), "!dns2");
    close_all();
}
END_TEST

/* ---- cancelled, and the loop freed, in each state ---- */

static promise_t *resolving(void) {
    records("hold ::1", "hold 127.0.0.1");
    return to("host.test");
}
static promise_t *waiting_for_six(void) {
    promise_t *p;

    records("hold ::1", "127.0.0.1");
    p = to("host.test");
    nameserver_asked(ns, 2);
    some_turns();
    return p;
}
static promise_t *one_attempt(void) {
    promise_t *p;

    hangs(ONE);
    records("!nodata", "127.0.0.1");
    p = to("host.test");
    tried("127.0.0.1");
    return p;
}
static promise_t *several_attempts(void) {
    promise_t *p;

    hangs(ONE);
    hangs(TWO);
    records("fe80::1", "127.0.0.1 127.0.0.2 127.0.0.1");
    options.attempt_delay_ms = 1;
    p = to("host.test");
    tried("fe80::1 127.0.0.1 127.0.0.2 127.0.0.1");
    return p;
}
static promise_t *waiting_for_more(void) {
    promise_t *p;

    records("fe80::1", "hold 127.0.0.1");
    p = to("host.test");
    tried("fe80::1");
    some_turns();
    return p;
}
static promise_t *numeric(void) {
    hangs(ONE);
    return to("127.0.0.1");
}
static promise_t *(*const states[])(void) = {resolving,        waiting_for_six,  one_attempt,
                                             several_attempts, waiting_for_more, numeric};
enum { STATES = sizeof states / sizeof *states };

START_TEST(K2_cancelled) {
    size_t before, blocks;
    promise_t *p;

    open_all(_i % 2);
    ck_assert_int_eq(promise_loop_run(loop, promise_sleep(loop, 0), NULL), 0); /* the timers' own memory */
    blocks = test_alloc_live();
    before = open_descriptors();
    p = states[_i / 2]();
    trace_take();
    promise_cancel(traced(p, "p"));
    run_dry();
    trace_is("p=!canceled");
    ck_assert_uint_eq(open_descriptors(), before + filler_count);
    ck_assert_uint_eq(test_alloc_live(), blocks);
    close_all();
}
END_TEST

START_TEST(K2_sockets_are_closed_at_once) {
    size_t before;
    promise_t *p;

    open_all(0);
    before = open_descriptors();
    p = several_attempts();
    promise_cancel(p);
    ck_assert_uint_eq(open_descriptors(), before + filler_count);
    close_all();
}
END_TEST

START_TEST(J5_the_loop_is_freed) {
    open_all(_i % 2);
    promise_unref(states[_i / 2]());
    trace_take();
    close_all();
}
END_TEST

START_TEST(K5_a_timeout_stops_it) {
    open_all(_i % 2);
    is(promise_timeout(states[_i / 2](), 1), "!timedout");
    run_dry();
    trace_take();
    close_all();
}
END_TEST

static promise_value_t free_it(promise_value_t v, void *arg) {
    (void)arg;
    free_the_loop();
    return v;
}

START_TEST(J5_the_loop_is_freed_when_it_has_connected) {
    open_all(_i);
    accepts(ONE);
    records("hold ::1", "127.0.0.1");
    options.resolution_delay_ms = 1;
    promise_unref(promise_then(to("host.test"), free_it, NULL));
    promise_loop_run(loop, NULL, NULL);
    ck_assert_ptr_null(loop);
    trace_take();
    close_all();
}
END_TEST

/* ---- out of memory ---- */

START_TEST(O2_out_of_memory) { /* one allocation fails, or all from then on */
    bool failed = true;

    for (size_t n = 0; failed || n <= 1; n++) {
        promise_value_t v = {0};
        promise_t *p;
        open_all(0);
        accepts(TWO);
        records("fe80::1", "127.0.0.1 127.0.0.2");
        if (_i) test_alloc_fail_from(n);
        else test_alloc_fail_at(n);
        p = to("host.test");
        if (promise_loop_run(loop, p, &v) < 0)
            ck_assert_msg(promise_error_is(v, &promise_errno_errors, ENOMEM) ||
                              promise_error_is(v, &promise_errno_errors, EINVAL), /* of the first one */
                          "%zu: %s", n, shown(v));
        promise_value_clear(&v);
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        trace_take();
        close_all();
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("connect_name");
    TCase *t = tcase_create("connect_name");

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, six_is_asked_for_and_tried_first, 0, 2);
    tcase_add_test(t, the_families_take_turns);
    tcase_add_loop_test(t, the_next_one_when_it_fails, 0, 2);
    tcase_add_loop_test(t, the_next_one_after_a_while, 0, 2);
    tcase_add_test(t, an_attempt_that_is_slow_may_win);
    tcase_add_loop_test(t, six_is_waited_for, 0, 2);
    tcase_add_loop_test(t, but_not_for_ever, 0, 2);
    tcase_add_test(t, without_six_four_goes_at_once);
    tcase_add_test(t, four_need_not_be_there);
    tcase_add_test(t, addresses_that_come_when_all_others_have_failed);
    tcase_add_test(t, the_first_one_says_why);
    tcase_add_test(t, no_addresses);
    tcase_add_test(t, bad_input);
    tcase_add_loop_test(t, numeric_hosts_and_known_names, 0, 2);
    tcase_add_test(t, from_a_handler);
    tcase_add_test(t, from_an_address_of_ones_own);
    tcase_add_loop_test(t, K2_cancelled, 0, 2 * STATES);
    tcase_add_test(t, K2_sockets_are_closed_at_once);
    tcase_add_loop_test(t, J5_the_loop_is_freed, 0, 2 * STATES);
    tcase_add_loop_test(t, K5_a_timeout_stops_it, 0, 2 * STATES);
    tcase_add_loop_test(t, J5_the_loop_is_freed_when_it_has_connected, 0, 2);
    tcase_add_loop_test(t, O2_out_of_memory, 0, 2);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
