/* Channels that cross threads: what is in them and who waits, with the lock held. */
#include <string.h>

#include "shared.h"

/* ---- lists ---- */

static void insert(struct shared_list *list, struct shared_waiter *w, struct shared_waiter *after) {
    w->in = list;
    w->prev = after;
    w->next = after ? after->next : list->first;
    *(after ? &after->next : &list->first) = w;
    *(w->next ? &w->next->prev : &list->last) = w;
}

void promise__shared_append(struct shared_list *list, struct shared_waiter *w) { insert(list, w, list->last); }

void promise__shared_remove(struct shared_waiter *w) {
    if (!w->in) return;
    *(w->prev ? &w->prev->next : &w->in->first) = w->next;
    *(w->next ? &w->next->prev : &w->in->last) = w->prev;
    w->in = NULL;
}

/* ---- telling ---- */

static void notify(struct shared_waiter *w, struct shared_news *news) {
    struct shared_port *port = w->port;

    if (!port) {
        pthread_cond_signal(w->wake);
        return;
    }
    promise__shared_append(w->state == CALLED ? &port->called : &port->done, w);
    if (port->told) return;
    port->told = true;
    port->next_to_tell = news->ports;
    news->ports = port;
}

/* Without the lock, as it may write to a pipe. A port whose mail is about to be sent does not go meanwhile. */
void promise__shared_tell(struct shared_news *news) {
    struct shared_port *port = news->ports, *next;

    for (; port; port = next) {
        next = port->next_to_tell;
        if (promise__mail_send(port->mailbox, &port->mail) < 0) promise__shared_port_lost(port);
    }
}

/* ---- receivers ---- */

static size_t supply(const promise_shared_channel_t *ch) { return ch->count + ch->sending; }

bool promise__shared_has_more(const promise_shared_channel_t *ch) { return supply(ch) > ch->called; }
bool promise__shared_is_over(const promise_shared_channel_t *ch) { return ch->closed && !supply(ch); }

/* As many of those who wait as there are items for; all of them for the end. */
static void call_receivers(promise_shared_channel_t *ch, struct shared_news *news) {
    struct shared_waiter *w;

    while ((w = ch->receivers.first) && (promise__shared_has_more(ch) || promise__shared_is_over(ch))) {
        promise__shared_remove(w);
        w->state = CALLED;
        ch->called++;
        notify(w, news);
    }
}

/* ---- items ---- */

static void settle_sender(promise_shared_channel_t *ch, struct shared_waiter *w, enum shared_state state,
                          struct shared_news *news) {
    promise__shared_remove(w);
    ch->sending--;
    w->state = state;
    if (state == DONE) w->value = promise_void();
    notify(w, news);
}

static bool grow(promise_shared_channel_t *ch) {
    size_t size = ch->size ? ch->size * 2 : 8, tail = ch->size - ch->first;
    promise_value_t *ring = size > SIZE_MAX / sizeof *ring ? NULL : promise__malloc(size * sizeof *ring);

    if (!ring) return false;
    if (ch->size) {
        memcpy(ring, ch->ring + ch->first, tail * sizeof *ring);
        memcpy(ring + tail, ch->ring, ch->first * sizeof *ring);
    }
    promise__free(ch->ring);
    ch->ring = ring;
    ch->size = size;
    ch->first = 0;
    return true;
}

static void push(promise_shared_channel_t *ch, promise_value_t v) { ch->ring[(ch->first + ch->count++) & (ch->size - 1)] = v; }

enum shared_put promise__shared_put(promise_shared_channel_t *ch, promise_value_t v, struct shared_news *news) {
    if (ch->closed) return SHARED_CLOSED;
    if (ch->count >= ch->capacity) return SHARED_FULL;
    if (ch->count == ch->size && !grow(ch)) return SHARED_NOMEM;
    push(ch, v);
    call_receivers(ch, news);
    return SHARED_PUT;
}

bool promise__shared_take(promise_shared_channel_t *ch, promise_value_t *v, struct shared_news *news) {
    struct shared_waiter *sender = ch->senders.first;

    if (ch->count) {
        *v = ch->ring[ch->first];
        ch->first = (ch->first + 1) & (ch->size - 1);
        ch->count--;
        if (sender) push(ch, sender->value);
    } else if (sender) {
        *v = sender->value;
    } else {
        return false;
    }
    if (sender) settle_sender(ch, sender, DONE, news);
    call_receivers(ch, news);
    return true;
}

/* ---- waiting ---- */

void promise__shared_wait(promise_shared_channel_t *ch, struct shared_waiter *w, bool sends, struct shared_news *news) {
    w->state = WAITS;
    promise__shared_append(sends ? &ch->senders : &ch->receivers, w);
    if (sends) ch->sending++;
    call_receivers(ch, news);
}

bool promise__shared_serve(promise_shared_channel_t *ch, struct shared_waiter *w, struct shared_news *news) {
    ch->called--;
    w->state = DONE;
    if (promise__shared_take(ch, &w->value, news)) return true;
    w->value = promise_end();
    if (ch->closed) return true;
    w->state = WAITS; /* who was to hand over has left */
    w->value = promise_void();
    return false;
}

void promise__shared_wait_on(promise_shared_channel_t *ch, struct shared_waiter *w, struct shared_waiter *after) {
    insert(&ch->receivers, w, after);
}

void promise__shared_leave(promise_shared_channel_t *ch, struct shared_waiter *w, struct shared_news *news) {
    if (w->in == &ch->senders) ch->sending--;
    if (w->state == CALLED) ch->called--;
    promise__shared_remove(w);
    call_receivers(ch, news);
}

void promise__shared_close(promise_shared_channel_t *ch, struct shared_news *news) {
    ch->closed = true;
    while (ch->senders.first) settle_sender(ch, ch->senders.first, REFUSED, news);
    call_receivers(ch, news);
}
