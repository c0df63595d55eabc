/*
 * Happy Eyeballs (RFC 8305), of promises. One attempt and all that come after it are
 *
 *     any(connect, then(race(connect has failed, sleep), the attempts after it))
 *
 * so the first connection decides, and what loses is cancelled and closed by the combinators (T5), as it is when the whole
 * is. Which address is next is known when it is wanted only: addresses may come while attempts are going on.
 */
#include <promise/connect_name.h>

#include <errno.h>
#include <string.h>

#include <promise/combine.h>
#include <promise/connect.h>
#include <promise/loop.h>
#include <promise/memory.h>
#include <promise/timer.h>

#include "dns.h"

enum { SIX, FOUR, FAMILIES };

struct eyeballs {
    promise_loop_t *loop;
    uint64_t attempt_delay_ms, resolution_delay_ms;
    struct promise_address local; /* size 0: any */
    uint16_t port;
    unsigned turn; /* the family whose address is next, if it has one */
    struct family {
        promise_t *lookup; /* a reference; NULL when it is not wanted */
        size_t used;       /* addresses that have been tried */
    } families[FAMILIES];
};

static void eyeballs_free(void *arg) {
    struct eyeballs *e = arg;

    for (size_t i = 0; i < FAMILIES; i++) promise_cancel(e->families[i].lookup);
    promise_memory_free(e);
}

/* ---- the addresses ---- */

static bool is_pending(const struct family *f) { return f->lookup && promise_get_state(f->lookup) == PROMISE_PENDING; }

static bool is_rejected(const struct family *f) { return f->lookup && promise_get_state(f->lookup) == PROMISE_REJECTED; }

/* The next one of a family: false when there is none, or none yet. */
static bool take(struct eyeballs *e, unsigned i, struct promise_address *address) {
    struct family *f = &e->families[i];
    promise_value_t list;

    if (!f->lookup || promise_get_state(f->lookup) != PROMISE_FULFILLED) return false;
    list = promise_peek(f->lookup);
    if (f->used == promise_list_size(list)) return false;
    *address = *promise_as_address(promise_list_get(list, f->used++));
    promise_address_set_port(address, e->port);
    e->turn = !i;
    return true;
}

static promise_value_t nothing(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

/* Void when the family's lookup has come to an end, whichever. */
static promise_t *looked_up(const struct family *f) {
    return promise_then_catch(promise_ref(f->lookup), nothing, nothing, NULL);
}

/* Void when one of those that are pending has. */
static promise_t *one_more(const struct eyeballs *e) {
    promise_t *waiting[FAMILIES];
    size_t n = 0;

    for (size_t i = 0; i < FAMILIES; i++)
        if (is_pending(&e->families[i])) waiting[n++] = looked_up(&e->families[i]);
    return promise_race(e->loop, n, waiting);
}

/* Why there are no addresses; after an attempt nobody looks at it. */
static promise_value_t no_more(const struct eyeballs *e) {
    const struct family *six = &e->families[SIX], *four = &e->families[FOUR];

    if (is_rejected(six) && is_rejected(four)) return promise__dns_worse(promise_peek(six->lookup), promise_peek(four->lookup));
    if (is_rejected(six)) return promise_peek(six->lookup);
    return is_rejected(four) ? promise_peek(four->lookup) : promise_throw_value(promise_void());
}

/* ---- the attempts ---- */

/* Of those that failed, the first one's. */
static promise_value_t first_reason(promise_value_t v, void *arg) {
    (void)arg;
    if (promise_error_domain(v) != &promise_errors || promise_error_code(v) != PROMISE_EAGGREGATE) return v;
    return promise_throw_value(promise_list_get(promise_error_reasons(v), 0));
}

static promise_fn attempt;

static promise_t *attempt_and_go_on(struct eyeballs *e, const struct promise_address *address) {
    promise_t *connect = promise_connect_address_from(e->loop, address, e->local.size ? &e->local : NULL), *first[2], *both[2];

    first[0] = promise_catch(promise_ref(connect), nothing, NULL);
    first[1] = promise_sleep(e->loop, e->attempt_delay_ms);
    both[0] = connect;
    both[1] = promise_then(promise_race(e->loop, 2, first), attempt, e);
    return promise_catch(promise_any(e->loop, 2, both), first_reason, NULL);
}

/* The next attempt, and all after it. */
static promise_value_t attempt(promise_value_t v, void *arg) {
    struct eyeballs *e = arg;
    struct promise_address address;

    if (promise_is(v, &promise_type_stream)) return v; /* the one before has won */
    if (take(e, e->turn, &address) || take(e, !e->turn, &address)) return promise_adopt(attempt_and_go_on(e, &address));
    if (!is_pending(&e->families[SIX]) && !is_pending(&e->families[FOUR])) return no_more(e);
    return promise_adopt(promise_then(one_more(e), attempt, e));
}

/* ---- the start ---- */

static promise_value_t wait_for_six(promise_value_t v, void *arg) {
    struct eyeballs *e = arg;

    (void)v;
    return promise_adopt(promise_sleep(e->loop, e->resolution_delay_ms));
}

/* When the first attempt is due: the IPv6 addresses are there, or it is clear that there are none, or they are late. */
static promise_t *due(struct eyeballs *e) {
    promise_t *either[FAMILIES];

    if (!e->families[SIX].lookup) return looked_up(&e->families[FOUR]);
    either[SIX] = looked_up(&e->families[SIX]);
    if (!e->families[FOUR].lookup) return either[SIX];
    either[FOUR] = promise_then(looked_up(&e->families[FOUR]), wait_for_six, e);
    return promise_race(e->loop, FAMILIES, either);
}

static void look_up(struct eyeballs *e, promise_dns_t *dns, const char *host) {
    int only = e->local.size ? e->local.storage.ss_family : AF_UNSPEC;

    if (!dns) dns = promise_dns_default(e->loop);
    if (only != AF_INET) e->families[SIX].lookup = promise_dns_lookup(dns, host, PROMISE_DNS_IPV6);
    if (only != AF_INET6) e->families[FOUR].lookup = promise_dns_lookup(dns, host, PROMISE_DNS_IPV4);
}

/* Zero is the default. */
static uint64_t or_default(uint64_t ms, uint64_t otherwise) { return ms ? ms : otherwise; }

promise_t *promise_connect_with(promise_loop_t *loop, const char *host, uint16_t port,
                                const struct promise_connect_options *options) {
    static const struct promise_connect_options defaults = {0};
    struct promise_address address;
    struct eyeballs *e;

    if (!options) options = &defaults;
    if (!loop) loop = promise_loop_current();
    if (!host) return promise_from(loop, promise_throw_errno_at(NULL, EINVAL, "promise_connect: host is NULL"));
    if (promise_address_parse(&address, host, port) == 0) return promise_connect_address_from(loop, &address, options->local);
    e = promise_memory_alloc(sizeof *e);
    if (!e) return promise_from(loop, promise_out_of_memory());
    memset(e, 0, sizeof *e);
    e->loop = loop;
    e->port = port;
    e->attempt_delay_ms = or_default(options->attempt_delay_ms, 250);
    e->resolution_delay_ms = or_default(options->resolution_delay_ms, 50);
    if (options->local) e->local = *options->local;
    look_up(e, options->dns, host);
    return promise_attach(promise_then(due(e), attempt, e), e, eyeballs_free);
}

promise_t *promise_connect(promise_loop_t *loop, const char *host, uint16_t port) {
    return promise_connect_with(loop, host, port, NULL);
}
