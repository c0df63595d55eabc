/*
 * A table of faults: each row has what goes wrong, and the one outcome that comes of it. Every row is run to that outcome, is
 * cancelled, and has its loop freed under it, and each time nothing is left: no descriptor, no memory, nothing for the loop
 * to do.
 *
 *     static const struct fault faults[] = {
 *         SECTION("Streams"),
 *         ROW("the peer leaves in the middle", "promise_stream_read_exactly()", PROMISE(ECLOSED),
 *             "the stream ended after 5 of 10 bytes", read_ten, .peer = {SAYS("hello")}),
 *     };
 *
 * --list prints the table as docs/faults.md has it, and test/faults.sh compares the two.
 */
#ifndef TEST_FAULTS_H
#define TEST_FAULTS_H

#include "net.h"

#include <promise/http_client.h>
#include <promise/http_server.h>

/* What the other end does, a plain socket in a thread of its own; and when it has done it, it leaves. */
struct step {
    enum { DEED_LEAVE, DEED_SAY, DEED_HEAR, DEED_TELL, DEED_DRIP, DEED_STAY, DEED_END, DEED_RESET } deed;
    const char *text;
};
/* clang-format off */
#define SAYS(text) {DEED_SAY, text}
#define HEARS(text) {DEED_HEAR, text} /* all up to and with the text */
#define TELLS {DEED_TELL, NULL}       /* one line that it hears: what peer_calls() gives */
#define DRIPS {DEED_DRIP, NULL}       /* a byte every few milliseconds, until it hears something, or the connection is gone */
#define STAYS {DEED_STAY, NULL}       /* silent, until the connection is gone */
#define ENDS {DEED_END, NULL}         /* its side: it goes on hearing */
#define RESETS {DEED_RESET, NULL}     /* the connection, instead of leaving */
/* clang-format on */

struct outcome {
    const struct promise_domain *domain; /* NULL: fulfilled with a text */
    int code;
    const char *name; /* of the code, for the page */
};
/* clang-format off */
#define FULFILLED {NULL, 0, "fulfilled"}
#define ANSWERED {NULL, 0, "its answer"}
#define CALLED {NULL, 0, "a call"}
#define ERRNO(code) {&promise_errno_errors, code, #code}
#define PROMISE(code) {&promise_errors, PROMISE_##code, "PROMISE_" #code}
#define HTTP(code) {&promise_http_errors, PROMISE_HTTP_##code, "PROMISE_HTTP_" #code}
/* clang-format on */

struct fault {
    const char *what; /* goes wrong */
    const char *call; /* who sees it, for the page */
    struct outcome outcome;
    const char *message;                            /* of the error, or the text; "*" is any text */
    promise_t *(*start)(const struct fault *fault); /* NULL: not a row, but the title of those that follow */
    struct step peer[5];
    struct outcome cause; /* among the causes; NULL: none is looked for */
    const void *options;  /* for start */
};
/* clang-format off */
#define SECTION(title) {.what = title}
#define ROW(what_, call_, outcome_, message_, ...)                                                                             \
    {.what = what_, .call = call_, .outcome = outcome_, .message = message_, .start = __VA_ARGS__}
/* clang-format on */

/* ---- for start ---- */

/* A peer that takes connections and does its part on each, one after the other. */
void peer_listens(const struct fault *fault, struct promise_address *address);
/* One that connects; gives the line that it tells, as a string; NULL where it tells none. */
promise_t *peer_calls(const struct fault *fault, const struct promise_address *address);
/* Where nobody listens. */
struct promise_address nobody(void);

/* fn(arg) when the row is over: with what belongs to the loop, which takes care of it where it is freed; and with what does
 * not, after that. The last one comes first. */
void close_with_loop(void (*fn)(void *arg), void *arg);
void close_after_loop(void (*fn)(void *arg), void *arg);
/* No descriptors any more, until the row is over. */
void use_up_descriptors(void);

/* HTTP: a client, which is closed with the loop; the URL of what is at an address, by that name of its host, until the next
 * call; and a plain GET. */
promise_http_client_t *new_client(const struct promise_http_client_options *options);
const char *url_at(const char *scheme, const char *host, const struct promise_address *address);
promise_t *request(promise_http_client_t *client, const char *url);
/* A server on 127.0.0.1, which is closed with the loop, and says nothing of handlers that fail. */
void new_server(promise_fn *handler, struct promise_http_server_options options, struct promise_address *address);

/* ---- for main() ---- */

Suite *faults_suite(const char *name, const struct fault *faults, size_t count);
/* Whether --list was asked for, and is done. */
bool faults_listed(int argc, char **argv, const struct fault *faults, size_t count);

#endif
