/* The command line, the same for both programs. */
#ifndef LINKCHECK_OPTIONS_H
#define LINKCHECK_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum { EXIT_BROKEN = 1, EXIT_COULD_NOT_RUN = 2 };

/* What is fixed rather than an option: a link is tried this often, after this pause. */
enum { ATTEMPTS = 2, RETRY_DELAY_MS = 200, MAX_REDIRECTS = 5 };

struct options {
    const char *target;  /* a folder or a URL of http or https, as it was typed */
    bool is_url;         /* which of the two */
    unsigned jobs;       /* requests at a time */
    unsigned timeout_ms; /* for each request */
    size_t max_body;     /* in bytes */
    const char *ca;      /* a file of certificates to trust for https; NULL: the system's */
};

/* -1: go on; else the status to exit with (help, or a mistake that has been explained). */
int options_parse(struct options *options, int argc, char **argv);

#endif
