#include "nameserver.h"

#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_RECORDS = 64, MOST_HELD = 64, NAME = 256, PACKET = 4096, ASKED = 65536 };

struct record {
    char name[NAME], type[8], answer[1024];
};

struct question {
    struct sockaddr_in from;
    uint8_t packet[512]; /* as it came */
    size_t size, end;    /* of it; where the question ends */
    char name[NAME], type[8];
};

struct nameserver {
    int fd;
    char address[32];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t came;
    struct record records[MOST_RECORDS];
    struct question held[MOST_HELD];
    size_t record_count, held_count, asked_count;
    char asked[ASKED], told[ASKED];
};

static const struct {
    const char *name;
    int number;
} types[] = {{"A", 1}, {"CNAME", 5}, {"PTR", 12}, {"AAAA", 28}},
  rcodes[] = {{"!nodata", 0},  {"!formerr", 1}, {"!servfail", 2}, {"!nxdomain", 3},
              {"!notimpl", 4}, {"!refused", 5}, {"!rcode9", 9}};

/* ---- messages ---- */

static size_t put16(uint8_t *at, unsigned n) {
    at[0] = (uint8_t)(n >> 8);
    at[1] = (uint8_t)n;
    return 2;
}

static size_t put_name(uint8_t *at, const char *name) {
    uint8_t *start = at;

    while (*name) {
        size_t label = strcspn(name, ".");
        *at++ = (uint8_t)label;
        memcpy(at, name, label);
        at += label;
        name += label + (name[label] == '.');
    }
    *at++ = 0;
    return (size_t)(at - start);
}

/* A record about the name that was asked for. */
static size_t put_record(uint8_t *at, const char *type, const char *text) {
    uint8_t data[NAME];
    size_t size = 0, number = 0;

    while (strcmp(types[number].name, type) != 0) number++;
    if (strcmp(type, "A") == 0 && inet_pton(AF_INET, text, data) == 1) size = 4;
    else if (strcmp(type, "AAAA") == 0 && inet_pton(AF_INET6, text, data) == 1) size = 16;
    else size = put_name(data, text);
    put16(at, 0xC00C);
    put16(at + 2, (unsigned)types[number].number);
    put16(at + 4, 1);
    memset(at + 6, 0, 4);
    put16(at + 10, (unsigned)size);
    memcpy(at + 12, data, size);
    return 12 + size;
}

/* The answer, as it is sent; its size, 0 for silence. */
static size_t write_answer(const struct question *q, const char *answer, uint8_t *out) {
    char text[sizeof((struct record *)0)->answer], *rest = NULL, *word;
    size_t size = q->end;
    unsigned count = 0, flags = 0x8180;

    memcpy(out, q->packet, q->end);
    if (strcmp(answer, "!silence") == 0) return 0;
    if (strcmp(answer, "!garbage") == 0) return (size_t)snprintf((char *)out + 2, PACKET - 2, "this is no answer") + 2;
    if (strcmp(answer, "!truncated") == 0) flags |= 0x0200;
    if (strcmp(answer, "!other") == 0) out[13] = 'x'; /* the first letter of the name */
    for (size_t i = 0; i < sizeof rcodes / sizeof *rcodes; i++)
        if (strcmp(answer, rcodes[i].name) == 0) flags |= (unsigned)rcodes[i].number;
    put16(out + 2, flags);
    memset(out + 6, 0, 6);
    if (strcmp(answer, "!short") == 0) {
        put16(out + 6, 1);
        return size + put_record(out + size, q->type, "127.0.0.1") - 2;
    }
    snprintf(text, sizeof text, "%s", answer);
    for (word = strtok_r(text, " ", &rest); word && *word != '!'; word = strtok_r(NULL, " ", &rest), count++) {
        bool alias = strncmp(word, "cname:", 6) == 0;
        size += put_record(out + size, alias ? "CNAME" : q->type, alias ? word + 6 : word);
    }
    put16(out + 6, count);
    return size;
}

/* Reads a question; false when it is none. */
static bool read_question(struct question *q) {
    size_t at = 12, out = 0;
    unsigned number;

    if (q->size < 17) return false;
    while (at < q->size && q->packet[at]) {
        size_t label = q->packet[at++];
        if (at + label + 5 > q->size || out + label + 2 > sizeof q->name) return false;
        if (out) q->name[out++] = '.';
        for (; label--; at++)
            q->name[out++] = (char)(q->packet[at] | (q->packet[at] >= 'A' && q->packet[at] <= 'Z' ? 0x20 : 0));
    }
    q->name[out] = 0;
    q->end = at + 5;
    if (q->end > q->size) return false;
    number = (unsigned)q->packet[at + 1] << 8 | q->packet[at + 2];
    snprintf(q->type, sizeof q->type, "%u", number);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].number == (int)number) snprintf(q->type, sizeof q->type, "%s", types[i].name);
    return true;
}

/* ---- the server ---- */

static void send_answer(const struct nameserver *ns, const struct question *q, const char *answer) {
    uint8_t out[PACKET];
    size_t size = write_answer(q, answer, out);

    if (size) sendto(ns->fd, out, size, 0, (const struct sockaddr *)&q->from, sizeof q->from);
}

static struct record *find(struct nameserver *ns, const char *name, const char *type) {
    for (size_t i = 0; i < ns->record_count; i++)
        if (strcasecmp(ns->records[i].name, name) == 0 && strcmp(ns->records[i].type, type) == 0) return &ns->records[i];
    return NULL;
}

static void answer_it(struct nameserver *ns, const struct question *q) {
    const struct record *record = find(ns, q->name, q->type);
    const char *answer = record ? record->answer : "!nxdomain";
    size_t length = strlen(ns->asked);

    snprintf(ns->asked + length, sizeof ns->asked - length, "%s%s:%s", length ? " " : "", q->type, q->name);
    ns->asked_count++;
    if (strncmp(answer, "hold ", 5) != 0) send_answer(ns, q, answer);
    else if (ns->held_count < MOST_HELD) ns->held[ns->held_count++] = *q;
    pthread_cond_broadcast(&ns->came);
}

static void *serve(void *arg) {
    struct nameserver *ns = arg;

    for (;;) {
        struct question q = {.size = 0};
        socklen_t size = sizeof q.from;
        ssize_t n = recvfrom(ns->fd, q.packet, sizeof q.packet, 0, (struct sockaddr *)&q.from, &size);
        if (n == 1) return NULL; /* nameserver_close() */
        q.size = n > 0 ? (size_t)n : 0;
        if (!read_question(&q)) continue;
        pthread_mutex_lock(&ns->lock);
        answer_it(ns, &q);
        pthread_mutex_unlock(&ns->lock);
    }
}

struct nameserver *nameserver_open(void) {
    struct nameserver *ns = calloc(1, sizeof *ns);
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof sin;

    ns->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(ns->fd, (struct sockaddr *)&sin, sizeof sin), 0);
    ck_assert_int_eq(getsockname(ns->fd, (struct sockaddr *)&sin, &size), 0);
    snprintf(ns->address, sizeof ns->address, "127.0.0.1:%u", (unsigned)ntohs(sin.sin_port));
    pthread_mutex_init(&ns->lock, NULL);
    pthread_cond_init(&ns->came, NULL);
    ck_assert_int_eq(pthread_create(&ns->thread, NULL, serve, ns), 0);
    return ns;
}

void nameserver_close(struct nameserver *ns) {
    struct sockaddr_in sin;
    socklen_t size = sizeof sin;

    getsockname(ns->fd, (struct sockaddr *)&sin, &size);
    ck_assert_int_eq(sendto(ns->fd, "", 1, 0, (struct sockaddr *)&sin, sizeof sin), 1);
    pthread_join(ns->thread, NULL);
    pthread_cond_destroy(&ns->came);
    pthread_mutex_destroy(&ns->lock);
    close(ns->fd);
    free(ns);
}

const char *nameserver_address(const struct nameserver *ns) { return ns->address; }

void nameserver_set(struct nameserver *ns, const char *name, const char *type, const char *answer) {
    struct record *record;

    pthread_mutex_lock(&ns->lock);
    record = find(ns, name, type);
    if (!record) {
        ck_assert_uint_lt(ns->record_count, MOST_RECORDS);
        record = &ns->records[ns->record_count++];
    }
    snprintf(record->name, sizeof record->name, "%s", name);
    snprintf(record->type, sizeof record->type, "%s", type);
    snprintf(record->answer, sizeof record->answer, "%s", answer);
    pthread_mutex_unlock(&ns->lock);
}

const char *nameserver_asked(struct nameserver *ns, size_t n) {
    pthread_mutex_lock(&ns->lock);
    while (ns->asked_count < n) pthread_cond_wait(&ns->came, &ns->lock);
    memcpy(ns->told, ns->asked, sizeof ns->told);
    *ns->asked = 0;
    pthread_mutex_unlock(&ns->lock);
    return ns->told;
}

void nameserver_release(struct nameserver *ns, const char *name, const char *type) {
    const struct record *record;
    size_t kept = 0;

    pthread_mutex_lock(&ns->lock);
    record = find(ns, name, type);
    for (size_t i = 0; i < ns->held_count; i++) {
        if (record && strcmp(ns->held[i].name, name) == 0 && strcmp(ns->held[i].type, type) == 0)
            send_answer(ns, &ns->held[i], record->answer + strlen("hold "));
        else ns->held[kept++] = ns->held[i];
    }
    ns->held_count = kept;
    pthread_mutex_unlock(&ns->lock);
}
