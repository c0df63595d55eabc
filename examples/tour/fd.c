/* File descriptors: somebody else's, and one's own. */
#include "tour.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* region: readable */
struct feed { /* stands for another library's connection: it has an fd, and wants to be called when there is something */
    int ends[2];
    int lines;
};

static promise_value_t has_input(promise_value_t v, void *arg) {
    struct feed *feed = arg;
    char text[64];
    ssize_t n = recv(feed->ends[0], text, sizeof text, MSG_DONTWAIT);
    (void)v;
    if (n < 0) return errno == EAGAIN ? promise_void() : promise_throw_errno(errno, "recv");
    if (n == 0) return promise_end(); /* ends the loop */
    printf("readable: %.*s\n", (int)n, text);
    if (++feed->lines == 2) shutdown(feed->ends[1], SHUT_WR);
    else send(feed->ends[1], "and more", 8, 0);
    return promise_void();
}

static promise_value_t wait_for_input(promise_value_t v, void *arg) {
    struct feed *feed = arg;
    (void)v;
    return promise_adopt(promise_then(promise_readable(NULL, feed->ends[0]), has_input, feed));
}

static void feed_close(void *arg) {
    struct feed *feed = arg;
    printf("readable: closed after %d\n", feed->lines);
    close(feed->ends[0]);
    close(feed->ends[1]);
}

static promise_t *readable(promise_loop_t *loop) {
    static struct feed feed;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, feed.ends) < 0) return promise_from(loop, promise_throw_errno(errno, "socketpair"));
    send(feed.ends[1], "something", 9, 0);
    promise_t *p = promise_repeat(loop, wait_for_input, &feed);
    return promise_attach(p, &feed, feed_close); /* after the last wait */
}
/* end: readable */

/* region: object */
static promise_value_t closed(promise_value_t reason, void *arg) {
    (void)arg;
    if (!promise_error_is(reason, &promise_errors, PROMISE_ECLOSED)) return reason;
    printf("object: the other one closed it\n");
    return promise_void();
}

static promise_t *object(promise_loop_t *loop) {
    int ends[2];
    if (pipe(ends) < 0) return promise_from(loop, promise_throw_errno(errno, "pipe"));
    promise_fd_t *in = promise_fd_new(loop, ends[0]); /* both are closed with their objects */
    promise_fd_t *out = promise_fd_new(loop, ends[1]);
    promise_t *waiting = promise_catch(promise_fd_readable(in), closed, NULL);
    promise_t *writer = promise_then(promise_fd_writable(out), show, "object: there is room");
    writer = promise_attach(promise_attach(writer, out, promise_fd_close), in, promise_fd_close);
    return promise_all_of(loop, waiting, writer, NULL);
}
/* end: object */

int main(void) {
    static tour_fn *const parts[] = {readable, object};
    return tour(sizeof parts / sizeof *parts, parts);
}
