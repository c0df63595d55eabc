/* Making sockets that listen. */
#include "listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"
#include "socket.h"

static int fail_closing(int fd, int error) {
    close(fd);
    errno = error;
    return -1;
}

/* ---- Unix sockets ---- */

/* Is there a socket's file that nobody listens to any more? */
static bool is_left_behind(const struct promise_address *address, const char *path) {
    struct stat status;
    bool refused;
    int fd;

    if (lstat(path, &status) < 0 || !S_ISSOCK(status.st_mode)) return false;
    fd = promise__socket_new(AF_UNIX, SOCK_STREAM);
    if (fd < 0) return false;
    refused = promise__socket_connect(fd, address) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int bind_unix(int fd, const struct promise_address *address, const char *path) {
    if (promise__socket_bind(fd, address) == 0) return 0;
    if (errno != EADDRINUSE || !*path || *path == '@') return -1;
    if (!is_left_behind(address, path)) {
        errno = EADDRINUSE;
        return -1;
    }
    if (unlink(path) < 0) return -1;
    return promise__socket_bind(fd, address);
}

/* Without memory nothing is bound yet. */
static int bind_file(int fd, const struct promise_address *address, struct listen_file *file) {
    char path[PROMISE_ADDRESS_TEXT];
    size_t size = promise_address_host(address, path, sizeof path) + 1;
    struct stat status;

    file->path = promise__malloc(size);
    if (!file->path) {
        errno = ENOMEM;
        return -1;
    }
    memcpy(file->path, path, size);
    if (bind_unix(fd, address, path) == 0) {
        if (*path != '@' && lstat(path, &status) == 0) {
            file->device = status.st_dev;
            file->inode = status.st_ino;
            return 0;
        }
        promise__free(file->path); /* an abstract name: no file */
        file->path = NULL;
        return 0;
    }
    promise__free(file->path);
    file->path = NULL;
    return -1;
}

void promise__listen_file_remove(struct listen_file *file) {
    struct stat status;

    if (!file->path) return;
    if (lstat(file->path, &status) == 0 && status.st_dev == file->device && status.st_ino == file->inode) unlink(file->path);
    promise__free(file->path);
    file->path = NULL;
}

/* ---- all sockets ---- */

static int set_options(int fd, int family, const struct promise_listener_options *options) {
    if (family != AF_INET && family != AF_INET6) return 0;
    promise__socket_no_delay(fd, family); /* what is accepted inherits it */
    if (promise__socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0) return -1;
    if (options->reuse_port && promise__socket_set(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0) return -1;
    return family == AF_INET6 ? promise__socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->v6_only) : 0;
}

int promise__listen(const struct promise_address *address, const struct promise_listener_options *options,
                    struct listen_file *file) {
    int family = address->storage.ss_family, fd, bound;

    fd = address->size ? promise__socket_new(family, SOCK_STREAM) : (errno = EINVAL, -1);
    if (fd < 0) return -1;
    if (set_options(fd, family, options) < 0) return fail_closing(fd, errno);
    bound = family == AF_UNIX ? bind_file(fd, address, file) : promise__socket_bind(fd, address);
    if (bound < 0) return fail_closing(fd, errno);
    if (listen(fd, options->backlog > 0 ? options->backlog : SOMAXCONN) == 0) return fd;
    bound = errno;
    promise__listen_file_remove(file);
    return fail_closing(fd, bound);
}

/* By one socket; by IPv4 alone where the machine has nothing else. */
int promise__listen_to_all(uint16_t port, struct promise_address *address) {
    static const struct promise_listener_options none;
    struct listen_file no_file = {0};
    int fd;

    promise_address_parse(address, "::", port);
    fd = promise__listen(address, &none, &no_file);
    if (fd >= 0 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)) return fd;
    promise_address_parse(address, "0.0.0.0", port);
    return promise__listen(address, &none, &no_file);
}

int promise__listen_adopt(int fd) {
    int listens = promise__socket_get(fd, SOL_SOCKET, SO_ACCEPTCONN);
    struct promise_address address;

    if (listens == 0) errno = EINVAL;
    if (listens <= 0 || promise__socket_prepare(fd) < 0 || promise_address_local(&address, fd) < 0) return -1;
    promise__socket_no_delay(fd, address.storage.ss_family);
    return 0;
}
