#include "ask.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

struct ask {
    struct ask *next;
    ask_done *done; /* NULL: cancelled, the answer will be dropped */
    void *arg;
};

/* Answers come in the order of the questions, so that the first question is the one that is answered next. */
struct ask_client {
    struct bufferevent *stream; /* NULL: the connection is lost */
    struct ask *first, **end;
};

/* Takes the first question from the list, then calls: whoever is called may ask again. */
static void end_first(struct ask_client *client, int error, const char *text) {
    struct ask *question = client->first;
    client->first = question->next;
    if (!client->first) client->end = &client->first;
    if (question->done) question->done(error, text, question->arg);
    free(question);
}

static void got_line(struct ask_client *client, const char *line) {
    if (!client->first) return; /* nobody asked */
    if (strncmp(line, "ok ", 3) == 0) end_first(client, ASK_OK, line + 3);
    else if (strncmp(line, "no ", 3) == 0) end_first(client, ASK_EREFUSED, line + 3);
    else end_first(client, ASK_EREFUSED, "the answer makes no sense");
}

static void on_read(struct bufferevent *stream, void *arg) {
    char *line;
    while ((line = evbuffer_readln(bufferevent_get_input(stream), NULL, EVBUFFER_EOL_LF))) {
        got_line(arg, line);
        free(line);
    }
}

static void on_event(struct bufferevent *stream, short events, void *arg) {
    struct ask_client *client = arg;
    if (!(events & (BEV_EVENT_EOF | BEV_EVENT_ERROR))) return;
    bufferevent_free(stream);
    client->stream = NULL;
    while (client->first)
        end_first(client, ASK_ECLOSED, events & BEV_EVENT_EOF ? "the server hung up" : "connection lost");
}

static int start(struct ask_client *client, uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (!client->stream) return -1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bufferevent_setcb(client->stream, on_read, NULL, on_event, client);
    if (bufferevent_enable(client->stream, EV_READ | EV_WRITE) < 0) return -1;
    return bufferevent_socket_connect(client->stream, (struct sockaddr *)&address, sizeof address);
}

struct ask_client *ask_client_new(struct event_base *base, uint16_t port) {
    struct ask_client *client = calloc(1, sizeof *client);
    if (!client) return NULL;
    client->end = &client->first;
    client->stream = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (start(client, port) == 0) return client;
    ask_client_free(client);
    return NULL;
}

void ask_client_free(struct ask_client *client) {
    if (!client) return;
    if (client->stream) bufferevent_free(client->stream);
    for (struct ask *question = client->first, *next; question; question = next) {
        next = question->next;
        free(question);
    }
    free(client);
}

struct ask *ask(struct ask_client *client, const char *verb, const char *object, ask_done *done, void *arg) {
    struct ask *question = client->stream ? malloc(sizeof *question) : NULL;
    if (!question) return NULL;
    if (evbuffer_add_printf(bufferevent_get_output(client->stream), "%s %s\n", verb, object) < 0) {
        free(question);
        return NULL;
    }
    *question = (struct ask){.done = done, .arg = arg};
    *client->end = question;
    client->end = &question->next;
    return question;
}

void ask_cancel(struct ask *question) { question->done = NULL; }
