/* What the user gets to see. */
#ifndef LINKCHECK_REPORT_H
#define LINKCHECK_REPORT_H

#include "crawl.h"

/* A line on standard error that is written over again and again, when that is a terminal. */
void report_progress(const struct crawl *crawl);

/* The broken links on standard output, the summary on standard error; returns the exit status. */
int report(struct crawl *crawl);

/* "linkcheck: what: why" on standard error; returns EXIT_COULD_NOT_RUN. */
int report_could_not_run(const char *what, const char *why);

#endif
