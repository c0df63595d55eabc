/* Channels that cross threads, as a loop uses them: promises that wait, and the port by which the loop is told. */
#include "shared.h"
#include "waiting.h"

struct shared_items { /* an iterator */
    promise_loop_t *loop;
    promise_shared_channel_t *channel; /* a reference */
    struct shared_waiter *asked;       /* its receives that wait */
};

/* ---- ports: with the lock ---- */

static struct shared_port *find_port(const promise_shared_channel_t *ch, const promise_mailbox_t *mailbox) {
    struct shared_port *port = ch->ports;

    while (port && port->mailbox != mailbox) port = port->next;
    return port;
}

/* Has this loop somebody here who comes before one that asks now? */
static bool is_called(const promise_shared_channel_t *ch, const promise_loop_t *loop) {
    const struct shared_port *port = ch->called ? find_port(ch, promise__event_host(loop)->mailbox) : NULL;

    return port && port->called.first;
}

static void unlink_port(struct shared_port *port) {
    *port->link = port->next;
    if (port->next) port->next->link = port->link;
}

/* True when nobody needs it: it is out of the channel, and to be freed without the lock. */
static bool is_of_no_use(struct shared_port *port) {
    if (port->waiters || port->told) return false;
    unlink_port(port);
    return true;
}

static void free_port(struct shared_port *port) {
    promise_shared_channel_t *ch = port->channel;

    promise__free(port);
    promise__shared_drop_life(ch);
}

void promise__shared_port_lost(struct shared_port *port) {
    pthread_mutex_lock(&port->channel->lock);
    unlink_port(port);
    pthread_mutex_unlock(&port->channel->lock);
    promise_mailbox_unref(port->mailbox);
    free_port(port);
}

static void open_port(struct mail *mail, promise_loop_t *loop);

/* NULL when out of memory. */
static struct shared_port *port_of(promise_shared_channel_t *ch, promise_loop_t *loop, const char *function) {
    promise_mailbox_t *mailbox = promise__loop_mailbox(loop, function);
    struct shared_port *port = mailbox ? find_port(ch, mailbox) : NULL;

    if (!mailbox) return NULL;
    if (port || !(port = promise__malloc(sizeof *port))) {
        promise__mailbox_give_back(loop, mailbox);
        return port;
    }
    *port =
        (struct shared_port){.mail.open = open_port, .channel = ch, .mailbox = mailbox, .next = ch->ports, .link = &ch->ports};
    if (port->next) port->next->link = &port->next;
    ch->ports = port;
    atomic_fetch_add_explicit(&ch->life, 1, memory_order_relaxed);
    return port;
}

/* ---- one that waits ---- */

static void forget(struct shared_waiter *w) {
    if (!w->items) return;
    *w->items_link = w->items_next;
    if (w->items_next) w->items_next->items_link = w->items_link;
}

/* Out of the channel, and freed; gives its resolver. */
static promise_resolver_t *leave(struct shared_waiter *w) {
    promise_resolver_t *resolver = w->resolver;
    promise_loop_t *loop = promise__loop((promise_t *)resolver);
    struct shared_port *port = w->port;
    promise_shared_channel_t *ch = port->channel;
    struct shared_news news = {0};
    bool over;

    pthread_mutex_lock(&ch->lock);
    promise__shared_leave(ch, w, &news);
    port->waiters--;
    over = is_of_no_use(port);
    pthread_mutex_unlock(&ch->lock);
    promise__shared_tell(&news);
    if (over) {
        promise__mailbox_give_back(loop, port->mailbox);
        free_port(port);
    }
    forget(w);
    promise__release(w->value); /* as it is now: what was taken from it is not there any more */
    promise__free(w);
    return resolver;
}

/* K2, K6 */
static void stop(void *arg) { promise_abandon(leave(arg)); }

/* With the lock: somebody waits for p, with v to be sent. False when out of memory. */
static bool wait(promise_shared_channel_t *ch, promise_loop_t *loop, promise_resolver_t *resolver, struct shared_items *items,
                 bool sends, promise_value_t v, struct shared_news *news) {
    const char *function = sends ? "promise_shared_send" : "promise_shared_receive";
    struct shared_waiter *w = promise__malloc(sizeof *w);
    struct shared_port *port = w ? port_of(ch, loop, function) : NULL;

    if (!port) {
        promise__free(w);
        return false;
    }
    *w = (struct shared_waiter){.value = v, .port = port, .resolver = resolver, .items = items};
    if (items) {
        w->items_next = items->asked;
        w->items_link = &items->asked;
        if (w->items_next) w->items_next->items_link = &w->items_next;
        items->asked = w;
    }
    promise_on_cancel(resolver, stop, w);
    port->waiters++;
    promise__shared_wait(ch, w, sends, news);
    return true;
}

/* ---- its loop is told ---- */

/* With the lock: takes all that are called, or done, out of the port. */
static struct shared_list serve(struct shared_port *port, struct shared_news *news) {
    promise_shared_channel_t *ch = port->channel;
    struct shared_waiter *w, *put_back = NULL;
    struct shared_list served = {0};

    while ((w = port->called.first)) {
        promise__shared_remove(w);
        if (promise__shared_serve(ch, w, news)) {
            promise__shared_append(&served, w);
            port->waiters--;
        } else {
            promise__shared_wait_on(ch, w, put_back);
            put_back = w;
        }
    }
    while ((w = port->done.first)) {
        promise__shared_remove(w);
        promise__shared_append(&served, w);
        port->waiters--;
    }
    return served;
}

static void settle(struct shared_waiter *w) {
    promise_value_t v = w->value;

    if (w->state == REFUSED) {
        promise_reject(w->resolver, promise__shared_closed("promise_shared_send"));
        return;
    }
    w->value = promise_void();
    promise_resolve(w->resolver, v);
}

/* All are settled before anything is released: that may run functions of the user's, which cancel what they like. */
static void settle_all(struct shared_list *served) {
    struct shared_waiter *w, *next;

    for (w = served->first; w; w = w->next) ((promise_t *)w->resolver)->refs++;
    for (w = served->first; w; w = w->next) {
        forget(w);
        settle(w);
    }
    for (w = served->first; w; w = next) {
        next = w->next;
        promise__drop_ref((promise_t *)w->resolver);
        promise__release(w->value);
        promise__free(w);
    }
}

/* When the loop is dying, all of its were cancelled, and have left. */
static void open_port(struct mail *mail, promise_loop_t *loop) {
    struct shared_port *port = (struct shared_port *)mail;
    struct shared_news news = {0};
    struct shared_list served;
    bool over;

    (void)loop;
    pthread_mutex_lock(&port->channel->lock);
    port->told = false;
    served = serve(port, &news);
    over = is_of_no_use(port);
    pthread_mutex_unlock(&port->channel->lock);
    promise__shared_tell(&news);
    settle_all(&served);
    if (!over) return;
    promise__mailbox_release(port->mailbox);
    free_port(port);
}

/* ---- send and receive ---- */

/* A new promise; NULL when there is nothing to be done for it: then it is *instead. */
static promise_t *start(promise_loop_t *loop, promise_resolver_t **resolver, const char *where, promise_t **instead) {
    promise_t *p;

    if (loop->dying) {
        *instead = promise__settled(loop, promise__canceled());
        return NULL;
    }
    p = promise_new_at(where, loop, resolver);
    if (promise_resolver_is_pending(*resolver)) return p;
    promise_abandon(*resolver);
    *instead = p;
    return NULL;
}

promise_t *promise_shared_send(promise_loop_t *loop, promise_shared_channel_t *ch, promise_value_t v) {
    struct shared_news news = {0};
    promise_resolver_t *resolver;
    enum shared_put put;
    promise_t *p, *instead;

    loop = promise__event_loop_arg(loop, __func__);
    if (!promise__shared_accepts(&v, __func__)) return promise__settled(loop, v);
    p = ch ? start(loop, &resolver, __func__, &instead) : NULL;
    if (!p) {
        promise__release(v);
        return ch ? instead : promise__settled(loop, promise__nomem());
    }
    pthread_mutex_lock(&ch->lock);
    put = promise__shared_put(ch, v, &news);
    if (put == SHARED_FULL && !wait(ch, loop, resolver, NULL, true, v, &news)) put = SHARED_NOMEM;
    pthread_mutex_unlock(&ch->lock);
    promise__shared_tell(&news);
    if (put == SHARED_PUT) promise_resolve(resolver, promise_void());
    if (put == SHARED_PUT || put == SHARED_FULL) return p;
    promise_reject(resolver, put == SHARED_CLOSED ? promise__shared_closed(__func__) : promise__nomem());
    promise__release(v);
    return p;
}

static promise_t *receive(promise_loop_t *loop, promise_shared_channel_t *ch, struct shared_items *items) {
    struct shared_news news = {0};
    promise_value_t v = promise_end();
    promise_resolver_t *resolver;
    promise_t *instead, *p = start(loop, &resolver, "promise_shared_receive", &instead);
    bool waits = false;

    if (!p) return instead;
    pthread_mutex_lock(&ch->lock);
    if (promise__shared_has_more(ch) && !is_called(ch, loop)) promise__shared_take(ch, &v, &news);
    else if (!promise__shared_is_over(ch)) {
        waits = wait(ch, loop, resolver, items, false, promise_void(), &news);
        if (!waits) v = promise__nomem();
    }
    pthread_mutex_unlock(&ch->lock);
    promise__shared_tell(&news);
    if (!waits) promise_resolve(resolver, v);
    return p;
}

promise_t *promise_shared_receive(promise_loop_t *loop, promise_shared_channel_t *ch) {
    loop = promise__event_loop_arg(loop, __func__);
    return ch ? receive(loop, ch, NULL) : promise__settled(loop, promise__nomem());
}

/* ---- its items ---- */

static promise_t *next_item(void *arg) {
    struct shared_items *items = arg;

    return receive(items->loop, items->channel, items);
}

static void close_items(void *arg) {
    struct shared_items *items = arg;

    while (items->asked) {
        promise_resolver_t *resolver = leave(items->asked);
        promise_reject(resolver, promise__canceled());
    }
    promise_shared_channel_unref(items->channel);
    promise__free(items);
}

promise_iterator_t *promise_shared_channel_items(promise_loop_t *loop, promise_shared_channel_t *ch) {
    static const struct promise_feeder feeder = {next_item, close_items};
    struct shared_items *items;

    loop = promise__event_loop_arg(loop, __func__);
    items = ch ? promise__malloc(sizeof *items) : NULL;
    if (!items) return promise_list_items(loop, promise__nomem());
    *items = (struct shared_items){.loop = loop, .channel = promise_shared_channel_ref(ch)};
    return promise__iterator_fed(loop, &feeder, items);
}
