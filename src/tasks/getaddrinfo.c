/* getaddrinfo(3) and getnameinfo(3), on threads. */
#include <promise/getaddrinfo.h>

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <promise/work.h>

#include "core.h"

static const char *describe(int code) { return gai_strerror(code); }

const struct promise_domain promise_getaddrinfo_errors = {"getaddrinfo", describe};

/* What goes to the thread: a block with the texts behind it. */
struct question {
    struct addrinfo hints;
    char *host, *service; /* NULL, or in texts */
    char texts[];
};

static void question_free(void *q) { promise__free(q); }

static const struct promise_type question_type = {
    sizeof(struct promise_type), "question", question_free, NULL, NULL, NULL, NULL};

static const char *text(const char *s) { return s ? s : ""; }

/* Of a function that said error, and number in errno. */
static promise_value_t failed(const char *function, int error, int number, const char *host, const char *service) {
    const char *colon = service ? ":" : "";

    if (error == EAI_MEMORY) return promise__nomem();
    if (error == EAI_SYSTEM)
        return promise_throw_errno_at(NULL, number, "%s %s%s%s", function, text(host), colon, text(service));
    return promise_throw_at(NULL, &promise_getaddrinfo_errors, error, "%s %s%s%s: %s", function, text(host), colon,
                            text(service), gai_strerror(error));
}

static promise_value_t list_of(const struct addrinfo *all) {
    promise_value_t list = promise_list(0, NULL);
    struct promise_address address;

    for (const struct addrinfo *a = all; a && !promise_is_rejection(list); a = a->ai_next) {
        promise_value_t v;
        promise_address_set(&address, a->ai_addr, a->ai_addrlen);
        v = promise_address_value(&address);
        if (!promise_is_rejection(v) && promise_list_push(list, v) == 0) continue;
        promise_value_clear(&list);
        return promise__nomem();
    }
    return list;
}

/* May wait, unless all is in numbers. */
static promise_value_t ask(const char *host, const char *service, const struct addrinfo *hints) {
    struct addrinfo *all;
    int error = getaddrinfo(host, service, hints, &all);
    promise_value_t v;

    if (error) return failed("getaddrinfo", error, errno, host, service);
    v = list_of(all);
    freeaddrinfo(all);
    return v;
}

static promise_value_t ask_on_thread(promise_value_t v, void *arg) {
    const struct question *q = promise_as_object(v, &question_type);

    (void)arg;
    return ask(q->host, q->service, &q->hints);
}

static promise_value_t question(const char *host, const char *service, const struct addrinfo *hints) {
    size_t host_size = host ? strlen(host) + 1 : 0, service_size = service ? strlen(service) + 1 : 0;
    struct question *q = promise__malloc(sizeof *q + host_size + service_size);

    if (!q) return promise__nomem();
    *q = (struct question){.hints = *hints};
    if (host) q->host = memcpy(q->texts, host, host_size);
    if (service) q->service = memcpy(q->texts + host_size, service, service_size);
    return promise_object(&question_type, q);
}

/* Is it a number that is no port? The system takes the lower half of it. */
static bool is_no_port(const char *service) {
    size_t digits = service ? strspn(service, "0123456789") : 0;

    if (!digits || service[digits]) return false;
    return strtoul(service, NULL, 10) > UINT16_MAX;
}

/* In numbers, for which the system asks nobody. */
static promise_value_t known(const char *host, const char *service, const struct addrinfo *hints) {
    struct addrinfo numeric = *hints;

    numeric.ai_flags |= AI_NUMERICHOST | AI_NUMERICSERV;
    return ask(host, service, &numeric);
}

static promise_pool_t *pool_or_names(promise_pool_t *pool) { return pool ? pool : promise_pool_for_names(); }

promise_t *promise_getaddrinfo(promise_loop_t *loop, promise_pool_t *pool, const char *host, const char *service,
                               const struct promise_getaddrinfo_options *options) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    promise_value_t v;

    loop = promise__loop_arg(loop, __func__);
    if (loop->dying) return promise__settled(loop, promise__canceled());
    if (!host && !service) return promise__settled(loop, promise__bad_argument(__func__, "host and service are NULL"));
    if (is_no_port(service))
        return promise__settled(loop, promise_throw_at(NULL, &promise_getaddrinfo_errors, EAI_SERVICE,
                                                       "getaddrinfo %s:%s: the port is above 65535", text(host), service));
    if (options) {
        hints.ai_family = options->family;
        hints.ai_flags = options->flags;
        if (options->socket_type) hints.ai_socktype = options->socket_type;
    }
    v = known(host, service, &hints);
    if (!promise_error_is(v, &promise_getaddrinfo_errors, EAI_NONAME) &&
        !promise_error_is(v, &promise_getaddrinfo_errors, EAI_SERVICE))
        return promise__settled(loop, v);
    promise_value_clear(&v);
    return promise_work(loop, pool_or_names(pool), ask_on_thread, question(host, service, &hints));
}

/* ---- the other way ---- */

static promise_value_t name_on_thread(promise_value_t v, void *arg) {
    const struct promise_address *address = promise_as_address(v);
    char name[NI_MAXHOST], in_numbers[PROMISE_ADDRESS_TEXT];
    int error = getnameinfo((const struct sockaddr *)&address->storage, address->size, name, sizeof name, NULL, 0, NI_NAMEREQD),
        number = errno;

    (void)arg;
    if (!error) return promise_string(name);
    promise_address_host(address, in_numbers, sizeof in_numbers);
    return failed("getnameinfo", error, number, in_numbers, NULL);
}

promise_t *promise_getnameinfo(promise_loop_t *loop, promise_pool_t *pool, const struct promise_address *address) {
    int family = address && address->size ? address->storage.ss_family : AF_UNSPEC;

    loop = promise__loop_arg(loop, __func__);
    if (loop->dying) return promise__settled(loop, promise__canceled());
    if (family != AF_INET && family != AF_INET6)
        return promise__settled(loop, promise__bad_argument(__func__, "address is no IPv4 or IPv6 address"));
    return promise_work(loop, pool_or_names(pool), name_on_thread, promise_address_value(address));
}
