#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static const char help[] = "usage: linkcheck [OPTION]... DIR|URL\n"
                           "Finds the broken links of a web site: of the HTML files in the folder DIR, which\n"
                           "are served on the loopback interface meanwhile, or of the server at URL.\n"
                           "\n"
                           "  -j, --jobs=N          requests at a time (default 8)\n"
                           "  -t, --timeout=SECONDS time for a request, from connecting to the last byte (10)\n"
                           "  -m, --max-body=KIB    do not read answers that are larger (16384)\n"
                           "  -c, --ca=FILE         certificates to trust for https, instead of the system's\n"
                           "  -h, --help            show this\n"
                           "\n"
                           "Starting with DIR/index.html or URL, each page of the same site (scheme, host and\n"
                           "port) is fetched once, and the links in it are followed. Answers of other types\n"
                           "than text/html are fetched but not searched for links; neither are those above\n"
                           "the limit, which do not count as broken. What failed without an answer, or with a\n"
                           "status of 500 and above, is tried once more after 0.2 s. A redirect is followed\n"
                           "when it stays on the site, at most 5 in a row; one to another site is fine.\n"
                           "Links to other sites are counted only. #fragments are not checked.\n"
                           "\n"
                           "Writes a line for each broken link to standard output, sorted, with tabs between\n"
                           "the page, the link, and its status or error; a summary goes to standard error.\n"
                           "Exit status: 0 no link is broken, 1 some are, 2 it could not run (which includes\n"
                           "a start page that cannot be had).\n";

static int usage(const char *what, const char *value) {
    fprintf(stderr, "linkcheck: %s%s%s\nTry 'linkcheck --help'.\n", what, value ? ": " : "", value ? value : "");
    return EXIT_COULD_NOT_RUN;
}

/* A number above 0 and at most max, times scale; -1 for anything else. */
static long number(const char *text, double max, double scale) {
    char *end;
    errno = 0;
    double n = strtod(text, &end);
    if (errno || end == text || *end || !(n > 0 && n <= max)) return -1;
    return n * scale < 1 ? -1 : (long)(n * scale);
}

static int set_option(struct options *options, int option, const char *value) {
    long n;
    switch (option) {
    case 'j':
        if ((n = number(value, 1000, 1)) < 0) return usage("not a number from 1 to 1000", value);
        options->jobs = (unsigned)n;
        return -1;
    case 't':
        if ((n = number(value, 86400, 1000)) < 0) return usage("not a time from 0.001 to 86400 seconds", value);
        options->timeout_ms = (unsigned)n;
        return -1;
    case 'm':
        if ((n = number(value, 1 << 20, 1024)) < 0) return usage("not a size from 1 to 1048576 KiB", value);
        options->max_body = (size_t)n;
        return -1;
    case 'c':
        options->ca = value;
        return -1;
    case 'h':
        fputs(help, stdout);
        return 0;
    default: /* getopt has said what is wrong */
        fputs("Try 'linkcheck --help'.\n", stderr);
        return EXIT_COULD_NOT_RUN;
    }
}

int options_parse(struct options *options, int argc, char **argv) {
    static const struct option names[] = {{"jobs", required_argument, NULL, 'j'},
                                          {"timeout", required_argument, NULL, 't'},
                                          {"max-body", required_argument, NULL, 'm'},
                                          {"ca", required_argument, NULL, 'c'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    static char name[] = "linkcheck"; /* both programs speak as one, so that their outputs can be compared */
    int option, status;
    *options = (struct options){.jobs = 8, .timeout_ms = 10000, .max_body = (size_t)16 << 20};
    argv[0] = name;
    while ((option = getopt_long(argc, argv, "j:t:m:c:h", names, NULL)) != -1)
        if ((status = set_option(options, option, optarg)) >= 0) return status;
    if (argc - optind != 1) return usage("one folder or URL is needed", NULL);
    options->target = argv[optind];
    options->is_url = !strncasecmp(options->target, "http://", 7) || !strncasecmp(options->target, "https://", 8);
    return -1;
}
