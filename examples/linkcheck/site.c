#include "site.h"

#include "report.h"
#include "server.h"
#include "url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *fetch_describe(int code) {
    static const char *const texts[FETCH_MAX] = {
        [FETCH_HOST] = "cannot find the host",      [FETCH_CONNECT] = "cannot connect",
        [FETCH_SECURE] = "no secure connection",    [FETCH_TIMEOUT] = "timed out",
        [FETCH_CLOSED] = "connection closed early", [FETCH_MALFORMED] = "malformed answer",
        [FETCH_REDIRECTS] = "too many redirects"};
    return code > FETCH_OK && code < FETCH_MAX ? texts[code] : NULL;
}

bool fetch_may_recover(int code) { return code != FETCH_OK && (code < 100 || code >= 500); }

static enum url_kind set_start(struct site *site) {
    char own[32];
    const char *url = own;
    if (site->server) snprintf(own, sizeof own, "http://127.0.0.1:%u/", (unsigned)server_port(site->server));
    else url = site->options.target;
    return url_resolve(NULL, url, &site->start);
}

int site_open(struct site *site, const struct options *options, struct event_base *base) {
    const char *target = options->target;
    *site = (struct site){.options = *options};
    if (!options->is_url && !(site->server = server_new(base, target))) return report_could_not_run(target, strerror(errno));
    enum url_kind kind = set_start(site);
    if (kind == URL_HTTP) return -1;
    return report_could_not_run(target, kind == URL_NO_MEMORY ? strerror(ENOMEM) : "not a URL that can be checked");
}

void site_close(struct site *site) {
    server_free(site->server);
    free(site->start);
}

bool site_is_secure(const struct site *site) { return !strncmp(site->start, "https:", 6); }

const char *site_path(const struct site *site, const char *url) { return url + url_origin_length(site->start); }
