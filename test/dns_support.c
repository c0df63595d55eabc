#include "dns_support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct nameserver *ns;
promise_dns_t *dns;
static size_t descriptors;

enum { MOST_FILES = 8 };
static char files[MOST_FILES][32];
static size_t file_count;

static void no_log(int severity, const char *text) { (void)severity, (void)text; }

static void nothing_unhandled(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

promise_dns_t *new_dns(const char *hosts_file) {
    const char *servers[] = {nameserver_address(ns), NULL};
    struct promise_dns_options options = {
        .nameservers = servers, .hosts_file = hosts_file, .no_system = true, .timeout_ms = 60000};
    return promise_dns_new(loop, &options);
}

void open_dns(int callers) {
    event_set_log_callback(no_log); /* servers fail here on purpose */
    descriptors = open_descriptors();
    ns = nameserver_open();
    open_loop(callers);
    promise_loop_on_unhandled(loop, nothing_unhandled, NULL);
    dns = new_dns(NULL);
}

void free_the_loop(void) {
    promise_loop_free(loop);
    loop = NULL;
}

void close_dns(void) {
    if (loop) free_the_loop();
    ck_assert_uint_eq(test_alloc_live(), live);
    if (base) {
        ck_assert_int_eq(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_ACTIVE), 0);
        event_base_free(base);
    }
    nameserver_close(ns);
    while (file_count) unlink(files[--file_count]);
    ck_assert_uint_eq(open_descriptors(), descriptors);
}

const char *outcome(promise_t *p) {
    static char text[2048];
    promise_value_t v = {0};

    promise_loop_run(loop, p, &v);
    snprintf(text, sizeof text, "%s", shown(v));
    promise_value_clear(&v);
    return text;
}

const char *message(promise_t *p) {
    const char *text;

    trace_messages = true;
    text = outcome(p);
    trace_messages = false;
    return text;
}

const char *temporary_file(const char *text) {
    char *path = files[file_count];
    int fd;

    ck_assert_uint_lt(file_count++, MOST_FILES);
    strcpy(path, "/tmp/promise-test-XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

size_t open_descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    size_t n = 0;

    ck_assert_ptr_nonnull(folder);
    while (readdir(folder)) n++;
    closedir(folder);
    return n;
}
