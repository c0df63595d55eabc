/*
 * An HTTP(S) file server.
 *
 *     fileserver [--tls CERTIFICATE KEY] FOLDER [PORT [ADDRESS]]
 *
 * Prints where it listens, and a line for each request on standard output. SIGINT or SIGTERM: it takes no more, answers what is
 * under way, and ends.
 */
#include <promise.h>
#ifdef HAVE_TLS
#include <promise/tls.h>
#endif

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STOP_MS = 10000 };

struct arguments {
    const char *certificate, *key; /* NULL: plain HTTP */
    const char *folder, *address;
    uint16_t port;
};

/* ---- requests ---- */

static void log_request(promise_value_t request, int status) {
    const struct promise_address *peer = promise_http_peer(request);
    const char *agent = promise_http_header(request, "User-Agent");
    char host[PROMISE_ADDRESS_TEXT] = "-", when[32];
    time_t now = time(NULL);

    if (peer) promise_address_host(peer, host, sizeof host);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    printf("%s %s \"%s %s\" %d \"%s\"\n", host, when, promise_http_method(request), promise_http_target(request), status,
           agent ? agent : "-");
}

static promise_value_t serve(promise_value_t request, void *folder) {
    promise_value_t response = promise_http_serve_file(request, folder);
    int code = promise_is_rejection(response) ? promise_error_code(response) : promise_http_status(response);

    if (promise_is_rejection(response) && promise_error_domain(response) != &promise_http_errors) code = 500;
    log_request(request, code);
    return response;
}

/* ---- the end ---- */

static promise_value_t stop(promise_value_t signum, void *server) {
    printf("%s: stopping\n", strsignal((int)promise_as_int(signum)));
    return promise_adopt(promise_http_server_stop(server, STOP_MS));
}

static promise_value_t stopped(promise_value_t aborted, void *arg) {
    (void)arg;
    printf("stopped, %d connections aborted\n", (int)promise_as_int(aborted));
    return promise_void();
}

static promise_t *until_stopped(promise_loop_t *loop, promise_http_server_t *server) {
    promise_t *p = promise_race_of(loop, promise_signal(loop, SIGINT), promise_signal(loop, SIGTERM), NULL);

    return promise_then(promise_then(p, stop, server), stopped, NULL);
}

/* ---- the server ---- */

#ifdef HAVE_TLS
/* What makes connections secure goes into the options; -1 when the certificate is of no use. */
static int use_tls(struct promise_http_server_options *options, const struct arguments *a) {
    const struct promise_tls_options with = {.certificate_file = a->certificate, .key_file = a->key};
    promise_tls_t *tls = promise_tls_server(&with);

    options->secure = promise_tls_secure;
    options->secure_arg = tls;
    if (promise_is_void(promise_tls_error(tls))) return 0;
    fprintf(stderr, "fileserver: %s\n", promise_error_message(promise_tls_error(tls)));
    return -1;
}
static void free_tls(void *tls) { promise_tls_unref(tls); }
#else
static int use_tls(struct promise_http_server_options *options, const struct arguments *a) {
    (void)options, (void)a;
    fprintf(stderr, "fileserver: built without TLS\n");
    return -1;
}
static void free_tls(void *tls) { (void)tls; }
#endif

static int run(promise_loop_t *loop, const struct arguments *a, const struct promise_http_server_options *options) {
    promise_http_server_t *server = promise_http_server_new(loop, a->address, a->port, serve, (void *)(uintptr_t)a->folder, options);
    const promise_listener_t *listener = promise_http_server_listener(server);
    promise_value_t result = promise_void(), error = listener ? promise_listener_error(listener) : promise_out_of_memory();
    int status = -1;

    if (promise_is_rejection(error)) fprintf(stderr, "fileserver: %s\n", promise_error_message(error));
    else {
        printf("%s://%s:%u/\n", a->certificate ? "https" : "http", a->address, (unsigned)promise_listener_port(listener));
        status = promise_loop_run(loop, until_stopped(loop, server), &result);
        if (status < 0) fprintf(stderr, "fileserver: %s\n", promise_error_message(result));
        promise_value_clear(&result);
    }
    promise_http_server_close(server);
    return status;
}

static int parse(struct arguments *a, int argc, char **argv) {
    int i = 1;

    *a = (struct arguments){.port = 8080, .address = "127.0.0.1"};
    if (argc > 3 && strcmp(argv[1], "--tls") == 0) a->certificate = argv[2], a->key = argv[3], i = 4;
    if (argc <= i || argc > i + 3 || *argv[i] == '-') return -1;
    a->folder = argv[i];
    if (argc > i + 1) a->port = (uint16_t)strtoul(argv[i + 1], NULL, 10);
    if (argc > i + 2) a->address = argv[i + 2];
    return 0;
}

int main(int argc, char **argv) {
    struct promise_http_server_options options = {.name = "fileserver"};
    promise_loop_t *loop;
    struct arguments a;
    int status = -1;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (parse(&a, argc, argv) < 0) {
        fprintf(stderr, "usage: fileserver [--tls CERTIFICATE KEY] FOLDER [PORT [ADDRESS]]\n");
        return 2;
    }
    loop = promise_loop_new(NULL);
    if (loop && (!a.certificate || use_tls(&options, &a) == 0)) status = run(loop, &a, &options);
    promise_loop_free(loop);
    free_tls(options.secure_arg);
    return status < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
