#define connect system_connect /* ours is below */
#include "eyeballs.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#undef connect

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

static const char *const hosts[HOSTS] = {"127.0.0.1", "127.0.0.2", "::1"};
static int sockets[HOSTS], fillers[64];
size_t filler_count;
uint16_t port;

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

bool has_six(void) {
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

void accepts(int which) { ck_assert_int_eq(listen(sockets[which], 16), 0); }

/* Its queue is full: what comes more is neither refused nor taken. */
void hangs(int which) {
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
int waiting_at(int which) {
    struct pollfd p = {.fd = sockets[which], .events = POLLIN};
    int n = 0;

    while (poll(&p, 1, 0) == 1 && p.revents & POLLIN) {
        close(accept(sockets[which], NULL, NULL));
        n++;
    }
    return n;
}

/* ---- a case ---- */

struct promise_connect_options options;

void open_all(int callers) {
    open_dns(callers);
    open_hosts();
    options = (struct promise_connect_options){.dns = dns, .attempt_delay_ms = HOUR, .resolution_delay_ms = HOUR};
}

void close_all(void) {
    if (loop) free_the_loop();
    if (base) event_base_loop(base, EVLOOP_NONBLOCK); /* what libevent puts off of a bufferevent's end */
    close_hosts();
    close_dns();
}

void records(const char *six, const char *four) {
    nameserver_set(ns, "host.test", "AAAA", six);
    nameserver_set(ns, "host.test", "A", four);
}

promise_t *to(const char *name) { return promise_connect_with(loop, name, port, &options); }

/* Runs until it has connected: to whom; or the error's words. */
const char *peer(promise_t *p) {
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

const char *refused_by(const char *text) {
    static char words[128];

    snprintf(words, sizeof words, "!connect %s:%u: Connection refused", text, port);
    return words;
}

/* What is with the kernel is seen. */
void some_turns(void) {
    for (int i = 0; i < 10; i++) promise_loop_turn(loop);
}

void run_dry(void) { ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0); }

/* Turns the loop until it has tried so many. */
void tried(const char *text) {
    static char all[256];
    const char *some;

    for (*all = 0; strcmp(all, text) != 0; promise_loop_turn(loop)) {
        some = trace_take();
        if (*some) snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", *all ? " " : "", some);
        ck_assert_msg(strncmp(all, text, strlen(all)) == 0, "tried %s, not %s", all, text);
    }
}
