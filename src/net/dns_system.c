/* Lookups by the system, for a promise_dns_t that was told so. */
#include <netdb.h>
#include <stdio.h>

#include <promise/getaddrinfo.h>
#include <promise/memory.h>

#include "dns.h"

struct dns_system {
    struct dns_system *next, **link; /* of its object; link is NULL once it is out */
    promise_resolver_t *resolver;    /* NULL once it was cancelled, or has settled */
    promise_t *work;                 /* what it waits for, and frees it in the end; NULL once it was cancelled */
    char host[];                     /* in words */
};

static void take_out(struct dns_system *s) {
    if (!s->link) return;
    *s->link = s->next;
    if (s->next) s->next->link = s->link;
    s->link = NULL;
}

/* In the words of <promise/dns.h>, of which what the system said is the cause. */
static promise_value_t translated(promise_value_t v, const char *host) {
    int code;

    if (promise_error_domain(v) != &promise_getaddrinfo_errors) return v;
    switch (promise_error_code(v)) {
    case EAI_NONAME: code = PROMISE_DNS_ENOTFOUND; break;
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
#ifdef EAI_ADDRFAMILY
    case EAI_ADDRFAMILY:
#endif
    case EAI_FAMILY: code = PROMISE_DNS_ENODATA; break;
    default: code = PROMISE_DNS_ESERVFAIL;
    }
    return promise_wrap_at(NULL, v, &promise_dns_errors, code, "lookup %s: %s", host, gai_strerror(promise_error_code(v)));
}

static promise_value_t settle(promise_value_t v, void *arg) {
    struct dns_system *s = arg;
    promise_resolver_t *resolver = s->resolver;

    take_out(s); /* a handler may close the object before we are freed */
    s->resolver = NULL;
    if (!resolver) return promise_void();
    promise_resolve(resolver, promise_is_rejection(v) ? translated(v, s->host) : v);
    return promise_void();
}

/* Also where there was no memory to settle. */
static void free_lookup(void *arg) {
    struct dns_system *s = arg;

    take_out(s);
    if (s->resolver) promise_reject(s->resolver, promise_out_of_memory());
    promise_unref(s->work);
    promise_memory_free(s);
}

/* The resolver is the caller's; the lookup goes by itself. */
static promise_resolver_t *withdraw(struct dns_system *s) {
    promise_resolver_t *resolver = s->resolver;
    promise_t *work = s->work;

    take_out(s);
    s->resolver = NULL;
    s->work = NULL;
    promise_cancel(work);
    return resolver;
}

static void stop(void *arg) { promise_abandon(withdraw(arg)); }

static promise_t *refuse(promise_t *p, promise_resolver_t *resolver, promise_t *asked) {
    promise_cancel(asked);
    promise_reject(resolver, promise_out_of_memory());
    return p;
}

promise_t *promise__dns_ask_system(promise_dns_t *dns, const char *host, promise_t *asked) {
    size_t size = (size_t)snprintf(NULL, 0, "%s", host) + 1;
    struct dns_system *s = promise_memory_alloc(sizeof *s + size);
    promise_resolver_t *resolver;
    promise_t *p = promise_new(dns->source.loop, &resolver);

    if (!s || !promise_resolver_is_pending(resolver)) {
        promise_memory_free(s);
        return refuse(p, resolver, asked);
    }
    *s = (struct dns_system){.next = dns->systems, .link = &dns->systems, .resolver = resolver};
    snprintf(s->host, size, "%s", host);
    if (s->next) s->next->link = &s->next;
    dns->systems = s;
    promise_on_cancel(resolver, stop, s);
    s->work = promise_attach(promise_then_catch(asked, settle, settle, s), s, free_lookup);
    return p;
}

void promise__dns_systems_close(promise_dns_t *dns, promise_value_t reason) {
    while (dns->systems) {
        promise_resolver_t *resolver = withdraw(dns->systems);
        promise_reject(resolver, reason);
    }
}
