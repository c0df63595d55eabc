/*
 * The made-up hosts of the sketches, all on port 80 of 127.0.0.1, in a network namespace of their own: evhttp, which nobody here
 * wrote, and which knows what each host is to answer. Says so when it is ready, and serves until it is killed.
 */
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

static const struct page {
    const char *host, *uri, *sent; /* sent: the body that it wants, or NULL */
    int status;
    const char *body;
} pages[] = {
    {"api.example", "/login", "user=ann&password=secret", 200, "{\"token\": \"t0ken\"}"},
    {"api.example", "/profile?token=t0ken", NULL, 200, "{\"name\": \"Ann\", \"id\": \"17\"}"},
    {"api.example", "/orders?user=17", NULL, 200, "[{\"order\": 1}, {\"order\": 2}]\n"},
    {"files.example", "/one.txt", NULL, 200, "the first file\n"},
    {"files.example", "/two.txt", NULL, 200, "the second file\n"},
    {"mirror-a.example", "/dists/stable/Release", NULL, 503, ""},
    {"mirror-b.example", "/dists/stable/Release", NULL, 500, ""},
    {"archive.example", "/dists/stable/Release", NULL, 200, "Suite: stable\n"},
};

static bool is_asked_for(const struct page *page, struct evhttp_request *request) {
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    const char *host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");
    size_t size = page->sent ? strlen(page->sent) : 0;

    if (!host || strcmp(host, page->host) != 0 || strcmp(evhttp_request_get_uri(request), page->uri) != 0) return false;
    return evbuffer_get_length(body) == size && (!size || memcmp(evbuffer_pullup(body, -1), page->sent, size) == 0);
}

static void serve(struct evhttp_request *request, void *arg) {
    struct evbuffer *body = evbuffer_new();
    int status = 404;

    (void)arg;
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        if (!is_asked_for(&pages[i], request)) continue;
        status = pages[i].status;
        evbuffer_add(body, pages[i].body, strlen(pages[i].body));
        break;
    }
    evhttp_send_reply(request, status, NULL, body);
    evbuffer_free(body);
}

/* A new namespace has a loopback interface, but down. */
static int loopback_up(void) {
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), result;

    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0) return -1;
    request.ifr_flags |= IFF_UP;
    result = ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    return result;
}

int main(void) {
    struct event_base *base = event_base_new();
    struct evhttp *http = base ? evhttp_new(base) : NULL;

    if (!http || loopback_up() < 0 || evhttp_bind_socket(http, "127.0.0.1", 80) < 0) {
        perror("server");
        return EXIT_FAILURE;
    }
    evhttp_set_gencb(http, serve, NULL);
    puts("ready");
    fflush(stdout);
    event_base_dispatch(base);
    return EXIT_SUCCESS;
}
