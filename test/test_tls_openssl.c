/* TLS with a peer that nobody here wrote: the openssl command, as a client and as a server. */
#include "tlspair.h"

#include <errno.h>
#include <promise/connect.h>
#include <promise/listener.h>
#include <promise/timer.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- the command ---- */

static pid_t child;
static promise_stream_t *to, *from; /* its standard input, and its output with its errors */

static void start(const char *const *arguments) {
    posix_spawn_file_actions_t actions;
    int in[2], out[2];

    ck_assert_int_eq(pipe(in), 0);
    ck_assert_int_eq(pipe(out), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, out[1], 2);
    posix_spawn_file_actions_addclose(&actions, in[1]);
    posix_spawn_file_actions_addclose(&actions, out[0]);
    ck_assert_int_eq(posix_spawnp(&child, "openssl", &actions, NULL, (char *const *)(uintptr_t)arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    to = promise_stream_new(loop, in[1]);
    from = promise_stream_new(loop, out[0]);
}

static void stop(void) {
    int status;

    promise_stream_unref(to);
    promise_stream_unref(from);
    to = from = NULL;
    kill(child, SIGTERM);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
}

/* Reads its output up to a line with text in it; the line, kept until the next call of value_of(). */
static const char *line_with(const char *text) {
    for (;;) {
        promise_value_t line = value_of(promise_stream_read_line(from, 100000));
        ck_assert_msg(!promise_is_end(line), "no line with \"%s\"", text);
        if (strstr(promise_as_string(line), text)) return promise_as_string(line);
    }
}

/* It tells of its own as well. */
static void hears_close_notify(void) {
    while (!strstr(line_with("close_notify"), "<<<")) continue;
}

/* ---- openssl s_server ---- */

static promise_tls_t *trusting;
static uint16_t port;

static void start_server(const char *version, const char *mode) {
    const char *const arguments[] = {
        "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", certificate("good"), "-key", certificate("good"), version,
        mode,      "-msg",     "-alpn",   "x,y",         NULL};

    start(arguments);
    port = (uint16_t)strtoul(strrchr(line_with("ACCEPT"), ':') + 1, NULL, 10);
    ck_assert_uint_ne(port, 0);
    trusting = good_client(&(struct promise_tls_options){.alpn = (const char *const[]){"y", NULL}});
}

static void stop_server(void) {
    promise_stream_unref(client);
    client = NULL;
    promise_tls_unref(trusting);
    stop();
}

static promise_value_t secured(promise_value_t v, void *host) {
    return promise_adopt(promise_tls_secure(promise_stream_ref(promise_as_stream(v)), host, trusting));
}

static promise_t *connected(const char *host) {
    struct promise_address address;

    if (strcmp(host, "127.0.0.1") == 0) return promise_tls_connect(loop, trusting, host, port);
    ck_assert_int_eq(promise_address_parse(&address, "127.0.0.1", port), 0);
    return promise_then(promise_connect_address(loop, &address), secured, (void *)(uintptr_t)host);
}

static void connect_as(const char *host) {
    promise_value_t v = value_of(connected(host));

    promise_stream_unref(client);
    client = promise_stream_ref(promise_as_stream(v));
}

static const char *const versions[] = {"-tls1_2", "-tls1_3"}, *const names[] = {"TLSv1.2", "TLSv1.3"};

START_TEST(our_client_with_s_server) {
    start_server(versions[_i], "-rev");
    for (int i = 0; i < 2; i++) {
        connect_as("good.test");
        ck_assert_str_eq(promise_tls_version(client), names[_i]);
        ck_assert_str_eq(promise_tls_alpn(client), "y");
        ck_assert(promise_tls_session_reused(client) == (i == 1));
        value_of(promise_stream_write(client, promise_string("hello\n")));
        ck_assert_str_eq(promise_as_string(value_of(promise_stream_read_line(client, 100))), "olleh");
        value_of(promise_stream_close(client));
        hears_close_notify();
    }
    stop_server();
}
END_TEST

START_TEST(s_server_takes_leave) {
    promise_value_t v;
    size_t size;

    start_server(versions[_i], "-www");
    connect_as("127.0.0.1");
    value_of(promise_stream_write(client, promise_string("GET / HTTP/1.0\r\n\r\n")));
    v = value_of(promise_stream_read_all(client, 100000));
    ck_assert_ptr_nonnull(strstr(promise_as_bytes(v, &size), "</pre></BODY></HTML>"));
    ck_assert_int_ne(SSL_get_shutdown(promise_tls_ssl(client)) & SSL_RECEIVED_SHUTDOWN, 0);
    stop_server();
}
END_TEST

START_TEST(s_server_is_killed) {
    start_server(versions[_i], "-rev");
    connect_as("good.test");
    value_of(promise_stream_write(client, promise_string("hello\n")));
    value_of(promise_stream_read_line(client, 100));
    kill(child, SIGKILL);
    error_of(promise_stream_read(client, 1), &promise_tls_errors, PROMISE_TLS_ETRUNCATED);
    stop_server();
}
END_TEST

START_TEST(s_server_is_somebody_else) {
    start_server(versions[_i], "-rev");
    ck_assert_ptr_nonnull(
        strstr(error_of(connected("elsewhere.test"), &promise_tls_errors, PROMISE_TLS_EVERIFY), "hostname mismatch"));
    line_with("bad certificate"); /* and hears so */
    connect_as("good.test");
    stop_server();
}
END_TEST

/* ---- openssl s_client ---- */

static promise_listener_t *listener;
static promise_tls_t *serving;
static char where[64];

static void listen_for(const struct promise_tls_options *options) {
    listener = promise_listener_new(loop, "127.0.0.1", 0);
    serving = good_server(options);
    snprintf(where, sizeof where, "127.0.0.1:%u", (unsigned)promise_listener_port(listener));
}

static void stop_listening(void) {
    promise_listener_close(listener);
    promise_tls_unref(serving);
}

static promise_value_t accepted(promise_value_t v, void *arg) {
    (void)arg;
    return promise_adopt(promise_tls_secure(promise_stream_ref(promise_as_stream(v)), NULL, serving));
}

static promise_t *next_client(void) { return promise_then(promise_listener_accept(listener), accepted, NULL); }

static void start_client(const char *version, const char *option, const char *argument) {
    const char *const arguments[] = {"openssl",
                                     "s_client",
                                     "-connect",
                                     where,
                                     version,
                                     "-servername",
                                     "good.test",
                                     "-verify_hostname",
                                     "good.test",
                                     "-CAfile",
                                     certificate("authority"),
                                     "-verify_return_error",
                                     "-alpn",
                                     "y",
                                     "-msg",
                                     "-ign_eof",
                                     option,
                                     argument,
                                     NULL};

    start(arguments);
}

START_TEST(s_client_with_our_server) {
    listen_for(&(struct promise_tls_options){.alpn = (const char *const[]){"x", "y", NULL}});
    start_client(versions[_i], NULL, NULL);
    server = promise_stream_ref(promise_as_stream(value_of(next_client())));
    ck_assert_str_eq(promise_tls_version(server), names[_i]);
    ck_assert_str_eq(promise_tls_alpn(server), "y");
    line_with("Verify return code: 0 (ok)");
    value_of(promise_stream_write(to, promise_string("hello\n")));
    ck_assert_str_eq(promise_as_string(value_of(promise_stream_read_line(server, 100))), "hello");
    value_of(promise_stream_write(server, promise_string("and to you\n")));
    value_of(promise_stream_close(server));
    line_with("and to you");
    hears_close_notify();
    stop();
    stop_listening();
}
END_TEST

START_TEST(s_client_takes_leave) {
    listen_for(NULL);
    start_client(versions[_i], NULL, NULL);
    server = promise_stream_ref(promise_as_stream(value_of(next_client())));
    line_with("Verify return code");
    value_of(promise_stream_write(to, promise_string("bye\n")));
    value_of(promise_stream_read_line(server, 100));
    value_of(promise_stream_shutdown(server));
    ck_assert(promise_is_end(value_of(promise_stream_read(server, 1)))); /* it answers by the same */
    stop();
    stop_listening();
}
END_TEST

START_TEST(s_client_resumes) {
    char path[] = "/tmp/promise-tls-session-XXXXXX";
    int fd = mkstemp(path);

    close(fd);
    listen_for(NULL);
    for (int i = 0; i < 2; i++) {
        start_client(versions[_i], i ? "-sess_in" : "-sess_out", path);
        server = promise_stream_ref(promise_as_stream(value_of(next_client())));
        ck_assert(promise_tls_session_reused(server) == (i == 1));
        value_of(promise_stream_write(server, promise_string("marker\n")));
        line_with("marker"); /* the tickets came before it */
        value_of(promise_stream_close(server));
        value_of(promise_stream_read_all(from, SIZE_MAX));
        promise_stream_unref(server);
        server = NULL;
        stop();
    }
    unlink(path);
    stop_listening();
}
END_TEST

START_TEST(s_client_is_killed) {
    listen_for(NULL);
    start_client(versions[_i], NULL, NULL);
    server = promise_stream_ref(promise_as_stream(value_of(next_client())));
    value_of(promise_stream_write(server, promise_string("marker\n")));
    line_with("marker"); /* all is read: what is not would be answered by a reset */
    kill(child, SIGKILL);
    error_of(promise_stream_read(server, 1), &promise_tls_errors, PROMISE_TLS_ETRUNCATED);
    stop();
    stop_listening();
}
END_TEST

START_TEST(s_client_does_not_like_our_certificate) {
    listen_for(&(struct promise_tls_options){.certificate_file = certificate("expired")});
    start_client(versions[_i], NULL, NULL);
    ck_assert_ptr_nonnull(strstr(error_of(next_client(), &promise_tls_errors, PROMISE_TLS_EALERT), "certificate expired"));
    line_with("certificate has expired");
    stop();
    stop_listening();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("tls_openssl");
    TCase *t = tcase_create("openssl");

    tcase_add_checked_fixture(t, tls_setup, tls_teardown);
    tcase_add_loop_test(t, our_client_with_s_server, 0, 2);
    tcase_add_loop_test(t, s_server_takes_leave, 0, 2);
    tcase_add_loop_test(t, s_server_is_killed, 0, 2);
    tcase_add_loop_test(t, s_server_is_somebody_else, 0, 2);
    tcase_add_loop_test(t, s_client_with_our_server, 0, 2);
    tcase_add_loop_test(t, s_client_takes_leave, 0, 2);
    tcase_add_loop_test(t, s_client_resumes, 0, 2);
    tcase_add_loop_test(t, s_client_is_killed, 0, 2);
    tcase_add_loop_test(t, s_client_does_not_like_our_certificate, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    if (system("openssl version >/dev/null 2>&1") != 0) {
        puts("1..0 # SKIP the openssl command is not installed");
        return 0;
    }
    return tls_test_main(suite());
}
