/*
 * An HTTP server that misbehaves, for test/linkcheck.sh.
 *
 * Listens on a free port of 127.0.0.1 and writes it to standard output. Ends when its standard input does; then it writes
 * how often each path was asked for, and how many of the slow pages (/site/N) were asked for at a time at most.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PATHS = 256, DELAY_MS = 60 };

/* How to answer a path. */
struct answer {
    const char *path;
    const char *text;  /* what is sent; NULL: nothing, ever; "": nothing, and it closes */
    const char *first; /* what is sent the first time instead, if anything */
    int padding;       /* how many blanks to send after text */
    bool stays_open;   /* does not close after text */
    bool drips;        /* goes on with a byte now and then */
};

static const char NEVER[] = "never";

#define OK "HTTP/1.1 200 OK\r\nConnection: close\r\n"
#define HTML OK "Content-Type: text/html\r\n"
#define EMPTY HTML "Content-Length: 0\r\n\r\n"
#define REDIRECT(to) "HTTP/1.1 302 Found\r\nLocation: " to "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define ERROR "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define LINK(to) "<a href='" to "'>x</a>"

static const struct answer answers[] = {
    {.path = "/",
     .text = HTML "\r\n" LINK("never") LINK("drip") LINK("close") LINK("500") LINK("503") LINK("500-once")
         LINK("close-once") LINK("never-once") LINK("nonsense") LINK("half") LINK("badchunk") LINK("chunked")
             LINK("noheaders") LINK("r1") LINK("r3") LINK("loop") LINK("away") LINK("nowhere") LINK("to-404")
                 LINK("large") LINK("large-head") LINK("large-unknown") LINK("403") LINK("204") LINK("xhtml") LINK("plain")},
    {.path = "/never"},
    {.path = "/drip", .text = HTML "Content-Length: 3000\r\n\r\n", .stays_open = true, .drips = true},
    {.path = "/close", .text = ""},
    {.path = "/500", .text = ERROR},
    {.path = "/503", .text = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"},
    {.path = "/500-once", .text = HTML "\r\n" LINK("found-after-500"), .first = ERROR},
    {.path = "/close-once", .text = HTML "\r\n" LINK("found-after-close"), .first = ""},
    {.path = "/never-once", .text = HTML "\r\n" LINK("found-after-never"), .first = NEVER},
    {.path = "/nonsense", .text = "220 mail.example ESMTP\r\n\r\n"},
    {.path = "/half", .text = HTML "Content-Length: 1000\r\n\r\n<p>Half a"},
    {.path = "/badchunk", .text = HTML "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n"},
    {.path = "/chunked",
     .text = HTML "Transfer-Encoding: chunked\r\n\r\n9\r\n<a href='\r\n10\r\nfrom-chunk'>x</a\r\n1\r\n>\r\n0\r\n\r\n"},
    {.path = "/noheaders", .text = "HTTP/1.0 200 OK\r\n\r\n" LINK("not-html")},
    {.path = "/r1", .text = REDIRECT("/r2")},
    {.path = "/r2", .text = REDIRECT("r3")},
    {.path = "/r3", .text = REDIRECT("/r4")},
    {.path = "/r4", .text = REDIRECT("/r5")},
    {.path = "/r5", .text = REDIRECT("./r6#x")},
    {.path = "/r6", .text = REDIRECT("/r7")},
    {.path = "/r7", .text = HTML "\r\n" LINK("found-after-redirects")},
    {.path = "/loop", .text = REDIRECT("/loop")},
    {.path = "/away", .text = REDIRECT("http://elsewhere.example/")},
    {.path = "/nowhere", .text = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
    {.path = "/to-404", .text = REDIRECT("/404")},
    {.path = "/large", .text = HTML "Content-Length: 5000\r\n\r\n" LINK("in-large"), .stays_open = true},
    {.path = "/large-head", .text = OK "X: ", .padding = 70000, .stays_open = true},
    {.path = "/large-unknown", .text = HTML "\r\n" LINK("in-large"), .padding = 5000},
    {.path = "/403", .text = "HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
    {.path = "/204", .text = "HTTP/1.1 204 Nothing\r\nConnection: close\r\n\r\n"},
    {.path = "/xhtml", .text = OK "Content-Type: text/html5\r\n\r\n" LINK("not-html")},
    {.path = "/plain", .text = OK "Content-Type: TEXT/HTML;charset=utf-8\r\n\r\n" LINK("upper-case-type")},
    {.path = "/start-never"},
    {.path = "/start-close", .text = ""},
    {.path = "/start-503", .text = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"},
    {.path = "/start-away", .text = REDIRECT("http://elsewhere.example/")},
    {.path = "/start-once", .text = EMPTY, .first = ""},
};

struct client {
    struct bufferevent *bev;
    struct event *timer;
    const struct answer *answer;
    bool asked;
    bool counted; /* in n_open */
};

static struct {
    char *path;
    unsigned asked;
} seen[MAX_PATHS];
static unsigned n_seen, n_open, most_open;

static unsigned count_path(const char *path) {
    unsigned i = 0;
    while (i < n_seen && strcmp(seen[i].path, path) != 0) i++;
    if (i == MAX_PATHS) exit(1);
    if (i == n_seen && !(seen[n_seen++].path = strdup(path))) exit(1);
    return seen[i].asked++;
}

static void client_free(struct client *client) {
    if (client->counted) n_open--;
    bufferevent_free(client->bev);
    event_free(client->timer);
    free(client);
}

static void on_written(struct bufferevent *bev, void *arg) {
    (void)bev;
    client_free(arg);
}

static void on_event(struct bufferevent *bev, short what, void *arg) {
    (void)bev, (void)what;
    client_free(arg);
}

static void set_timer(struct client *client) {
    struct timeval delay = {.tv_usec = DELAY_MS * 1000};
    event_add(client->timer, &delay);
}

static void send_text(struct client *client, const char *text, bool close_after) {
    if (!text) return;
    if (!*text) {
        client_free(client);
        return;
    }
    evbuffer_add_printf(bufferevent_get_output(client->bev), "%s%*s", text,
                        client->answer ? client->answer->padding : 0, "");
    if (close_after) bufferevent_setcb(client->bev, NULL, on_written, on_event, client);
}

/* /site/N is the start of a tree of pages that answer after a while; everything else that is not known does not exist. */
static void send_other(struct client *client, const char *path) {
    unsigned n = 0;
    if (sscanf(path, "/site/%u", &n) != 1) {
        send_text(client, "HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", true);
        return;
    }
    client->counted = true;
    if (++n_open > most_open) most_open = n_open;
    struct evbuffer *out = bufferevent_get_output(client->bev);
    evbuffer_add_printf(out, HTML "\r\n");
    if (n < 20)
        for (unsigned i = 1; i <= 3; i++) evbuffer_add_printf(out, "<a href=%u>x</a>", 3 * n + i);
    set_timer(client);
    bufferevent_disable(client->bev, EV_WRITE);
}

static void on_timer(evutil_socket_t fd, short what, void *arg) {
    struct client *client = arg;
    (void)fd, (void)what;
    if (client->answer && client->answer->drips) {
        bufferevent_write(client->bev, " ", 1);
        set_timer(client);
    } else {
        bufferevent_setcb(client->bev, NULL, on_written, on_event, client);
        bufferevent_enable(client->bev, EV_WRITE);
    }
}

static void answer_path(struct client *client, const char *path) {
    unsigned before = count_path(path);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        const struct answer *answer = &answers[i];
        if (strcmp(path, answer->path) != 0) continue;
        client->answer = answer;
        if (answer->drips) set_timer(client);
        if (before > 0 || !answer->first) send_text(client, answer->text, !answer->stays_open);
        else if (answer->first != NEVER) send_text(client, answer->first, true);
        return;
    }
    send_other(client, path);
}

static void on_request(struct bufferevent *bev, void *arg) {
    struct client *client = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    char path[256];
    if (client->asked || evbuffer_search(in, "\r\n\r\n", 4, NULL).pos < 0) return;
    char *line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF);
    if (!line || sscanf(line, "GET %255s", path) != 1) exit(1);
    free(line);
    client->asked = true;
    answer_path(client, path);
}

static void on_client(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int size, void *arg) {
    struct event_base *base = evconnlistener_get_base(listener);
    struct client *client = calloc(1, sizeof *client);
    (void)from, (void)size, (void)arg;
    if (!client || !(client->timer = evtimer_new(base, on_timer, client))) exit(1);
    if (!(client->bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE))) exit(1);
    bufferevent_setcb(client->bev, on_request, NULL, on_event, client);
    bufferevent_enable(client->bev, EV_READ | EV_WRITE);
}

static void on_input(evutil_socket_t fd, short what, void *base) {
    char byte;
    (void)what;
    if (read(fd, &byte, 1) <= 0) event_base_loopbreak(base);
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct event_config *config = event_config_new();
    signal(SIGPIPE, SIG_IGN);
    if (!config || event_config_require_features(config, EV_FEATURE_FDS) < 0)
        return 1; /* standard input may be a file */
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    if (!base) return 1;
    struct evconnlistener *listener =
        evconnlistener_new_bind(base, on_client, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, -1,
                                (struct sockaddr *)&address, sizeof address);
    struct event *input = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, base);
    if (!listener || !input || event_add(input, NULL) < 0) return 1;
    if (getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &size) < 0) return 1;
    printf("%u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    event_base_dispatch(base);
    qsort(seen, n_seen, sizeof *seen, compare);
    for (unsigned i = 0; i < n_seen; i++) printf("%s %u\n", seen[i].path, seen[i].asked);
    if (most_open) printf("at a time: %u\n", most_open);
    event_free(input);
    evconnlistener_free(listener);
    event_base_free(base);
    return 0;
}
