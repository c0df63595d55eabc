/* Log in, get the profile, get the orders, print them: with callbacks. The same as promise.c and await.c. */
#include "ask.h"
#include "server.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 2000 };

/* region: callbacks */
struct session {
    struct event_base *base;
    struct ask_client *client;
    struct ask *asked; /* the question under way, or NULL */
    struct event *deadline;
    char *id;
    int status;
};

static void on_login(int error, const char *text, void *arg);
static void on_profile(int error, const char *text, void *arg);
static void on_orders(int error, const char *text, void *arg);

/* The one way out, on success (NULL) and from every error. */
static void finish(struct session *s, const char *error) {
    if (error) fprintf(stderr, "failed: %s\n", error);
    s->status = error ? -1 : 0;
    if (s->asked) ask_cancel(s->asked);
    event_del(s->deadline);
    event_base_loopbreak(s->base); /* run() frees: in a callback, the client is still in use */
}

/* 0, or -1 when nothing has begun. */
static int show_orders(struct session *s) {
    struct timeval timeout = {.tv_sec = TIMEOUT_MS / 1000, .tv_usec = TIMEOUT_MS % 1000 * 1000};
    if (!s->client || !s->deadline || evtimer_add(s->deadline, &timeout) < 0) return -1;
    s->asked = ask(s->client, "login", "ann secret", on_login, s);
    return s->asked ? 0 : -1;
}

static void on_login(int error, const char *text, void *arg) {
    struct session *s = arg;
    s->asked = NULL;
    if (error) {
        finish(s, text);
        return;
    }
    s->asked = ask(s->client, "profile", text, on_profile, s);
    if (!s->asked) finish(s, "cannot ask");
}

static void on_profile(int error, const char *text, void *arg) {
    struct session *s = arg;
    s->asked = NULL;
    if (error) {
        finish(s, text);
        return;
    }
    s->id = strdup(text);
    if (!s->id) {
        finish(s, "out of memory");
        return;
    }
    s->asked = ask(s->client, "orders", s->id, on_orders, s);
    if (!s->asked) finish(s, "cannot ask");
}

static void on_orders(int error, const char *text, void *arg) {
    struct session *s = arg;
    s->asked = NULL;
    if (error) {
        finish(s, text);
        return;
    }
    printf("orders of %s: %s\n", s->id, text);
    finish(s, NULL);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg) {
    char text[64];
    (void)fd;
    (void)what;
    snprintf(text, sizeof text, "timed out after %d ms", TIMEOUT_MS);
    finish(arg, text);
}

static void session_free(struct session *s) {
    if (s->deadline) event_free(s->deadline);
    ask_client_free(s->client);
    free(s->id);
}

static int run(struct event_base *base, uint16_t port) {
    struct session s = {.base = base, .status = -1};
    s.client = ask_client_new(base, port);
    s.deadline = evtimer_new(base, on_deadline, &s);
    if (show_orders(&s) < 0) fprintf(stderr, "failed: cannot ask\n");
    else event_base_dispatch(base);
    session_free(&s);
    return s.status;
}
/* end: callbacks */

/* ---- a server to ask; the argument says how it misbehaves ---- */

int main(int argc, char **argv) {
    struct event_base *base = event_base_new();
    struct server *server = base ? server_new(base, argc > 1 ? argv[1] : NULL) : NULL;
    int status = server ? run(base, server_port(server)) : -1;
    server_free(server);
    if (base) event_base_free(base);
    return status < 0 ? 1 : 0;
}
