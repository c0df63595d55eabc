/*
 * The slow server of examples/ways/fetch/: page N takes 20 to 80 ms, during which the server waits and does nothing. Prints its
 * URL, and serves until its standard input ends.
 */
#include <promise.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static promise_value_t answer(promise_value_t v, void *number) {
    (void)v;
    return promise_http_response(200, promise_stringf("page %zu\n", (size_t)number));
}

static promise_value_t serve(promise_value_t request, void *arg) {
    size_t number = strtoul(promise_http_path(request) + 1, NULL, 10);

    (void)arg;
    return promise_adopt(promise_then(promise_sleep(NULL, 20 + number * 37 % 61), answer, (void *)number));
}

int main(void) {
    promise_loop_t *loop = promise_loop_new(NULL);
    promise_http_server_t *server = promise_http_server_new(loop, "127.0.0.1", 0, serve, NULL, NULL);
    const promise_listener_t *listener = promise_http_server_listener(server);
    int status;

    printf("http://127.0.0.1:%u\n", promise_listener_port(listener));
    fflush(stdout);
    status = promise_loop_run(loop, promise_readable(loop, STDIN_FILENO), NULL);
    promise_loop_free(loop);
    return status < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
