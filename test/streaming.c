#include "streaming.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

promise_stream_t *s, *t;
int peer = -1;
static char *heard, *noises[8];

/* ---- the case ---- */

static void quiet(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

void stream_open_none(void) {
    net_open();
    promise_loop_on_unhandled(loop, quiet, NULL);
}

static void take_ends(const int ends[2]) {
    s = promise_stream_new(loop, ends[0]);
    peer = ends[1];
}

void stream_open(void) {
    int ends[2];

    stream_open_none();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    take_ends(ends);
}

void stream_open_tcp(void) {
    struct promise_address address;
    int ends[2], listener;

    stream_open_none();
    listener = peer_bind(SOCK_STREAM, &address);
    ck_assert_int_eq(listen(listener, 1), 0);
    ends[0] = peer_connect(&address);
    ends[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(ends[1], 0);
    close(listener);
    take_ends(ends);
}

void stream_open_two(void) {
    promise_stream_t *ends[2];

    stream_open_none();
    promise_stream_pair(loop, ends);
    s = ends[0];
    t = ends[1];
}

void stream_drop(void) {
    promise_stream_unref(s);
    promise_stream_unref(t);
    s = t = NULL;
    if (peer >= 0) close(peer);
    peer = -1;
}

void stream_close(void) {
    promise_loop_t *running = loop;

    stream_drop();
    free(heard);
    heard = NULL;
    for (size_t i = 0; i < sizeof noises / sizeof *noises; i++) free(noises[i]);
    if (running) promise_loop_on_unhandled(loop, NULL, NULL);
    net_close();
}

/* ---- the peer ---- */

void say_bytes(const void *data, size_t size) {
    ck_assert_int_eq(send(peer, data, size, MSG_NOSIGNAL), (ssize_t)size);
}
void say(const char *text) { say_bytes(text, strlen(text)); }
void hang_up(void) { ck_assert_int_eq(shutdown(peer, SHUT_WR), 0); }
void leave(void) {
    close(peer);
    peer = -1;
}
void reset(void) {
    const struct linger at_once = {1, 0};

    ck_assert_int_eq(setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    leave();
}

/* -1: nothing there yet. */
static ssize_t peer_read(char *data, size_t size) {
    struct pollfd now = {.fd = peer, .events = POLLIN};

    if (poll(&now, 1, loop ? 0 : -1) > 0) return read(peer, data, size);
    promise_loop_turn(loop);
    return -1;
}

const char *hear(size_t size) {
    size_t have = 0;

    heard = realloc(heard, size + 1);
    while (have < size) {
        ssize_t n = peer_read(heard + have, size - have);
        ck_assert_msg(n != 0, "the peer sees the end after %zu of %zu bytes", have, size);
        if (n > 0) have += (size_t)n;
    }
    heard[size] = 0;
    return heard;
}
void hears(const char *text) { ck_assert_str_eq(hear(strlen(text)), text); }
void hears_end(void) {
    char c;
    ssize_t n;

    while ((n = peer_read(&c, 1)) < 0) {}
    ck_assert_int_eq(n, 0);
}

/* ---- what promises give ---- */

void gives_bytes(promise_t *p, const void *data, size_t size) {
    promise_value_t v = fulfilled(p);
    size_t got;
    const char *bytes;

    ck_assert_msg(!promise_is_end(v), "expected %zu bytes, got the end", size);
    bytes = promise_as_bytes(v, &got);
    ck_assert_uint_eq(got, size);
    ck_assert_mem_eq(bytes, data, size);
}
void gives(promise_t *p, const char *text) { gives_bytes(p, text, strlen(text)); }
void gives_end(promise_t *p) { ck_assert(promise_is_end(fulfilled(p))); }
void gives_void(promise_t *p) { ck_assert(promise_is_void(fulfilled(p))); }
void gives_int(promise_t *p, int64_t n) { ck_assert_int_eq(promise_as_int(fulfilled(p)), n); }

void arrive(promise_stream_t *stream, size_t size) {
    while (promise_stream_readable(stream) < size) promise_loop_turn(loop);
}

size_t stuff(promise_stream_t *stream) {
    size_t size = 0;

    while (!promise_stream_unsent(stream)) {
        promise_unref(promise_stream_write(stream, promise_bytes(noise(100000), 100000)));
        size += 100000;
        turn(1);
    }
    return size;
}

char *noise(size_t size) {
    unsigned n = 12345;
    char *data = malloc(size);
    size_t i = 0;

    for (size_t j = 0; j < size; j++) data[j] = (char)((n = n * 1103515245 + 12345) >> 16);
    while (i < sizeof noises / sizeof *noises - 1 && noises[i]) i++;
    free(noises[i]); /* the last one is lent for a short time only */
    return noises[i] = data;
}

static promise_value_t as_text(promise_value_t v, void *arg) {
    size_t size;
    const char *data;

    (void)arg;
    if (!promise_is(v, &promise_type_bytes)) return v;
    data = promise_as_bytes(v, &size);
    return promise_stringf("%.*s", (int)size, data);
}

void ask(promise_t *p, const char *name) { promise_unref(traced(promise_then(p, as_text, NULL), name)); }
