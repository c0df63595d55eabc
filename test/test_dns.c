/* Names and addresses: what comes out for each answer, and what is never asked for. Cancelling and the end are in
 * test_dns_end.c. */
#include "dns_support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static promise_t *any(const char *name) { return promise_dns_lookup(dns, name, PROMISE_DNS_ANY); }
static promise_t *four(const char *name) { return promise_dns_lookup(dns, name, PROMISE_DNS_IPV4); }
static promise_t *six(const char *name) { return promise_dns_lookup(dns, name, PROMISE_DNS_IPV6); }

static promise_t *reverse(const char *text) {
    struct promise_address address;

    ck_assert_int_eq(promise_address_parse(&address, text, 80), 0);
    return promise_dns_reverse(dns, &address);
}

/* ---- answers ---- */

START_TEST(R20_all_addresses_IPv6_first) {
    open_dns(_i);
    nameserver_set(ns, "host.test", "A", "127.0.0.3 127.0.0.1 127.0.0.2");
    nameserver_set(ns, "host.test", "AAAA", "fd00::2 fd00::1");
    is(any("host.test"), "[[fd00::2]:0,[fd00::1]:0,127.0.0.3:0,127.0.0.1:0,127.0.0.2:0]");
    ck_assert_str_eq(nameserver_asked(ns, 2), "AAAA:host.test A:host.test");
    is(four("host.test"), "[127.0.0.3:0,127.0.0.1:0,127.0.0.2:0]");
    is(six("Host.Test"), "[[fd00::2]:0,[fd00::1]:0]");
    ck_assert_str_eq(nameserver_asked(ns, 4), "A:host.test AAAA:host.test");
    close_dns();
}
END_TEST

START_TEST(R20_as_many_as_fit) { /* libevent takes 32 */
    char answer[1024] = "", text[32];
    promise_value_t v = {0};

    open_dns(0);
    for (int i = 1; i <= 32; i++) {
        snprintf(text, sizeof text, "%s127.0.0.%d", i > 1 ? " " : "", i);
        strcat(answer, text);
    }
    nameserver_set(ns, "host.test", "A", answer);
    ck_assert_int_eq(promise_loop_run(loop, four("host.test"), &v), 0);
    ck_assert_uint_eq(promise_list_size(v), 32);
    ck_assert_str_eq(shown(promise_list_get(v, 31)), "127.0.0.32:0");
    promise_value_clear(&v);
    close_dns();
}
END_TEST

START_TEST(aliases_are_followed) {
    open_dns(0);
    nameserver_set(ns, "host.test", "A", "cname:other.test 127.0.0.7");
    nameserver_set(ns, "host.test", "AAAA", "cname:other.test");
    is(four("host.test"), "[127.0.0.7:0]");
    is(six("host.test"), "!dns2");
    close_dns();
}
END_TEST

START_TEST(one_family_is_enough) {
    open_dns(0);
    nameserver_set(ns, "four.test", "A", "127.0.0.1");
    nameserver_set(ns, "four.test", "AAAA", "!nodata");
    nameserver_set(ns, "six.test", "A", "!servfail");
    nameserver_set(ns, "six.test", "AAAA", "fd00::1");
    is(any("four.test"), "[127.0.0.1:0]");
    is(any("six.test"), "[[fd00::1]:0]");
    is(six("four.test"), "!dns2");
    close_dns();
}
END_TEST

START_TEST(of_two_errors_the_one_that_says_more) {
    open_dns(0);
    nameserver_set(ns, "a.test", "A", "!nodata");
    nameserver_set(ns, "a.test", "AAAA", "!nodata");
    nameserver_set(ns, "b.test", "A", "!refused");
    nameserver_set(ns, "b.test", "AAAA", "!nodata");
    nameserver_set(ns, "c.test", "A", "!nodata");
    nameserver_set(ns, "c.test", "AAAA", "!refused");
    nameserver_set(ns, "d.test", "A", "!refused");
    is(any("a.test"), "!dns2");
    is(any("b.test"), "!dns6");
    is(any("c.test"), "!dns6");
    is(any("d.test"), "!dns1");
    close_dns();
}
END_TEST

START_TEST(reverse_names) {
    open_dns(0);
    nameserver_set(ns, "1.2.0.192.in-addr.arpa", "PTR", "host.test");
    nameserver_set(ns, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", "PTR", "six.test");
    nameserver_set(ns, "2.2.0.192.in-addr.arpa", "PTR", "!nodata");
    is(reverse("192.0.2.1"), "host.test");
    is(reverse("fd00::1"), "six.test");
    is(reverse("::ffff:192.0.2.1"), "host.test");
    is(reverse("192.0.2.2"), "!dns1");
    is(reverse("192.0.2.3"), "!dns1");
    ck_assert_str_eq(message(reverse("192.0.2.3")), "!lookup 192.0.2.3: there is no such name");
    close_dns();
}
END_TEST

/* ---- faults: each with the one error ---- */

static const struct fault {
    const char *answer, *four, *reverse;
} faults[] = {
    {"!nxdomain", "!dns1", "!dns1"},    {"!nodata", "!dns2", "!dns1"},  {"!servfail", "!dns5", "!dns5"},
    {"!refused", "!dns6", "!dns6"},     {"!notimpl", "!dns7", "!dns7"}, {"!formerr", "!dns8", "!dns8"},
    {"!rcode9", "!dns9", "!dns9"},      {"!short", "!dns9", "!dns9"},   {"!other", "!dns9", "!dns9"},
    {"!truncated", "!dns10", "!dns10"},
};

START_TEST(each_fault_has_its_error) {
    const struct fault *fault = &faults[_i];

    open_dns(0);
    nameserver_set(ns, "host.test", "A", fault->answer);
    nameserver_set(ns, "1.2.0.192.in-addr.arpa", "PTR", fault->answer);
    is(four("host.test"), fault->four);
    is(reverse("192.0.2.1"), fault->reverse);
    is(four("host.test"), fault->four); /* nothing is left of it */
    close_dns();
}
END_TEST

START_TEST(errors_name_the_host_and_have_words) {
    open_dns(0);
    ck_assert_str_eq(message(any("none.test")), "!lookup none.test: there is no such name");
    for (int code = PROMISE_DNS_ENOTFOUND; code <= PROMISE_DNS_ENOSERVER; code++)
        ck_assert_ptr_nonnull(promise_dns_errors.describe(code));
    ck_assert_ptr_null(promise_dns_errors.describe(0));
    ck_assert_str_eq(promise_dns_errors.name, "dns");
    close_dns();
}
END_TEST

/* A resolver whose server may well not answer: one try, and not for long. */
static promise_dns_t *impatient(void) {
    const char *servers[] = {nameserver_address(ns), NULL};
    struct promise_dns_options options = {.nameservers = servers, .no_system = true, .timeout_ms = 2, .attempts = 3};

    return promise_dns_new(loop, &options);
}

START_TEST(a_server_that_never_answers) {
    promise_dns_t *other;

    open_dns(_i);
    other = impatient();
    nameserver_set(ns, "host.test", "A", "!silence");
    nameserver_set(ns, "garbage.test", "A", "!garbage"); /* is no answer */
    is(promise_dns_lookup(other, "host.test", PROMISE_DNS_IPV4), "!dns4");
    ck_assert_str_eq(nameserver_asked(ns, 3), "A:host.test A:host.test A:host.test");
    is(promise_dns_lookup(other, "garbage.test", PROMISE_DNS_IPV4), "!dns4");
    /* evdns would go on asking that server for ever, to see whether it is up. */
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    nameserver_set(ns, "host.test", "A", "127.0.0.1");
    is(four("host.test"), "[127.0.0.1:0]");
    promise_dns_close(other);
    close_dns();
}
END_TEST

static promise_value_t ask_after_work(promise_value_t v, void *arg) {
    const char *servers[] = {nameserver_address(ns), NULL};
    struct promise_dns_options options = {.nameservers = servers, .no_system = true, .timeout_ms = 20, .attempts = 1};
    struct timespec t, start;

    (void)v, (void)arg;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do clock_gettime(CLOCK_MONOTONIC, &t); /* a long callback: the base's cached time is old */
    while ((t.tv_sec - start.tv_sec) * 1000 + (t.tv_nsec - start.tv_nsec) / 1000000 < 50);
    return promise_adopt(promise_dns_lookup(promise_dns_new(NULL, &options), "host.test", PROMISE_DNS_IPV4));
}

START_TEST(R24_a_timeout_is_counted_from_the_call) {
    open_dns(0);
    nameserver_set(ns, "host.test", "A", "!silence");
    is(promise_then(promise_sleep(loop, 1), ask_after_work, NULL), "!dns4"); /* sooner, it would be a failure of the server */
    close_dns();
}
END_TEST

START_TEST(the_next_server_is_asked) {
    struct nameserver *refuses;
    /* evdns sends it when the attempt is over only: libevent 2.1 */
    struct promise_dns_options options = {.no_system = true, .timeout_ms = 200, .attempts = 100};
    const char *servers[3] = {NULL};
    promise_dns_t *both;

    open_dns(0);
    refuses = nameserver_open();
    servers[0] = nameserver_address(refuses);
    servers[1] = nameserver_address(ns);
    options.nameservers = servers;
    nameserver_set(refuses, "host.test", "A", "!refused");
    nameserver_set(ns, "host.test", "A", "127.0.0.1");
    both = promise_dns_new(loop, &options);
    is(promise_dns_lookup(both, "host.test", PROMISE_DNS_IPV4), "[127.0.0.1:0]");
    is(promise_dns_lookup(both, "host.test", PROMISE_DNS_IPV4), "[127.0.0.1:0]");
    promise_dns_close(both);
    nameserver_close(refuses);
    close_dns();
}
END_TEST

/* ---- what needs no server ---- */

static const char hosts[] = "# a comment\n"
                            "192.0.2.7\tseven.test seven # seven.none\n"
                            "fd00::7 seven.test\n"
                            "not-an-address bad.test\n"
                            "192.0.2.8 eight.test Seven.TEST\r\n"
                            "   192.0.2.9   nine.test";

START_TEST(the_hosts_file) {
    promise_dns_t *plain;

    open_dns(0);
    plain = dns;
    dns = new_dns(temporary_file(hosts));
    is(any("seven.test"), "[[fd00::7]:0,192.0.2.7:0,192.0.2.8:0]");
    is(four("SEVEN.test."), "[192.0.2.7:0,192.0.2.8:0]");
    is(six("seven.test"), "[[fd00::7]:0]");
    is(six("nine.test"), "!dns2"); /* it has the name: nobody is asked */
    is(four("nine.test"), "[192.0.2.9:0]");
    is(reverse("192.0.2.8"), "eight.test");
    is(reverse("fd00::7"), "seven.test");
    ck_assert_str_eq(nameserver_asked(ns, 0), "");
    is(four("bad.test"), "!dns1");
    is(four("seven.none"), "!dns1");
    is(reverse("192.0.2.10"), "!dns1");
    ck_assert_str_eq(nameserver_asked(ns, 3), "A:bad.test A:seven.none PTR:10.2.0.192.in-addr.arpa");
    promise_dns_close(dns);
    dns = new_dns("/nonexistent/hosts");
    is(four("seven.test"), "!dns1");
    promise_dns_close(dns);
    dns = plain;
    close_dns();
}
END_TEST

START_TEST(numeric_hosts_and_localhost_are_not_asked_for) {
    open_dns(_i);
    is(any("127.0.0.1"), "[127.0.0.1:0]");
    is(four("127.0.0.1"), "[127.0.0.1:0]");
    is(six("127.0.0.1"), "!dns2");
    is(any("::1"), "[[::1]:0]");
    is(any("[::1]"), "[[::1]:0]");
    is(four("::1"), "!dns2");
    is(any("localhost"), "[[::1]:0,127.0.0.1:0]");
    is(four("LocalHost."), "[127.0.0.1:0]");
    is(six("www.localhost"), "[[::1]:0]");
    ck_assert_str_eq(nameserver_asked(ns, 0), "");
    is(any("notlocalhost"), "!dns1");
    nameserver_asked(ns, 2);
    close_dns();
}
END_TEST

static promise_value_t count(promise_value_t v, void *arg) {
    ++*(int *)arg;
    return v;
}

START_TEST(A2_2_4_what_is_known_comes_from_the_drain_too) {
    static const char *const known[] = {"127.0.0.1", "localhost", "seven.test", "a..b"};
    struct promise_address address;
    promise_dns_t *plain;
    int calls = 0;

    open_dns(0);
    plain = dns;
    dns = new_dns(temporary_file(hosts));
    for (size_t i = 0; i < 4; i++) promise_unref(promise_then_catch(any(known[i]), count, count, &calls));
    promise_address_parse(&address, "192.0.2.8", 0);
    promise_unref(promise_then(promise_dns_reverse(dns, &address), count, &calls));
    ck_assert_int_eq(calls, 0);
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    ck_assert_int_eq(calls, 5);
    dns = plain;
    close_dns();
}
END_TEST

START_TEST(bad_input) {
    struct promise_address address;
    char label[80], name[300];

    open_dns(0);
    memset(label, 'a', sizeof label);
    label[64] = 0;
    memset(name, 'a', sizeof name);
    for (size_t i = 50; i < sizeof name; i += 50) name[i] = '.';
    name[254] = 0;
    is(any(NULL), "!errno22");
    is(promise_dns_lookup(dns, "host.test", (enum promise_dns_family)5), "!errno22");
    is(any(""), "!dns3");
    is(any("."), "!dns3");
    is(any(".host"), "!dns3");
    is(any("a..b"), "!dns3");
    is(any("host.."), "!dns3");
    is(any(label), "!dns3");
    is(any(name), "!dns3");
    label[63] = name[253] = 0;
    is(any(label), "!dns1");
    is(any(name), "!dns1");
    is(promise_dns_reverse(dns, NULL), "!errno22");
    memset(&address, 0, sizeof address);
    is(promise_dns_reverse(dns, &address), "!errno22");
    promise_address_unix(&address, "/run/x");
    is(promise_dns_reverse(dns, &address), "!errno22");
    promise_dns_close(NULL);
    close_dns();
}
END_TEST

static void lookup_null(void *arg) { promise_unref(promise_dns_lookup(arg, "host.test", PROMISE_DNS_ANY)); }
static void reverse_null(void *arg) { promise_unref(promise_dns_reverse(arg, NULL)); }

START_TEST(a_resolver_that_is_NULL_stops_the_program) {
    test_assert_stops(lookup_null, NULL, "promise_dns_lookup: dns is NULL");
    test_assert_stops(reverse_null, NULL, "promise_dns_reverse: dns is NULL");
}
END_TEST

/* ---- configuration ---- */

static promise_dns_t *with_conf(const char *format, const char *arg) {
    struct promise_dns_options options = {.no_system = true};
    char text[512];

    snprintf(text, sizeof text, format, arg);
    options.resolv_conf = temporary_file(text);
    return promise_dns_new(loop, &options);
}

START_TEST(the_search_list) {
    const char *servers[2] = {NULL};
    struct promise_dns_options options = {.nameservers = servers, .no_system = true, .timeout_ms = 60000};
    promise_dns_t *other;

    open_dns(0);
    servers[0] = nameserver_address(ns);
    options.resolv_conf = temporary_file("nameserver 192.0.2.1\nsearch one.test two.test\noptions ndots:1\n");
    other = promise_dns_new(loop, &options);
    nameserver_set(ns, "host.two.test", "A", "127.0.0.2");
    nameserver_set(ns, "a.b", "A", "127.0.0.3");
    is(promise_dns_lookup(other, "host", PROMISE_DNS_IPV4), "[127.0.0.2:0]");
    ck_assert_str_eq(nameserver_asked(ns, 2), "A:host.one.test A:host.two.test");
    is(promise_dns_lookup(other, "a.b", PROMISE_DNS_IPV4), "[127.0.0.3:0]");
    ck_assert_str_eq(nameserver_asked(ns, 3), "A:a.b");
    is(promise_dns_lookup(other, "host.", PROMISE_DNS_IPV4), "!dns1");
    ck_assert_str_eq(nameserver_asked(ns, 4), "A:host");
    is(promise_dns_lookup(other, "none", PROMISE_DNS_IPV4), "!dns1");
    ck_assert_str_eq(nameserver_asked(ns, 7), "A:none.one.test A:none.two.test A:none");
    close_dns();
}
END_TEST

START_TEST(resolv_conf_has_servers_and_options) {
    promise_dns_t *other;

    open_dns(0);
    nameserver_set(ns, "host.test", "A", "127.0.0.2");
    other = with_conf("nameserver %s\n", nameserver_address(ns));
    is(promise_dns_lookup(other, "host.test", PROMISE_DNS_IPV4), "[127.0.0.2:0]");
    nameserver_set(ns, "host.test", "A", "!silence");
    other = with_conf("nameserver %s\noptions timeout:0.002 attempts:2\n", nameserver_address(ns));
    ck_assert(strncmp(outcome(promise_dns_lookup(other, "host.test", PROMISE_DNS_IPV4)), "!dns", 4) == 0);
    nameserver_asked(ns, 3);
    close_dns();
}
END_TEST

START_TEST(it_is_read_again_when_nothing_was_asked) {
    struct promise_dns_options options = {.no_system = true, .resolv_conf = temporary_file("")};
    promise_dns_t *other;
    FILE *file;

    open_dns(0);
    nameserver_set(ns, "host.test", "A", "127.0.0.2");
    other = promise_dns_new(loop, &options);
    for (int i = 1; i <= 2; i++) {
        file = fopen(options.resolv_conf, "w");
        fprintf(file, "nameserver %s\noptions attempts:%d timeout:0.002\n", nameserver_address(ns), i);
        fclose(file);
        nameserver_set(ns, "silent.test", "A", "!silence");
        promise_unref(promise_catch(promise_dns_lookup(other, "silent.test", PROMISE_DNS_IPV4), see, "p"));
        ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    }
    ck_assert_str_eq(nameserver_asked(ns, 3), "A:silent.test A:silent.test A:silent.test"); /* once, and twice */
    close_dns();
}
END_TEST

START_TEST(wrong_options_reject) { /* O2 */
    const char *servers[] = {"127.0.0.1", "nonsense", NULL};
    struct promise_dns_options options = {.nameservers = servers, .no_system = true};
    promise_dns_t *other;

    open_dns(0);
    other = promise_dns_new(loop, &options);
    is(promise_dns_lookup(other, "host.test", PROMISE_DNS_ANY), "!errno22");
    ck_assert_str_eq(message(promise_dns_lookup(other, "127.0.0.1", PROMISE_DNS_ANY)),
                     "!promise_dns_new: name server \"nonsense\": Invalid argument");
    promise_dns_close(other);
    options = (struct promise_dns_options){.resolv_conf = "/nonexistent/resolv.conf", .no_system = true};
    other = promise_dns_new(loop, &options);
    is(promise_dns_lookup(other, "host.test", PROMISE_DNS_IPV4), "!errno2");
    is(promise_dns_lookup(other, "127.0.0.1", PROMISE_DNS_IPV4), "[127.0.0.1:0]");
    promise_dns_close(other);
    options = (struct promise_dns_options){.no_system = true};
    other = promise_dns_new(loop, &options);
    is(promise_dns_lookup(other, "host.test", PROMISE_DNS_ANY), "!dns11");
    close_dns();
}
END_TEST

START_TEST(out_of_descriptors) {
    struct rlimit limit, none;
    promise_t *p;

    open_dns(0);
    nameserver_set(ns, "host.test", "A", "127.0.0.1");
    getrlimit(RLIMIT_NOFILE, &limit);
    none = limit;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    p = four("host.test");
    setrlimit(RLIMIT_NOFILE, &limit);
    is(p, "!errno24");
    is(four("host.test"), "[127.0.0.1:0]");
    close_dns();
}
END_TEST

START_TEST(the_default_one_is_the_loops_own) {
    promise_dns_t *first;

    open_dns(_i);
    first = promise_dns_default(loop);
    ck_assert_ptr_eq(promise_dns_default(loop), first);
    is(promise_dns_lookup(first, "127.0.0.1", PROMISE_DNS_ANY), "[127.0.0.1:0]");
    ck_assert_str_eq(strstr(outcome(promise_dns_lookup(first, "localhost", PROMISE_DNS_IPV4)), "127.0.0.1:0]"), "127.0.0.1:0]");
    close_dns();
}
END_TEST

START_TEST(without_an_event_base) {
    struct fakehost fake;
    promise_loop_t *other = fakehost_open(&fake);
    promise_dns_t *plain = promise_dns_new(other, NULL);

    expect_on(&fake, promise_dns_lookup(plain, "host.test", PROMISE_DNS_ANY), "!errno38");
    expect_on(&fake, promise_dns_lookup(promise_dns_default(other), "host.test", PROMISE_DNS_ANY), "!errno38");
    promise_dns_close(plain);
    fakehost_close(&fake);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("dns");
    TCase *t = tcase_create("dns");

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, R20_all_addresses_IPv6_first, 0, 2);
    tcase_add_test(t, R20_as_many_as_fit);
    tcase_add_test(t, aliases_are_followed);
    tcase_add_test(t, one_family_is_enough);
    tcase_add_test(t, of_two_errors_the_one_that_says_more);
    tcase_add_test(t, reverse_names);
    tcase_add_loop_test(t, each_fault_has_its_error, 0, sizeof faults / sizeof *faults);
    tcase_add_test(t, errors_name_the_host_and_have_words);
    tcase_add_loop_test(t, a_server_that_never_answers, 0, 2);
    tcase_add_test(t, R24_a_timeout_is_counted_from_the_call);
    tcase_add_test(t, the_next_server_is_asked);
    tcase_add_test(t, the_hosts_file);
    tcase_add_loop_test(t, numeric_hosts_and_localhost_are_not_asked_for, 0, 2);
    tcase_add_test(t, A2_2_4_what_is_known_comes_from_the_drain_too);
    tcase_add_test(t, bad_input);
    tcase_add_test(t, a_resolver_that_is_NULL_stops_the_program);
    tcase_add_test(t, the_search_list);
    tcase_add_test(t, resolv_conf_has_servers_and_options);
    tcase_add_test(t, it_is_read_again_when_nothing_was_asked);
    tcase_add_test(t, wrong_options_reject);
    tcase_add_test(t, out_of_descriptors);
    tcase_add_loop_test(t, the_default_one_is_the_loops_own, 0, 2);
    tcase_add_test(t, without_an_event_base);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
