/*
 * The sessions that a client may resume, by host and port. With TLS 1.3 they come after the handshake, several to a
 * connection, and each is used once (RFC 8446, appendix C.4); with TLS 1.2 one is used again and again.
 */
#include "tls.h"

#include <string.h>

#include <promise/memory.h>

enum { MOST = 256, MOST_OF_ONE = 4 };

static void forget(struct tls_session *s) {
    *s->link = s->next;
    if (s->next) s->next->link = s->link;
    SSL_SESSION_free(s->session);
    promise_memory_free(s);
}

void promise__tls_sessions_clear(promise_tls_t *tls) {
    while (tls->sessions) forget(tls->sessions);
}

static bool used_once(const SSL_SESSION *session) { return SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION; }

void promise__tls_session_resume(struct tls_connection *c) {
    struct tls_session *s, *next;

    for (s = c->tls->sessions; s; s = next) {
        bool fits = strcmp(s->name, c->name) == 0, usable = SSL_SESSION_is_resumable(s->session);
        next = s->next;
        if (fits && usable) SSL_set_session(c->ssl, s->session);
        if (!usable || (fits && used_once(s->session))) forget(s);
        if (fits && usable) return;
    }
}

/* Makes room for one more of that name; of those that are used again, one is enough. */
static void make_room(promise_tls_t *tls, const char *name, size_t most_of_one) {
    struct tls_session *s, *next;
    size_t of_one = 0, place = 0;

    for (s = tls->sessions; s; s = next) {
        next = s->next;
        if (++place >= MOST || (strcmp(s->name, name) == 0 && ++of_one >= most_of_one)) forget(s);
    }
}

bool promise__tls_session_keep(struct tls_connection *c, SSL_SESSION *session) {
    struct tls_session **first = &c->tls->sessions, *s;
    size_t size = strlen(c->name) + 1;

    if (!c->tls->sessions_on || !c->host || !SSL_SESSION_is_resumable(session)) return false;
    make_room(c->tls, c->name, used_once(session) ? MOST_OF_ONE : 1);
    s = promise_memory_alloc(sizeof *s + size);
    if (!s) return false; /* the next handshake is a whole one, no more */
    *s = (struct tls_session){.next = *first, .link = first, .session = session};
    memcpy(s->name, c->name, size);
    if (*first) (*first)->link = &s->next;
    *first = s;
    return true;
}
