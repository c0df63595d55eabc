#include "server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

struct connection {
    struct server *server;
    struct connection *next, **link; /* among server->connections */
    struct bufferevent *stream;
};

struct server {
    struct evconnlistener *listener;
    struct connection *connections;
    const char *fault;
};

static const struct {
    const char *question, *answer;
} answers[] = {
    {"login ann secret", "ok t-1"},
    {"profile t-1", "ok ann-7"},
    {"orders ann-7", "ok kettle, teapot, spoon"},
};

static const char *answer(const char *question) {
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (strcmp(question, answers[i].question) == 0) return answers[i].answer;
    return "no I do not know that";
}

static void connection_free(struct connection *c) {
    *c->link = c->next;
    if (c->next) c->next->link = c->link;
    bufferevent_free(c->stream);
    free(c);
}

/* -1 when the connection is to be closed. */
static int reply(struct connection *c, const char *question) {
    const char *fault = c->server->fault, *text = answer(question);
    if (strcmp(fault, "silent") == 0 && strncmp(question, "orders ", 7) == 0) return 0;
    if (strncmp(question, "profile ", 8) == 0) {
        if (strcmp(fault, "hangup") == 0) return -1;
        if (strcmp(fault, "refuse") == 0) text = "no the token is not valid";
    }
    return evbuffer_add_printf(bufferevent_get_output(c->stream), "%s\n", text) < 0 ? -1 : 0;
}

static void on_read(struct bufferevent *stream, void *arg) {
    struct connection *c = arg;
    int status = 0;
    char *line;
    while (status == 0 && (line = evbuffer_readln(bufferevent_get_input(stream), NULL, EVBUFFER_EOL_LF))) {
        status = reply(c, line);
        free(line);
    }
    if (status < 0) connection_free(c);
}

static void on_event(struct bufferevent *stream, short events, void *arg) {
    (void)stream;
    if (events & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) connection_free(arg);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int size,
                      void *arg) {
    struct server *server = arg;
    struct connection *c = malloc(sizeof *c);
    struct bufferevent *stream =
        c ? bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE) : NULL;
    (void)address;
    (void)size;
    if (!stream) {
        free(c);
        evutil_closesocket(fd);
        return;
    }
    *c = (struct connection){server, server->connections, &server->connections, stream};
    if (c->next) c->next->link = &c->next;
    server->connections = c;
    bufferevent_setcb(stream, on_read, NULL, on_event, c);
    if (bufferevent_enable(stream, EV_READ | EV_WRITE) < 0) connection_free(c);
}

struct server *server_new(struct event_base *base, const char *fault) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct server *server = calloc(1, sizeof *server);
    if (!server) return NULL;
    server->fault = fault ? fault : "";
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = evconnlistener_new_bind(base, on_accept, server, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
                                               -1, (struct sockaddr *)&address, sizeof address);
    if (server->listener) return server;
    free(server);
    return NULL;
}

void server_free(struct server *server) {
    if (!server) return;
    while (server->connections) connection_free(server->connections);
    evconnlistener_free(server->listener);
    free(server);
}

uint16_t server_port(const struct server *server) {
    struct sockaddr_in address = {0};
    ev_socklen_t size = sizeof address;
    getsockname(evconnlistener_get_fd(server->listener), (struct sockaddr *)&address, &size);
    return ntohs(address.sin_port);
}
