/* Concurrent, by libevent's callbacks: some files at a time, a piece of each in turn, all on one thread. */
#include <event2/event.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../trace.h"
#include "../tree.h"

enum { AT_A_TIME = 8 };

struct walk {
    struct event_base *base;
    struct tree *tree;
    size_t next; /* file to be begun */
};

struct one {
    struct walk *walk;
    struct event *turn;
    struct digest digest;
    int fd;
};

static const struct timeval at_once = {0, 0};

static void next_file(struct one *one);

static void done(struct one *one) {
    close(one->fd);
    digest_end(&one->digest);
    trace_end(one->digest.file->number);
    next_file(one);
}

static void next_piece(evutil_socket_t fd, short what, void *arg) {
    struct one *one = arg;
    char piece[FILE_PIECE];
    ssize_t size = read(one->fd, piece, sizeof piece);

    (void)fd;
    (void)what;
    if (size < 0) one->digest.file->error = errno;
    if (size <= 0) {
        done(one);
        return;
    }
    digest_add(&one->digest, piece, (size_t)size);
    event_add(one->turn, &at_once);
}

static void next_file(struct one *one) {
    struct walk *walk = one->walk;

    while (walk->next < walk->tree->count) {
        struct file *file = &walk->tree->files[walk->next++];
        trace_begin(file->number);
        one->fd = open(file->path, O_RDONLY | O_CLOEXEC);
        if (one->fd >= 0) {
            digest_begin(&one->digest, file);
            event_add(one->turn, &at_once);
            return;
        }
        file->error = errno;
        trace_end(file->number);
    }
    event_free(one->turn);
    free(one);
}

static void start(struct walk *walk) {
    struct one *one = calloc(1, sizeof *one);

    if (!one || !(one->turn = evtimer_new(walk->base, next_piece, one))) exit(EXIT_FAILURE);
    one->walk = walk;
    next_file(one);
}

int main(int argc, char **argv) {
    struct walk walk = {event_base_new(), tree_open(argc, argv), 0};

    for (int i = 0; i < AT_A_TIME; i++) start(&walk);
    event_base_dispatch(walk.base);
    event_base_free(walk.base);
    return tree_report(walk.tree);
}
