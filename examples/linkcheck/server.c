#include "server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct server {
    struct evhttp *http;
    char *root; /* absolute, without symbolic links */
    uint16_t port;
};

static const char *type_of(const char *path) {
    static const char *const types[][2] = {{"html", "text/html; charset=utf-8"},
                                           {"htm", "text/html; charset=utf-8"},
                                           {"css", "text/css"},
                                           {"js", "text/javascript"},
                                           {"json", "application/json"},
                                           {"txt", "text/plain; charset=utf-8"},
                                           {"xml", "application/xml"},
                                           {"svg", "image/svg+xml"},
                                           {"png", "image/png"},
                                           {"jpg", "image/jpeg"},
                                           {"jpeg", "image/jpeg"},
                                           {"gif", "image/gif"},
                                           {"ico", "image/x-icon"},
                                           {"pdf", "application/pdf"}};
    const char *name = strrchr(path, '/'), *dot = strrchr(name ? name : path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (!strcasecmp(dot + 1, types[i][0])) return types[i][1];
    return "application/octet-stream";
}

/* Only what may be served gets through: no NUL, and no segment that is "..". */
static bool is_safe(const char *path, size_t size) {
    if (strlen(path) != size || *path != '/') return false;
    for (const char *at = path; (at = strstr(at, "/..")); at += 3)
        if (!at[3] || at[3] == '/') return false;
    return true;
}

static bool is_inside(const char *root, const char *path) {
    size_t n = strlen(root);
    return !strncmp(path, root, n) && (path[n] == '/' || !path[n] || root[n - 1] == '/');
}

/* Opens the file that path (unescaped) names below root: wherever symbolic links lead, they must not lead out. Returns the
 * HTTP status; with 200 there is an fd. */
static int open_file(const char *root, const char *path, int *fd, struct stat *status) {
    char joined[PATH_MAX], real[PATH_MAX];
    if (snprintf(joined, sizeof joined, "%s%s", root, path) >= (int)sizeof joined) return 414;
    if (!realpath(joined, real) || !is_inside(root, real)) return 404;
    *fd = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW); /* a FIFO must not stop us */
    if (*fd < 0) return errno == EACCES ? 403 : 404;
    if (fstat(*fd, status) == 0 && (S_ISREG(status->st_mode) || S_ISDIR(status->st_mode))) return 200;
    close(*fd);
    return 404;
}

/* The relative links of a page only work when the name of its folder ends in a slash. */
static void redirect_to_folder(struct evhttp_request *request, const char *escaped) {
    char location[PATH_MAX + 1];
    snprintf(location, sizeof location, "%s/", escaped);
    int failed = evhttp_add_header(evhttp_request_get_output_headers(request), "Location", location);
    evhttp_send_reply(request, failed ? 500 : 301, NULL, NULL);
}

static void send_file(struct evhttp_request *request, const char *path, int fd, off_t size) {
    struct evbuffer *body = evbuffer_new();
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    bool taken = body && size > 0 && evbuffer_add_file(body, fd, 0, size) == 0;
    bool ready = body && (taken || size == 0) && evhttp_add_header(headers, "Content-Type", type_of(path)) == 0;
    if (!taken) close(fd);
    evhttp_send_reply(request, ready ? 200 : 500, NULL, ready ? body : NULL);
    if (body) evbuffer_free(body);
}

static void serve(const struct server *server, struct evhttp_request *request, const char *escaped, const char *path) {
    char index[PATH_MAX];
    struct stat status;
    int fd = -1;
    size_t n = strlen(path);
    bool is_folder = path[n - 1] == '/';
    int fits = snprintf(index, sizeof index, "%s%s", path, is_folder ? "index.html" : "");
    int code = fits >= (int)sizeof index ? 414 : open_file(server->root, index, &fd, &status);
    if (code != 200) {
        evhttp_send_error(request, code, NULL);
    } else if (S_ISDIR(status.st_mode)) {
        close(fd);
        if (is_folder) evhttp_send_error(request, 404, NULL); /* a folder called index.html */
        else redirect_to_folder(request, escaped);
    } else {
        send_file(request, index, fd, status.st_size);
    }
}

static void on_request(struct evhttp_request *request, void *arg) {
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *escaped = uri ? evhttp_uri_get_path(uri) : NULL;
    size_t size = 0;
    char *path = escaped ? evhttp_uridecode(escaped, 0, &size) : NULL;
    if (path && is_safe(path, size)) serve(arg, request, escaped, path);
    else evhttp_send_error(request, 400, NULL);
    free(path);
}

static int listen_on_loopback(struct server *server) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int on = 1;
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(server->http, "127.0.0.1", 0);
    if (!bound) return -1;
    int fd = evhttp_bound_socket_get_fd(bound);
    /* The sockets that it accepts have it from this one. Else the end of a file waits until the head was acknowledged, which
     * takes a client 40 ms on a connection that stays open. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0) return -1;
    server->port = ntohs(address.sin_port);
    return 0;
}

static int start(struct server *server, struct event_base *base, const char *folder) {
    struct stat status;
    if (!(server->root = realpath(folder, NULL)) || stat(server->root, &status) < 0) return -1;
    if (!S_ISDIR(status.st_mode)) return errno = ENOTDIR, -1;
    if (!(server->http = evhttp_new(base))) return errno = ENOMEM, -1;
    evhttp_set_allowed_methods(server->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_gencb(server->http, on_request, server);
    return listen_on_loopback(server);
}

struct server *server_new(struct event_base *base, const char *folder) {
    struct server *server = calloc(1, sizeof *server);
    if (!server || start(server, base, folder) == 0) return server;
    int error = errno;
    server_free(server);
    errno = error;
    return NULL;
}

void server_free(struct server *server) {
    if (!server) return;
    if (server->http) evhttp_free(server->http);
    free(server->root);
    free(server);
}

uint16_t server_port(const struct server *server) { return server->port; }
