/* Addresses: text to sockaddr and back. */
#include <promise/address.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "cell.h"

static void check(const struct promise_address *address, const char *function) {
    if (PROMISE_UNLIKELY(!address)) promise__stop("%s: address is NULL", function);
}

static int fail(int error) {
    errno = error;
    return -1;
}

static const struct sockaddr_in *v4(const struct promise_address *a) { return (const struct sockaddr_in *)&a->storage; }
static const struct sockaddr_in6 *v6(const struct promise_address *a) { return (const struct sockaddr_in6 *)&a->storage; }
static sa_family_t family(const struct promise_address *a) { return a->size ? a->storage.ss_family : AF_UNSPEC; }

/* ---- make ---- */

static void set_v4(struct promise_address *address, const struct in_addr *host, in_port_t port) {
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = port, .sin_addr = *host};

    memcpy(&address->storage, &sin, sizeof sin);
    address->size = sizeof sin;
}

/* The number of an interface, by its name or as digits; 0 when there is none. */
static unsigned interface_number(const char *name) {
    unsigned long number;
    char *end;

    if (*name < '0' || *name > '9') return if_nametoindex(name);
    number = strtoul(name, &end, 10);
    return *end || number > UINT32_MAX ? 0 : (unsigned)number;
}

static int parse_v6(struct promise_address *address, const char *text, in_port_t port) {
    struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = port};
    const char *percent = strchr(text, '%');
    char host[INET6_ADDRSTRLEN];
    size_t size = percent ? (size_t)(percent - text) : strlen(text);

    if (size >= sizeof host) return fail(EINVAL);
    memcpy(host, text, size);
    host[size] = 0;
    if (inet_pton(AF_INET6, host, &sin6.sin6_addr) != 1) return fail(EINVAL);
    if (percent && !(sin6.sin6_scope_id = interface_number(percent + 1))) return fail(percent[1] ? ENXIO : EINVAL);
    promise_address_set(address, (const struct sockaddr *)&sin6, sizeof sin6);
    return 0;
}

int promise_address_parse(struct promise_address *address, const char *text, uint16_t port) {
    struct in_addr host;
    char inside[INET6_ADDRSTRLEN + 1 + IF_NAMESIZE];
    size_t size = text ? strlen(text) : 0;

    check(address, __func__);
    memset(address, 0, sizeof *address);
    if (!size) return fail(EINVAL);
    if (inet_pton(AF_INET, text, &host) == 1) {
        set_v4(address, &host, htons(port));
        return 0;
    }
    if (*text != '[') return parse_v6(address, text, htons(port));
    if (text[size - 1] != ']' || size - 2 >= sizeof inside) return fail(EINVAL);
    memcpy(inside, text + 1, size - 2);
    inside[size - 2] = 0;
    return parse_v6(address, inside, htons(port));
}

/* The size of an abstract name is what says where it ends: no NUL is counted. */
int promise_address_unix(struct promise_address *address, const char *path) {
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    size_t length = path ? strlen(path) : 0;
    bool abstract = length && *path == '@';

    check(address, __func__);
    memset(address, 0, sizeof *address);
    if (length <= abstract) return fail(EINVAL);
    if (length >= sizeof sun.sun_path) return fail(ENAMETOOLONG);
    memcpy(sun.sun_path, path, length);
    if (abstract) sun.sun_path[0] = 0;
    memcpy(&address->storage, &sun, sizeof sun);
    address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + !abstract);
    return 0;
}

void promise_address_set(struct promise_address *address, const struct sockaddr *sockaddr, socklen_t size) {
    struct sockaddr_in6 sin6;
    struct in_addr host;

    check(address, __func__);
    if (!sockaddr && size) promise__stop("promise_address_set: sockaddr is NULL");
    if (size > sizeof address->storage)
        promise__stop("promise_address_set: expected a size up to %zu, got %zu", sizeof address->storage, (size_t)size);
    if (size >= sizeof sin6 && sockaddr->sa_family == AF_INET6) {
        memcpy(&sin6, sockaddr, sizeof sin6);
        if (IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr)) {
            memset(address, 0, sizeof *address);
            memcpy(&host, sin6.sin6_addr.s6_addr + 12, sizeof host);
            set_v4(address, &host, sin6.sin6_port);
            return;
        }
    }
    memmove(&address->storage, sockaddr ? (const void *)sockaddr : &address->storage, size);
    memset((char *)&address->storage + size, 0, sizeof address->storage - size);
    address->size = size;
}

static int of_socket(struct promise_address *address, int fd, int (*name)(int, struct sockaddr *, socklen_t *)) {
    struct sockaddr_storage storage;
    socklen_t size = sizeof storage;

    memset(address, 0, sizeof *address);
    if (name(fd, (struct sockaddr *)&storage, &size) < 0) return -1;
    promise_address_set(address, (struct sockaddr *)&storage, size);
    return 0;
}

static int own_name(int fd, struct sockaddr *name, socklen_t *size) { return getsockname(fd, name, size); }
static int peer_name(int fd, struct sockaddr *name, socklen_t *size) { return getpeername(fd, name, size); }

int promise_address_local(struct promise_address *address, int fd) {
    check(address, __func__);
    return of_socket(address, fd, own_name);
}
int promise_address_peer(struct promise_address *address, int fd) {
    check(address, __func__);
    return of_socket(address, fd, peer_name);
}

/* ---- read ---- */

static size_t print_unix(const struct promise_address *a, const char *prefix, char *buffer, size_t size) {
    const struct sockaddr_un *sun = (const struct sockaddr_un *)&a->storage;
    size_t length = a->size - offsetof(struct sockaddr_un, sun_path);
    bool abstract;

    if (a->size <= offsetof(struct sockaddr_un, sun_path)) /* a client's, mostly: it has no name */
        return (size_t)snprintf(buffer, size, "%s", *prefix ? "unix" : "");
    abstract = !sun->sun_path[0] && length > 1;
    if (!abstract) length = strnlen(sun->sun_path, length);
    return (size_t)snprintf(buffer, size, "%s%s%.*s", prefix, abstract ? "@" : "", (int)(length - abstract),
                            sun->sun_path + abstract);
}

/* With the interface, where it matters. */
static const char *print_v6(const struct sockaddr_in6 *sin6, char *text, size_t size) {
    char name[IF_NAMESIZE];
    size_t length;

    inet_ntop(AF_INET6, &sin6->sin6_addr, text, (socklen_t)size);
    length = strlen(text);
    if (!sin6->sin6_scope_id) return text;
    if (if_indextoname(sin6->sin6_scope_id, name)) snprintf(text + length, size - length, "%%%s", name);
    else snprintf(text + length, size - length, "%%%u", (unsigned)sin6->sin6_scope_id);
    return text;
}

static size_t print(const struct promise_address *a, bool with_port, char *buffer, size_t size) {
    char host[INET6_ADDRSTRLEN + 1 + IF_NAMESIZE];
    unsigned port = promise_address_port(a);

    switch (family(a)) {
    case AF_INET: inet_ntop(AF_INET, &v4(a)->sin_addr, host, sizeof host); break;
    case AF_INET6: print_v6(v6(a), host, sizeof host); break;
    case AF_UNIX: return print_unix(a, with_port ? "unix:" : "", buffer, size);
    case AF_UNSPEC: return (size_t)snprintf(buffer, size, "no address");
    default: return (size_t)snprintf(buffer, size, "an address of family %d", (int)family(a));
    }
    if (!with_port) return (size_t)snprintf(buffer, size, "%s", host);
    return (size_t)snprintf(buffer, size, family(a) == AF_INET6 ? "[%s]:%u" : "%s:%u", host, port);
}

size_t promise_address_print(const struct promise_address *address, char *buffer, size_t size) {
    check(address, __func__);
    return print(address, true, buffer, size);
}

size_t promise_address_host(const struct promise_address *address, char *buffer, size_t size) {
    check(address, __func__);
    return print(address, false, buffer, size);
}

uint16_t promise_address_port(const struct promise_address *address) {
    check(address, __func__);
    if (family(address) == AF_INET) return ntohs(v4(address)->sin_port);
    return family(address) == AF_INET6 ? ntohs(v6(address)->sin6_port) : 0;
}

void promise_address_set_port(struct promise_address *address, uint16_t port) {
    check(address, __func__);
    if (family(address) == AF_INET) ((struct sockaddr_in *)&address->storage)->sin_port = htons(port);
    if (family(address) == AF_INET6) ((struct sockaddr_in6 *)&address->storage)->sin6_port = htons(port);
}

/* The padding of IPv4's, and the flow label of IPv6's, say nothing about where it is. */
bool promise_address_equal(const struct promise_address *a, const struct promise_address *b) {
    if (!a || !b) return a == b;
    if (family(a) != family(b) || promise_address_port(a) != promise_address_port(b)) return false;
    if (family(a) == AF_INET) return v4(a)->sin_addr.s_addr == v4(b)->sin_addr.s_addr;
    if (family(a) == AF_INET6)
        return IN6_ARE_ADDR_EQUAL(&v6(a)->sin6_addr, &v6(b)->sin6_addr) && v6(a)->sin6_scope_id == v6(b)->sin6_scope_id;
    return a->size == b->size && memcmp(&a->storage, &b->storage, a->size) == 0;
}

/* ---- as a value ---- */

static void free_nothing(void *object) { (void)object; } /* it is in the cell's own block */

static size_t print_address(const void *object, char *buffer, size_t size) {
    return promise_address_print(object, buffer, size);
}

const struct promise_type promise_type_address = {
    sizeof(struct promise_type), "address", free_nothing, NULL, NULL, NULL, print_address};

promise_value_t promise_address_value(const struct promise_address *address) {
    promise_value_t v;
    struct promise_address *copy;

    if (!address) return promise__bad_argument(__func__, "address is NULL");
    copy = promise__cell_new(&promise_type_address, sizeof *copy, &v);
    if (copy) *copy = *address;
    return v;
}

const struct promise_address *promise_as_address(promise_value_t v) {
    return promise__as_object_of(v, &promise_type_address, __func__);
}
