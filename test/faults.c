#include "faults.h"

#include <fnmatch.h>
#include <limits.h>
#include <poll.h>
#include <promise/remote.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- what is to be closed ---- */

struct closing {
    void (*fn)(void *arg);
    void *arg;
};
static struct closing with_loop[8], after_loop[8];

static void push(struct closing *list, void (*fn)(void *arg), void *arg) {
    size_t n = 0;

    while (list[n].fn) n++;
    ck_assert_uint_lt(n, 7);
    list[n] = (struct closing){fn, arg};
}

static void close_all(struct closing *list) {
    for (size_t n = 8; n--; list[n].fn = NULL)
        if (list[n].fn) list[n].fn(list[n].arg);
}

void close_with_loop(void (*fn)(void *arg), void *arg) { push(with_loop, fn, arg); }
void close_after_loop(void (*fn)(void *arg), void *arg) { push(after_loop, fn, arg); }

static void give_descriptors(void *arg) {
    (void)arg;
    limit_fds(UINT_MAX);
}
void use_up_descriptors(void) {
    limit_fds(0);
    close_after_loop(give_descriptors, NULL);
}

/* ---- the other end ---- */

struct other {
    const struct step *steps;
    int fd; /* the listener, or the connection */
    promise_remote_t *remote;
    pthread_t thread;
};

/* The next line, or what there is of it before the end. */
static void hear_line(int fd, char *line, size_t size) {
    size_t n = 0;

    while (n < size - 1 && recv(fd, line + n, 1, 0) == 1 && line[n] != '\n') n++;
    line[n - (n && line[n - 1] == '\r')] = 0;
}

static void hear_until(int fd, const char *text) {
    size_t n = 0, length = strlen(text);
    char c;

    while (n < length && recv(fd, &c, 1, 0) == 1) n = c == text[n] ? n + 1 : c == *text;
}

static void drip(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};

    while (send(fd, "x", 1, MSG_NOSIGNAL) == 1 && poll(&p, 1, 5) == 0) continue;
}

static void stay(int fd) {
    char c[256];

    while (recv(fd, c, sizeof c, 0) > 0) continue;
}

static void do_step(struct other *o, const struct step *step, int fd) {
    static const struct linger at_once = {1, 0};
    char line[256];

    switch (step->deed) {
    case DEED_LEAVE: break;
    case DEED_SAY: send(fd, step->text, strlen(step->text), MSG_NOSIGNAL); break;
    case DEED_HEAR: hear_until(fd, step->text); break;
    case DEED_TELL:
        hear_line(fd, line, sizeof line);
        promise_remote_resolve(o->remote, promise_string(line));
        o->remote = NULL;
        break;
    case DEED_DRIP: drip(fd); break;
    case DEED_STAY: stay(fd); break;
    case DEED_END: shutdown(fd, SHUT_WR); break;
    case DEED_RESET: setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once); break;
    }
}

static void do_steps(struct other *o, int fd) {
    for (const struct step *s = o->steps; s->deed != DEED_LEAVE; s++) do_step(o, s, fd);
    close(fd);
}

static void *listen_there(void *arg) {
    struct other *o = arg;
    int fd;

    while ((fd = accept(o->fd, NULL, NULL)) >= 0) do_steps(o, fd);
    return NULL;
}

static void *call_there(void *arg) {
    struct other *o = arg;

    do_steps(o, o->fd);
    o->fd = -1;
    return NULL;
}

static void join(void *arg) {
    struct other *o = arg;

    if (o->fd >= 0) shutdown(o->fd, SHUT_RDWR); /* accept, if it is in there, comes back */
    pthread_join(o->thread, NULL);
    if (o->fd >= 0) close(o->fd);
    free(o);
}

static struct other *other_new(const struct fault *fault, int fd) {
    struct other *o = calloc(1, sizeof *o);

    ck_assert_int_ge(fd, 0);
    o->steps = fault->peer;
    o->fd = fd;
    return o;
}

void peer_listens(const struct fault *fault, struct promise_address *address) {
    struct other *o = other_new(fault, peer_bind(SOCK_STREAM, address));

    ck_assert_int_eq(listen(o->fd, 5), 0);
    ck_assert_int_eq(pthread_create(&o->thread, NULL, listen_there, o), 0);
    close_after_loop(join, o);
}

static void join_caller(void *arg) {
    struct other *o = arg;

    pthread_join(o->thread, NULL); /* its connection is gone, so it comes to its end */
    free(o);
}

static bool tells(const struct fault *fault) {
    for (const struct step *s = fault->peer; s->deed != DEED_LEAVE; s++)
        if (s->deed == DEED_TELL) return true;
    return false;
}

promise_t *peer_calls(const struct fault *fault, const struct promise_address *address) {
    struct other *o = other_new(fault, peer_connect(address));
    promise_resolver_t *resolver;
    promise_t *p = NULL;

    if (tells(fault)) {
        p = promise_new(loop, &resolver);
        o->remote = promise_remote_new(resolver);
    }
    ck_assert_int_eq(pthread_create(&o->thread, NULL, call_there, o), 0);
    close_after_loop(join_caller, o);
    return p;
}

struct promise_address nobody(void) {
    struct promise_address address;

    close(peer_bind(SOCK_STREAM, &address));
    return address;
}

/* ---- HTTP ---- */

promise_http_client_t *new_client(const struct promise_http_client_options *options) {
    promise_http_client_t *client = promise_http_client_new(loop, options);

    close_with_loop(promise_http_client_close, client);
    return client;
}

const char *url_at(const char *scheme, const char *host, const struct promise_address *address) {
    static char url[64];

    snprintf(url, sizeof url, "%s://%s:%u/", scheme, host, (unsigned)promise_address_port(address));
    return url;
}

promise_t *request(promise_http_client_t *client, const char *url) {
    return promise_http_client_request(client, &(struct promise_http_request){.url = url});
}

static void no_report(promise_value_t r, promise_value_t reason, void *arg) { (void)r, (void)reason, (void)arg; }

void new_server(promise_fn *handler, struct promise_http_server_options options, struct promise_address *address) {
    promise_http_server_t *server;

    options.report = no_report;
    server = promise_http_server_new(loop, "127.0.0.1", 0, handler, NULL, &options);
    ck_assert_int_eq(promise_listener_address(promise_http_server_listener(server), address), 0);
    close_with_loop(promise_http_server_close, server);
}

/* ---- the table runs ---- */

enum { MOST_ROWS = 256 };
static const struct fault *table[MOST_ROWS]; /* those that are no titles */
static promise_value_t came;
static unsigned settled, unhandled;

static promise_value_t settle(promise_value_t v, void *arg) {
    (void)arg;
    settled++;
    promise_value_set(&came, v);
    return promise_void();
}

static void count_unhandled(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
    unhandled++;
}

static void quiet(int severity, const char *text) { (void)severity, (void)text; }

static void open_table(void) {
    static bool started;

    if (!started) signal(SIGPIPE, SIG_DFL); /* whoever started us may have it ignored: the first stream is to do that */
    started = true;
    event_set_log_callback(quiet); /* name servers fail here on purpose */
    net_open();
    promise_loop_on_unhandled(loop, count_unhandled, NULL);
    settled = unhandled = 0;
}

static promise_t *start(int i) { return promise_then_catch(table[i]->start(table[i]), settle, settle, NULL); }

/* Nothing was settled twice, or reported; nothing is left to do (and net_close() looks for what is left otherwise). */
static void over(void) {
    if (loop) {
        close_all(with_loop);
        ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    }
    close_all(after_loop);
    ck_assert_uint_eq(settled, 1);
    ck_assert_uint_eq(unhandled, 0);
    promise_value_clear(&came);
}

static const char *text_of(promise_value_t v) {
    static char text[1024];

    if (promise_is_rejection(v)) return promise_error_message(v);
    if (promise_is(v, &promise_type_string) || promise_is(v, &promise_type_bytes)) return promise_as_bytes(v, NULL);
    promise_print(v, text, sizeof text);
    return text;
}

static bool is(promise_value_t v, const struct outcome *outcome) {
    if (!outcome->domain) return !promise_is_rejection(v);
    return promise_is_rejection(v) && promise_error_domain(v) == outcome->domain && promise_error_code(v) == outcome->code;
}

static bool as_in_table(const struct fault *f) {
    return is(came, &f->outcome) && fnmatch(f->message, text_of(came), FNM_NOESCAPE) == 0 &&
           (!f->cause.domain || promise_error_is(came, f->cause.domain, f->cause.code));
}

static void check(const struct fault *f) {
    ck_assert_msg(as_in_table(f), "%s: expected %s \"%s\", got code %d: \"%s\"", f->what, f->outcome.name, f->message,
                  promise_is_rejection(came) ? promise_error_code(came) : 0, text_of(came));
}

START_TEST(each_fault_has_its_one_outcome) {
    ck_assert_int_eq(promise_loop_run(loop, start(_i), NULL), 0);
    check(table[_i]);
    over();
}
END_TEST

/* How far it came by then is the other end's affair: so it may be over. */
static void check_canceled(const struct fault *f) {
    if (!promise_is_rejection(came) || !promise_error_is(came, &promise_errors, PROMISE_ECANCELED)) check(f);
}

static const unsigned turns[] = {2, 0, 1, 5}; /* when; where every step is slow only the first */
static int points;

START_TEST(K2_cancelled_in_the_middle) {
    promise_t *p = start(_i / points);

    turn(turns[_i % points]);
    promise_cancel(p);
    while (!settled) turn(1);
    check_canceled(table[_i / points]);
    over();
}
END_TEST

START_TEST(J5_the_loop_freed_in_the_middle) {
    promise_t *p = start(_i / points);

    turn(turns[_i % points]);
    promise_unref(p);
    promise_loop_free(loop);
    loop = NULL;
    check_canceled(table[_i / points]);
    over();
}
END_TEST

Suite *faults_suite(const char *name, const struct fault *faults, size_t count) {
    Suite *suite = suite_create(name);
    TCase *t = tcase_create(name);
    int rows = 0;

    if (count > MOST_ROWS) abort();
    points = (int)test_scaled(sizeof turns / sizeof *turns);
    for (size_t i = 0; i < count; i++)
        if (faults[i].start) table[rows++] = &faults[i];
    tcase_add_checked_fixture(t, open_table, net_close);
    tcase_add_loop_test(t, each_fault_has_its_one_outcome, 0, rows);
    tcase_add_loop_test(t, K2_cancelled_in_the_middle, 0, rows * points);
    tcase_add_loop_test(t, J5_the_loop_freed_in_the_middle, 0, rows * points);
    suite_add_tcase(suite, t);
    return suite;
}

/* ---- and is printed ---- */

static void print_row(const struct fault *f) {
    printf("| %s | %s | ", f->what, f->call);
    printf(f->outcome.domain ? "`%s`" : "%s", f->outcome.name);
    if (f->cause.domain) printf(", of `%s`", f->cause.name);
    printf(" | ");
    for (const char *c = f->message; *c; c++)
        if (*c == '*') fputs("…", stdout);
        else putchar(*c);
    printf(" |\n");
}

bool faults_listed(int argc, char **argv, const struct fault *faults, size_t count) {
    if (argc != 2 || strcmp(argv[1], "--list") != 0) return false;
    for (const struct fault *f = faults; f < faults + count; f++)
        if (f->start) print_row(f);
        else printf("\n## %s\n\n| what goes wrong | who sees it | as | with this message |\n|---|---|---|---|\n", f->what);
    return true;
}
