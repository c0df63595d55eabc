/* Sockets that listen, before anybody asks them for a connection. */
#ifndef PROMISE_SRC_LISTEN_H
#define PROMISE_SRC_LISTEN_H

#include <sys/types.h>

#include <promise/listener.h>

/* What a Unix socket has made, and takes away. */
struct listen_file {
    char *path; /* NULL: nothing */
    dev_t device;
    ino_t inode;
};

/* A descriptor that listens, or -1 with errno. */
int promise__listen(const struct promise_address *address, const struct promise_listener_options *options,
                    struct listen_file *file);
/* The same for all addresses, and which it is. */
int promise__listen_to_all(uint16_t port, struct promise_address *address);
/* Makes the same of a descriptor that came from elsewhere; 0, or -1 with errno when it does not listen. */
int promise__listen_adopt(int fd);
/* Removes the file, unless somebody has put another in its place. */
void promise__listen_file_remove(struct listen_file *file);

#endif
