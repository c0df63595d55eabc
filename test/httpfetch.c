/*
 * For test/http_peers.sh: requests to servers that nobody here wrote.
 *
 *     httpfetch [-s] [-c] [-m METHOD] [-d BODY] [-n TIMES] URL    on one client, one after the other; a line for each response:
 *                                                                 its status, the size and the sum of its body, and its path
 *     httpfetch -l COMMAND...                                     runs it with a listening socket on descriptor 3, and says the
 *                                                                 port, which is in PORT; nginx takes the socket over
 *
 * -s: streams the response; -c: sends the body from an iterator.
 */
#include <netinet/in.h>
#include <promise.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fetch {
    promise_http_client_t *client;
    const char *method, *url, *body;
    int times;
    bool streams, is_chunked;
    int status; /* of the response that is read */
    char path[256];
    size_t size;
    unsigned sum;
};

static promise_value_t add(promise_value_t piece, void *arg) {
    struct fetch *f = arg;
    size_t size;
    const unsigned char *bytes = (const unsigned char *)promise_as_bytes(piece, &size);

    for (size_t i = 0; i < size; i++) f->sum = f->sum * 31 + bytes[i];
    f->size += size;
    return promise_void();
}

static promise_value_t show(promise_value_t v, void *arg) {
    struct fetch *f = arg;

    (void)v;
    printf("%d %zu %u %s\n", f->status, f->size, f->sum, f->path);
    return promise_int(1);
}

static promise_value_t got_response(promise_value_t response, void *arg) {
    struct fetch *f = arg;

    f->size = f->sum = 0;
    f->status = promise_http_status(response);
    snprintf(f->path, sizeof f->path, "%s", strchr(promise_http_url(response) + strlen("https://"), '/'));
    if (f->streams) return promise_adopt(promise_then(promise_each(promise_http_chunks(response), 1, add, f), show, f));
    add(promise_http_body(response), f);
    return show(promise_void(), f);
}

static promise_value_t next(promise_value_t v, void *arg) {
    struct fetch *f = arg;
    struct promise_http_request request = {.method = f->method, .url = f->url, .stream = f->streams};
    promise_value_t body;

    (void)v;
    if (!f->times--) return promise_end();
    if (f->body) {
        body = promise_string(f->body);
        if (f->is_chunked) request.body_stream = promise_items(NULL, 1, &body);
        else request.body = body;
    }
    return promise_adopt(promise_then(promise_http_client_request(f->client, &request), got_response, f));
}

static int fetch(struct fetch *f) {
    promise_loop_t *loop = promise_loop_new(NULL);
    promise_value_t outcome = promise_void();
    int failed;

    if (!loop) return 1;
    f->client = promise_http_client_default(loop);
    failed = promise_loop_run(loop, promise_repeat(loop, next, f), &outcome);
    if (failed) printf("%s\n", promise_error_message(outcome));
    promise_value_clear(&outcome);
    printf("idle: %zu, active: %zu\n", promise_http_client_idle(f->client), promise_http_client_active(f->client));
    promise_loop_free(loop);
    return failed != 0;
}

static int listen_for(char **command) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char port[16];

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 100) < 0 || dup2(fd, 3) < 0) return 1;
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0) return 1;
    if (fd != 3) close(fd);
    snprintf(port, sizeof port, "%u", (unsigned)ntohs(address.sin_port));
    setenv("PORT", port, 1);
    setenv("NGINX", "3;", 1);
    printf("%s\n", port);
    fflush(stdout);
    execvp(command[0], command);
    return 1;
}

int main(int argc, char **argv) {
    struct fetch f = {.times = 1};
    int option;

    while ((option = getopt(argc, argv, "+lscm:d:n:")) != -1) {
        switch (option) {
        case 'l': return listen_for(argv + optind);
        case 's': f.streams = true; break;
        case 'c': f.is_chunked = true; break;
        case 'm': f.method = optarg; break;
        case 'd': f.body = optarg; break;
        case 'n': f.times = atoi(optarg); break;
        default: return 2;
        }
    }
    f.url = argv[optind];
    return fetch(&f);
}
