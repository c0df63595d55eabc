#include "peer.h"

#include <dirent.h>
#include <promise/connect.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

promise_http_server_t *server;

static size_t descriptors;
static promise_value_t heard; /* kept */

size_t open_descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    size_t n = 0;

    ck_assert_ptr_nonnull(folder);
    while (readdir(folder)) n++;
    closedir(folder);
    return n;
}

/* ---- the server ---- */

static void report(promise_value_t request, promise_value_t reason, void *arg) {
    (void)arg;
    ck_assert(promise_is(request, &promise_type_http));
    ck_assert(promise_is_rejection(reason));
    note('R');
}

void peer_open(promise_fn *handler, const struct promise_http_server_options *options) {
    struct promise_http_server_options o = {0};

    if (options) o = *options;
    o.name = "";
    if (!o.report) o.report = report;
    descriptors = open_descriptors();
    open_loop(0);
    server = promise_http_server_new(loop, "127.0.0.1", 0, handler, NULL, &o);
    ck_assert_ptr_nonnull(server);
}

void peer_free_server(void) {
    promise_http_server_close(server);
    server = NULL;
}

void peer_free_loop(void) {
    promise_value_clear(&heard);
    promise_loop_free(loop);
    server = NULL;
    ck_assert_uint_eq(test_alloc_live(), live);
    ck_assert_uint_eq(open_descriptors(), descriptors);
}

void peer_close(void) {
    peer_free_server();
    peer_free_loop();
}

/* ---- clients ---- */

static struct promise_address where(void) {
    struct promise_address address;

    ck_assert_int_eq(promise_listener_address(promise_http_server_listener(server), &address), 0);
    return address;
}

promise_stream_t *dial(void) {
    struct promise_address address = where();
    promise_value_t v = promise_void();
    promise_stream_t *client;

    ck_assert_int_eq(promise_loop_run(loop, promise_connect_address(loop, &address), &v), 0);
    client = promise_stream_ref(promise_as_stream(v));
    promise_value_clear(&v);
    return client;
}

int dial_socket(void) {
    struct promise_address address = where();
    int fd = socket(address.storage.ss_family, SOCK_STREAM, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address.storage, address.size), 0);
    return fd;
}

static promise_value_t ignore(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

/* It may be refused: what the server does not read, it resets. */
void say(promise_stream_t *client, const char *text) {
    promise_unref(promise_catch(promise_stream_write(client, promise_string(text)), ignore, NULL));
}

void say_end(promise_stream_t *client) { promise_unref(promise_catch(promise_stream_shutdown(client), ignore, NULL)); }

/* The dates differ from run to run. */
static const char *without_dates(char *text) {
    char *date, *end;

    while ((date = strstr(text, "\r\nDate: ")) && (end = strstr(date + 2, "\r\n"))) memmove(date, end, strlen(end) + 1);
    return text;
}

static const char *listen_to(promise_t *p, const char *behind) {
    static char *text;
    size_t size = 0, more = strlen(behind);
    const char *bytes = "";

    promise_value_clear(&heard);
    if (promise_loop_run(loop, p, &heard) != 0) ck_abort_msg("%s", promise_error_message(heard));
    if (promise_is_end(heard)) more = 0;
    else bytes = promise_as_bytes(heard, &size);
    free(text);
    text = malloc(size + more + 1);
    memcpy(text, bytes, size);
    memcpy(text + size, behind, more);
    text[size + more] = '\0';
    return without_dates(text);
}

const char *hear(promise_stream_t *client, const char *until) {
    return listen_to(promise_stream_read_until(client, promise_string(until), 16 << 20), until);
}

const char *hear_end(promise_stream_t *client) { return listen_to(promise_stream_read_all(client, 64 << 20), ""); }

void hang_up(promise_stream_t *client) {
    static const struct linger reset = {1, 0};

    setsockopt(promise_stream_fd(client), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    promise_stream_abort(client);
    promise_stream_unref(client);
}

const char *ask(const char *text) {
    promise_stream_t *client = dial();
    const char *answer;

    say(client, text);
    answer = hear_end(client);
    promise_stream_unref(client);
    return answer;
}
