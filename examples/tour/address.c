/* Addresses: from text, to text, as values. */
#include <promise.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* region: text */
static void print(const char *text, uint16_t port) {
    struct promise_address address;
    char whole[PROMISE_ADDRESS_TEXT], host[PROMISE_ADDRESS_TEXT];

    if (promise_address_parse(&address, text, port) < 0) {
        printf("%s: %s\n", text, strerror(errno)); /* names are looked up elsewhere */
        return;
    }
    promise_address_print(&address, whole, sizeof whole);
    promise_address_host(&address, host, sizeof host);
    printf("%s: host %s, port %d\n", whole, host, promise_address_port(&address));
}
/* end: text */

/* region: value */
static promise_value_t next_port(promise_value_t v) {
    struct promise_address address = *promise_as_address(v); /* a copy: what is in the value is shared */

    promise_address_set_port(&address, (uint16_t)(promise_address_port(&address) + 1));
    return promise_address_value(&address);
}
/* end: value */

int main(void) {
    struct promise_address address;
    char text[PROMISE_ADDRESS_TEXT];
    promise_value_t v, next;

    print("127.0.0.1", 80);
    print("[::1]", 80);
    print("localhost", 80);
    if (promise_address_unix(&address, "/run/example.sock") < 0) return 1;
    promise_address_print(&address, text, sizeof text);
    printf("%s\n", text);
    if (promise_address_parse(&address, "192.0.2.1", 7000) < 0) return 1;
    v = promise_address_value(&address);
    next = next_port(v);
    promise_print(next, text, sizeof text);
    printf("%s\n", text);
    promise_value_clear(&v);
    promise_value_clear(&next);
    return 0;
}
