/* Names and addresses: looking up, a resolver of one's own, what can go wrong. */
#include "tour.h"

#include <stdio.h>

/* region: lookup */
static promise_value_t got_addresses(promise_value_t addresses, void *arg) {
    char text[PROMISE_ADDRESS_TEXT];
    (void)arg;
    for (size_t i = 0; i < promise_list_size(addresses); i++) {
        promise_address_host(promise_as_address(promise_list_get(addresses, i)), text, sizeof text);
        printf("address: %s\n", text);
    }
    return promise_void();
}

static promise_t *lookup(promise_loop_t *loop) {
    promise_dns_t *dns = promise_dns_default(loop);
    return promise_then(promise_dns_lookup(dns, "127.0.0.1", PROMISE_DNS_ANY), got_addresses, NULL);
}
/* end: lookup */

/* region: options */
static promise_t *options(promise_loop_t *loop) {
    static const char *const servers[] = {"192.0.2.1", "[2001:db8::1]:5353", NULL};
    static const struct promise_dns_options options = {
        .nameservers = servers, .no_system = true, .timeout_ms = 2000, .attempts = 2};
    promise_dns_t *dns = promise_dns_new(loop, &options); /* goes with the loop, or by promise_dns_close() */
    return promise_then(promise_dns_lookup(dns, "www.localhost", PROMISE_DNS_ANY), got_addresses, NULL);
}
/* end: options */

/* region: errors */
static promise_value_t not_found(promise_value_t reason, void *arg) {
    (void)arg;
    if (promise_error_is(reason, &promise_dns_errors, PROMISE_DNS_ENOTFOUND)) return promise_void(); /* for good */
    if (promise_error_domain(reason) != &promise_dns_errors) return reason;
    printf("error %d: %s\n", promise_error_code(reason), promise_error_message(reason)); /* worth another try, perhaps */
    return promise_void();
}

static promise_t *errors(promise_loop_t *loop) {
    static const struct promise_dns_options nobody = {.no_system = true};
    promise_dns_t *dns = promise_dns_new(loop, &nobody);
    return promise_catch(promise_dns_lookup(dns, "www.example", PROMISE_DNS_ANY), not_found, NULL);
}
/* end: errors */

int main(void) {
    static tour_fn *const parts[] = {lookup, options, errors};
    return tour(sizeof parts / sizeof *parts, parts);
}
