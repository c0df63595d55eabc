/* The object, its configuration; lookups, both ways. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/util.h>

#include <promise/combine.h>
#include <promise/getaddrinfo.h>
#include <promise/loop.h>
#include <promise/memory.h>

#include "dns.h"

/* ---- errors ---- */

static const char *describe(int code) {
    switch (code) {
    case PROMISE_DNS_ENOTFOUND: return "there is no such name";
    case PROMISE_DNS_ENODATA: return "it has no address of this family";
    case PROMISE_DNS_EBADNAME: return "that cannot be a name";
    case PROMISE_DNS_ETIMEDOUT: return "no name server answered in time";
    case PROMISE_DNS_ESERVFAIL: return "the name servers could not find out";
    case PROMISE_DNS_EREFUSED: return "the name servers refuse to answer";
    case PROMISE_DNS_ENOTIMPL: return "the name servers do not answer such questions";
    case PROMISE_DNS_EFORMAT: return "the name servers do not understand the question";
    case PROMISE_DNS_EBADANSWER: return "the name server's answer cannot be understood";
    case PROMISE_DNS_ETRUNCATED: return "the answer is too large for a datagram";
    case PROMISE_DNS_ENOSERVER: return "no name server is known";
    default: return NULL;
    }
}

const struct promise_domain promise_dns_errors = {"dns", describe};

promise_value_t promise__dns_error(const char *host, int code) {
    return promise_throw_at(NULL, &promise_dns_errors, code, "lookup %s: %s", host, describe(code));
}

bool promise__dns_add(promise_value_t list, const struct promise_address *address) {
    promise_value_t v = promise_address_value(address);

    return !promise_is_rejection(v) && promise_list_push(list, v) == 0; /* a rejection would do as an element */
}

static promise_value_t bad_argument(const char *function, const char *what) {
    return promise_throw_errno_at(NULL, EINVAL, "%s: %s", function, what);
}

static promise_loop_t *nomem_loop(const promise_dns_t *dns, const char *function) {
    if (dns) return promise_source_nomem_loop(dns);
    fprintf(stderr, "%s: dns is NULL\n", function);
    abort();
}

/* ---- make and close ---- */

/* A copy, or NULL when out of memory: then *ok is false. text NULL: NULL. */
static char *copy(const char *text, bool *ok) {
    size_t size = text ? strlen(text) + 1 : 0;
    char *block = text ? promise_memory_alloc(size) : NULL;

    if (block) memcpy(block, text, size);
    else if (text) *ok = false;
    return block;
}

/* "192.0.2.1", "192.0.2.1:5353", "::1", "[::1]:5353": 0, or -1. */
static int parse_server(const char *text, struct dns_server *server) {
    server->size = sizeof server->address;
    if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&server->address, &server->size) < 0) return -1;
    if (server->address.ss_family == AF_INET) {
        struct sockaddr_in *sin = (struct sockaddr_in *)&server->address;
        if (!sin->sin_port) sin->sin_port = htons(53);
    } else {
        struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&server->address;
        if (!sin6->sin6_port) sin6->sin6_port = htons(53);
    }
    return 0;
}

/* false when out of memory. */
static bool set_servers(promise_dns_t *dns, const char *const *texts) {
    size_t n = 0;

    while (texts && texts[n]) n++;
    if (!n) return true;
    dns->servers = promise_memory_alloc(n * sizeof *dns->servers);
    if (!dns->servers) return false;
    memset(dns->servers, 0, n * sizeof *dns->servers);
    dns->server_count = n;
    for (size_t i = 0; i < n; i++)
        if (parse_server(texts[i], &dns->servers[i]) < 0 && promise_is_void(dns->error))
            promise_value_set(&dns->error,
                              promise_throw_errno_at(NULL, EINVAL, "promise_dns_new: name server \"%s\"", texts[i]));
    return true;
}

static bool set_options(promise_dns_t *dns, const struct promise_dns_options *o) {
    bool ok = true;

    dns->resolv_conf = copy(o->resolv_conf || o->no_system ? o->resolv_conf : "/etc/resolv.conf", &ok);
    dns->hosts_file = copy(o->hosts_file || o->no_system ? o->hosts_file : "/etc/hosts", &ok);
    dns->named = o->resolv_conf;
    dns->timeout_ms = o->timeout_ms;
    dns->attempts = o->attempts;
    dns->by_system = o->by_system;
    dns->pool = o->pool;
    return set_servers(dns, o->nameservers) && ok;
}

static void dns_free(promise_dns_t *dns) {
    promise_memory_free(dns->resolv_conf);
    promise_memory_free(dns->hosts_file);
    promise_memory_free(dns->servers);
    promise_value_clear(&dns->error);
    promise_memory_free(dns);
}

static void gone(struct promise_source *source) {
    promise_dns_t *dns = (promise_dns_t *)source; /* its first member */

    promise__dns_systems_close(dns, promise_was_canceled());
    promise__dns_queries_close(dns, promise_was_canceled());
    dns_free(dns);
}
static void default_gone(struct promise_source *source) { gone(source); } /* by which it is found */

static promise_dns_t *dns_new(promise_loop_t *loop, const struct promise_dns_options *options, bool single) {
    static const struct promise_dns_options defaults = {0};
    promise_dns_t *dns = promise_memory_alloc(sizeof *dns);
    int added;

    if (!loop) loop = promise_loop_current();
    if (!dns) return promise_source_nomem(loop);
    memset(dns, 0, sizeof *dns);
    if (!set_options(dns, options ? options : &defaults)) {
        dns_free(dns);
        return promise_source_nomem(loop);
    }
    added = single ? promise_source_add_single(loop, &dns->source, default_gone) : promise_source_add(loop, &dns->source, gone);
    if (added < 0) { /* the loop is being freed: nobody would close it */
        dns_free(dns);
        return promise_source_nomem(loop);
    }
    if (promise_loop_base(loop)) promise__dns_queries_open(dns);
    else promise_value_set(&dns->error, promise_throw_errno_at(NULL, ENOSYS, "promise_dns: the loop has no event_base"));
    return dns;
}

promise_dns_t *promise_dns_new(promise_loop_t *loop, const struct promise_dns_options *options) {
    return dns_new(loop, options, false);
}

promise_dns_t *promise_dns_default(promise_loop_t *loop) {
    struct promise_source *source = promise_source_find(loop, default_gone);

    return source ? (promise_dns_t *)source : dns_new(loop, NULL, true);
}

void promise_dns_close(void *arg) {
    promise_dns_t *dns = arg;
    promise_value_t why = promise_void();

    if (!dns || promise_source_nomem_loop(dns)) return;
    promise_value_set(&why, promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "lookup: the resolver was closed"));
    promise_source_remove(&dns->source);
    promise__dns_systems_close(dns, why);
    promise__dns_queries_close(dns, why);
    promise_value_clear(&why);
    dns_free(dns);
}

/* ---- lookups ---- */

static void nothing_to_do(struct promise_source *source) { (void)source; }

static bool is_dying(promise_loop_t *loop) {
    struct promise_source probe = {0};

    if (promise_source_add(loop, &probe, nothing_to_do) < 0) return true;
    promise_source_remove(&probe);
    return false;
}

/* What is known without asking; or void. */
static promise_value_t refused(const promise_dns_t *dns) {
    promise_loop_t *none = promise_source_nomem_loop(dns);

    if (is_dying(none ? none : dns->source.loop)) return promise_was_canceled();
    return none ? promise_out_of_memory() : dns->error;
}

/* Labels of 1 to 63 bytes, with dots in between and perhaps one at the end; 253 bytes without that. */
static bool is_name(const char *host) {
    size_t size = strlen(host);

    if (size && host[size - 1] == '.') size--;
    if (!size || size > 253) return false;
    for (size_t i = 0, label = 0; i <= size; i++) {
        if (i < size && host[i] != '.') {
            if (++label > 63) return false;
        } else if (!label) return false;
        else label = 0;
    }
    return true;
}

static bool is_wanted(promise_value_t address, enum promise_dns_family family) {
    int af = promise_as_address(address)->storage.ss_family;

    return family == PROMISE_DNS_ANY || af == (family == PROMISE_DNS_IPV4 ? AF_INET : AF_INET6);
}

/* Adds those of the family; false when out of memory. */
static bool add_wanted(promise_value_t to, promise_value_t from, enum promise_dns_family family) {
    for (size_t i = 0; i < promise_list_size(from); i++)
        if (is_wanted(promise_list_get(from, i), family) && promise_list_push(to, promise_list_get(from, i)) < 0) return false;
    return true;
}

/* IPv6 first. */
static promise_value_t sorted(promise_value_t all, enum promise_dns_family family, const char *host) {
    promise_value_t list = promise_list(0, NULL);
    bool ok = family == PROMISE_DNS_IPV4 || add_wanted(list, all, PROMISE_DNS_IPV6);

    ok = ok && (family == PROMISE_DNS_IPV6 || add_wanted(list, all, PROMISE_DNS_IPV4));
    if (ok && !promise_is_rejection(list) && promise_list_size(list)) return list;
    ok = ok && !promise_is_rejection(list);
    promise_value_clear(&list);
    return ok ? promise__dns_error(host, PROMISE_DNS_ENODATA) : promise_out_of_memory();
}

/* The addresses of a host for which nobody has to be asked; or void. */
static promise_value_t known(const promise_dns_t *dns, const char *host) {
    struct promise_address address;
    promise_value_t v;

    if (promise_address_parse(&address, host, 0) < 0)
        return dns->by_system ? promise_void() : promise__hosts_addresses(dns->hosts_file, host);
    v = promise_address_value(&address);
    return promise_is_rejection(v) ? v : promise_list(1, &v);
}

promise_value_t promise__dns_worse(promise_value_t a, promise_value_t b) {
    if (promise_error_is(a, &promise_dns_errors, PROMISE_DNS_ENOTFOUND)) return a;
    if (promise_error_is(b, &promise_dns_errors, PROMISE_DNS_ENOTFOUND)) return b;
    return promise_error_is(a, &promise_dns_errors, PROMISE_DNS_ENODATA) ? b : a;
}

/* Of the outcomes for IPv6 and IPv4; one list is enough. */
static promise_value_t merge(promise_value_t both, void *arg) {
    promise_value_t six = promise_list_get(both, 0), four = promise_list_get(both, 1), list;

    (void)arg;
    if (promise_is_rejection(six)) return promise_is_rejection(four) ? promise__dns_worse(six, four) : four;
    if (promise_is_rejection(four)) return six;
    list = promise_list(0, NULL);
    if (add_wanted(list, six, PROMISE_DNS_ANY) && add_wanted(list, four, PROMISE_DNS_ANY)) return list;
    promise_value_clear(&list);
    return promise_out_of_memory();
}

static promise_t *look_up_by_system(promise_dns_t *dns, const char *host, enum promise_dns_family family) {
    int af = family == PROMISE_DNS_IPV4 ? AF_INET : family == PROMISE_DNS_IPV6 ? AF_INET6 : AF_UNSPEC;
    const struct promise_getaddrinfo_options options = {.family = af};

    return promise__dns_ask_system(dns, host, promise_getaddrinfo(dns->source.loop, dns->pool, host, NULL, &options));
}

promise_t *promise_dns_lookup(promise_dns_t *dns, const char *host, enum promise_dns_family family) {
    promise_loop_t *loop = nomem_loop(dns, __func__);
    promise_value_t v = refused(dns);
    promise_t *both[2];

    if (!loop) loop = dns->source.loop;
    if (!promise_is_void(v)) return promise_from(loop, v);
    if (!host) return promise_from(loop, bad_argument(__func__, "host is NULL"));
    if (family != PROMISE_DNS_ANY && family != PROMISE_DNS_IPV4 && family != PROMISE_DNS_IPV6)
        return promise_from(loop, bad_argument(__func__, "family is none of promise_dns_family"));
    v = known(dns, host);
    if (promise_is_rejection(v)) return promise_from(loop, v);
    if (!promise_is_void(v)) {
        promise_t *p = promise_from(loop, sorted(v, family, host));
        promise_value_clear(&v);
        return p;
    }
    if (dns->by_system) return look_up_by_system(dns, host, family);
    if (!is_name(host)) return promise_from(loop, promise__dns_error(host, PROMISE_DNS_EBADNAME));
    if (family == PROMISE_DNS_IPV4) return promise__dns_ask(dns, DNS_ADDRESS_4, host, NULL);
    if (family == PROMISE_DNS_IPV6) return promise__dns_ask(dns, DNS_ADDRESS_6, host, NULL);
    both[0] = promise__dns_ask(dns, DNS_ADDRESS_6, host, NULL);
    both[1] = promise__dns_ask(dns, DNS_ADDRESS_4, host, NULL);
    return promise_then(promise_all_settled(loop, 2, both), merge, NULL);
}

promise_t *promise_dns_reverse(promise_dns_t *dns, const struct promise_address *address) {
    promise_loop_t *loop = nomem_loop(dns, __func__);
    promise_value_t v = refused(dns);
    char text[PROMISE_ADDRESS_TEXT];
    int family;

    if (!loop) loop = dns->source.loop;
    if (!promise_is_void(v)) return promise_from(loop, v);
    family = address && address->size ? address->storage.ss_family : AF_UNSPEC;
    if (family != AF_INET && family != AF_INET6)
        return promise_from(loop, bad_argument(__func__, "address is no IPv4 or IPv6 address"));
    promise_address_host(address, text, sizeof text);
    if (dns->by_system) return promise__dns_ask_system(dns, text, promise_getnameinfo(loop, dns->pool, address));
    v = promise__hosts_name(dns->hosts_file, address);
    if (!promise_is_void(v)) return promise_from(loop, v);
    return promise__dns_ask(dns, DNS_NAME, text, address);
}
