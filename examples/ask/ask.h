/*
 * A client of a server that answers questions, one line each: an API with callbacks, as C programmers know it.
 *
 * It knows nothing of promises: promise.c wraps it, callback.c uses it as it is.
 */
#ifndef ASK_H
#define ASK_H

#include <stdint.h>

struct event_base;
struct ask_client;
struct ask;

enum ask_error {
    ASK_OK,
    ASK_EREFUSED, /* the server says no */
    ASK_ECLOSED,  /* the connection was lost, or never came about */
    ASK_ECANNOT   /* for those who need a code when ask() gives NULL */
};

/* How a question ends, once: error is ASK_OK and text the answer, or another code and text says why in words. text is
 * only lent. The callback may ask and cancel, but must not free the client. */
typedef void ask_done(int error, const char *text, void *arg);

/* Connects to a port of the loopback interface. NULL when that cannot be started. */
struct ask_client *ask_client_new(struct event_base *base, uint16_t port);
/* What has been asked and not answered ends without a call. */
void ask_client_free(struct ask_client *client);

/* Asks "verb object"; several questions may be under way. The result is for ask_cancel() and good until done is called.
 * NULL when it cannot be asked (no connection any more, out of memory): then done is not called. */
struct ask *ask(struct ask_client *client, const char *verb, const char *object, ask_done *done, void *arg);
/* done will not be called. */
void ask_cancel(struct ask *question);

#endif
