/* The load, and the server beside it. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "net.h"

void net_fail(const char *what) {
    perror(what);
    exit(EXIT_FAILURE);
}

static double now(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* The server has one processor, the load another, where there are two. */
static void pin(int nth) {
    cpu_set_t all, one;
    int seen = 0, chosen = -1;

    if (sched_getaffinity(0, sizeof all, &all) < 0) return;
    for (int i = 0; i < CPU_SETSIZE && seen <= nth; i++)
        if (CPU_ISSET((size_t)i, &all)) chosen = i, seen++;
    if (chosen < 0) return;
    CPU_ZERO(&one);
    CPU_SET((size_t)chosen, &one);
    sched_setaffinity(0, sizeof one, &one);
}

static int listen_on(struct sockaddr_in *address) {
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)address, size) < 0 || listen(fd, SOMAXCONN) < 0) net_fail("listen");
    getsockname(fd, (struct sockaddr *)address, &size);
    return fd;
}

static pid_t start(net_server *server, int listener) {
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid < 0) net_fail("fork");
    if (pid > 0) return pid;
    pin(0);
    server(listener);
    _exit(EXIT_SUCCESS);
}

enum { IDLE = 4000 };

struct connection {
    int fd;
    size_t got;
};

static void ask(const struct net_load *load, struct connection *c) {
    static char any[1 << 20];
    const char *bytes = load->bytes ? load->bytes : any;

    c->got = 0;
    for (size_t sent = 0; sent < load->request;) {
        ssize_t n = write(c->fd, bytes + sent, load->request - sent);
        if (n < 0) net_fail("write");
        sent += (size_t)n;
    }
}

static void connect_all(const struct net_load *load, struct connection *all, int epoll, const struct sockaddr_in *address) {
    int one = 1;

    for (unsigned i = 0; i < load->connections; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = &all[i]};
        all[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (all[i].fd < 0 || connect(all[i].fd, (const struct sockaddr *)address, sizeof *address) < 0) net_fail("connect");
        setsockopt(all[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &e) < 0) net_fail("epoll_ctl");
    }
}

/* So many exchanges, each connection with one under way. */
static void exchange(const struct net_load *load, struct connection *all, int epoll, unsigned exchanges) {
    static char buffer[1 << 20];
    unsigned started = 0, done = 0;

    while (started < load->connections && started < exchanges) ask(load, &all[started++]);
    while (done < exchanges) {
        struct epoll_event events[64];
        int n = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            ssize_t got = read(c->fd, buffer, sizeof buffer);
            if (got <= 0) net_fail("read");
            c->got += (size_t)got;
            if (c->got < load->response) continue;
            done++;
            if (started < exchanges) {
                started++;
                ask(load, c);
            }
        }
    }
}

static double cpu_ns(const struct rusage *usage) {
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e9 +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1e3;
}

/* What the process has in its heap and the like, in bytes. */
static double data_of(pid_t pid) {
    char path[64], line[256];
    double kib = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    f = fopen(path, "r");
    if (!f) net_fail(path);
    while (fgets(line, sizeof line, f))
        if (!strncmp(line, "VmData:", 7)) kib = strtod(line + 7, NULL);
    fclose(f);
    return kib * 1024;
}

/* So many connections to a server that has nothing else to do, each served once. */
double net_idle_bytes(net_server *server, const struct net_load *load) {
    struct net_load idle = {IDLE, load->bytes ? load->request : 64, load->bytes ? load->response : 64, load->bytes, 0, false};
    struct connection *all = calloc(IDLE, sizeof *all);
    struct sockaddr_in address;
    int listener = listen_on(&address), epoll = epoll_create1(0);
    pid_t pid = start(server, listener);
    double before, after;

    if (!all || epoll < 0) net_fail("epoll");
    close(listener);
    idle.connections = 1; /* so that what is made once is there */
    connect_all(&idle, all, epoll, &address);
    exchange(&idle, all, epoll, 1);
    before = data_of(pid);
    idle.connections = IDLE - 1;
    connect_all(&idle, all + 1, epoll, &address);
    exchange(&idle, all + 1, epoll, IDLE - 1);
    after = data_of(pid);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    for (unsigned i = 0; i < IDLE; i++) close(all[i].fd);
    close(epoll);
    free(all);
    return (after - before) / (IDLE - 1);
}

/* What wrk counts in two seconds; 0 where there is no wrk. */
static double by_wrk(const struct net_load *load, const struct sockaddr_in *address) {
    char line[256];
    double per_second = 0;
    FILE *wrk;

    snprintf(line, sizeof line, "wrk -t 1 -c %u -d 2 http://127.0.0.1:%d/ 2>&1", load->connections, ntohs(address->sin_port));
    wrk = popen(line, "r");
    if (!wrk) net_fail("wrk");
    while (fgets(line, sizeof line, wrk)) {
        if (!strncmp(line, "Requests/sec:", 13)) per_second = strtod(line + 13, NULL);
        if (strstr(line, "Non-2xx") || strstr(line, "Socket errors")) net_fail(line);
    }
    pclose(wrk);
    return per_second;
}

static double by_ourselves(const struct net_load *load, struct connection *all, int epoll) {
    double began;

    exchange(load, all, epoll, load->exchanges / 10); /* warm */
    began = now();
    exchange(load, all, epoll, load->exchanges);
    return load->exchanges / ((now() - began) / 1e9);
}

void net_measure(net_server *server, const struct net_load *load, struct net_result *r) {
    struct connection *all = calloc(load->connections, sizeof *all);
    struct sockaddr_in address;
    int listener = listen_on(&address), epoll = epoll_create1(0);
    pid_t pid = start(server, listener);
    struct rusage usage;
    double exchanges = load->exchanges * 1.1;

    if (!all || epoll < 0) net_fail("epoll");
    close(listener);
    pin(1);
    connect_all(load, all, epoll, &address);
    r->per_second = load->wrk ? by_wrk(load, &address) : 0;
    if (r->per_second > 0) exchanges = r->per_second * 2;
    else r->per_second = by_ourselves(load, all, epoll);
    kill(pid, SIGKILL);
    if (wait4(pid, NULL, 0, &usage) < 0) net_fail("wait4");
    r->cpu_ns = cpu_ns(&usage) / exchanges;
    for (unsigned i = 0; i < load->connections; i++) close(all[i].fd);
    free(all);
    close(epoll);
}

void net_measure_client(net_client *client, const struct net_load *load, struct net_result *r) {
    struct sockaddr_in address;
    int listener = listen_on(&address), status;
    pid_t server = start(net_http_event, listener), pid;
    struct rusage usage;
    double began = now();

    close(listener);
    fflush(NULL);
    pid = fork();
    if (pid < 0) net_fail("fork");
    if (pid == 0) {
        pin(1);
        client(ntohs(address.sin_port), load->connections, load->exchanges);
        _exit(EXIT_SUCCESS);
    }
    if (wait4(pid, &status, 0, &usage) < 0 || status != 0) net_fail("client");
    *r = (struct net_result){load->exchanges / ((now() - began) / 1e9), cpu_ns(&usage) / load->exchanges};
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}
