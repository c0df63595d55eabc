#include "tlspair.h"

#include <dirent.h>
#include <event2/event.h>
#include <promise/memory.h>
#include <stdlib.h>
#include <string.h>

promise_stream_t *client, *server;

static promise_value_t last;
static size_t live, descriptors;

size_t open_descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    size_t n = 0;

    if (!folder) return 0;
    while (readdir(folder)) n++;
    closedir(folder);
    return n;
}

void tls_setup(void) {
    live = test_alloc_live();
    descriptors = open_descriptors();
    loop = promise_loop_new(NULL);
}

void tls_teardown(void) {
    promise_stream_unref(client);
    promise_stream_unref(server);
    promise_value_clear(&last);
    promise_loop_free(loop);
    ck_assert_uint_eq(test_alloc_live(), live);
    ck_assert_uint_eq(open_descriptors(), descriptors);
}

void run_dry(void) {
    for (int i = 0; i < 20; i++) promise_loop_turn(loop);
}

promise_tls_t *good_server(const struct promise_tls_options *options) {
    struct promise_tls_options o = options ? *options : (struct promise_tls_options){0};

    if (!o.certificate_file) o.certificate_file = certificate("good");
    return promise_tls_server(&o);
}

promise_tls_t *good_client(const struct promise_tls_options *options) {
    struct promise_tls_options o = options ? *options : (struct promise_tls_options){0};

    if (!o.authorities_file) o.authorities_file = certificate("authority");
    return promise_tls_client(&o);
}

promise_value_t value_of(promise_t *p) {
    int status = promise_loop_run(loop, p, &last);

    ck_assert_msg(status == 0, "rejected: %s", promise_error_message(last));
    return last;
}

const char *error_of(promise_t *p, const struct promise_domain *domain, int code) {
    int status = promise_loop_run(loop, p, &last);

    ck_assert_msg(status < 0, "fulfilled, expected %s %d", domain->name, code);
    ck_assert_msg(promise_error_domain(last) == domain && promise_error_code(last) == code, "%s %d: %s, expected %s %d",
                  promise_error_domain(last)->name, promise_error_code(last), promise_error_message(last), domain->name, code);
    return promise_error_message(last);
}

promise_value_t outcomes_of(promise_t *a, promise_t *b) {
    ck_assert_int_eq(promise_loop_run(loop, promise_all_settled_of(loop, a, b, NULL), &last), 0);
    return last;
}

static promise_stream_t *stream_in(promise_value_t pair, size_t index) {
    promise_value_t v = promise_list_get(pair, index);

    ck_assert_msg(!promise_is_rejection(v), "%s: %s", index ? "server" : "client", promise_error_message(v));
    return promise_stream_ref(promise_as_stream(v));
}

void tls_pair(const char *host, promise_tls_t *of_client, promise_tls_t *of_server) {
    promise_tls_t *c = of_client ? promise_tls_ref(of_client) : good_client(NULL);
    promise_tls_t *s = of_server ? promise_tls_ref(of_server) : good_server(NULL);
    promise_stream_t *ends[2];
    promise_value_t pair;

    promise_stream_unref(client);
    promise_stream_unref(server);
    client = server = NULL;
    promise_stream_pair(loop, ends);
    pair = outcomes_of(promise_tls_secure(ends[0], host, c), promise_tls_secure(ends[1], NULL, s));
    promise_tls_unref(c);
    promise_tls_unref(s);
    client = stream_in(pair, 0);
    server = stream_in(pair, 1);
}

promise_value_t long_text(size_t size) {
    char *text = malloc(size + 1);

    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < size; i++) text[i] = (char)('a' + (i * 7 + i / 1000) % 26);
    text[size] = 0;
    return promise_bytes_take(text, size);
}

int tls_test_main(Suite *suite) {
    int status = EXIT_FAILURE;

    if (certificates_make() == 0) status = test_main(suite);
    else puts("Bail out! the certificates cannot be made");
    certificates_remove();
    return status;
}
