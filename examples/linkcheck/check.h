/* What the versions on libpromise share: from the command line to the exit status, and its HTTP client. */
#ifndef LINKCHECK_CHECK_H
#define LINKCHECK_CHECK_H

#include "crawl.h"

#include <promise.h>

struct check {
    struct site site;
    struct crawl *crawl;
    promise_http_client_t *client;
    void *tls;                /* the promise_tls_t of https; or NULL */
    unsigned running;         /* pages that are under way */
    promise_resolver_t *more; /* who waits for one of them to bring more pages; NULL: nobody */
};

/* The version's: all of the work, and the report. Gives the exit status. */
promise_t *check_site(promise_loop_t *loop, struct check *check);

/* A page is no longer under way. */
void check_page_done(struct check *check);
/* FETCH_... or a status; FETCH_OK for what says nothing about the page (out of memory, cancelled). */
int check_code_of(promise_value_t reason);

#endif
