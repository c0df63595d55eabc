/*
 * What the other end, the network and the system can do to a program, each with the one outcome that comes out of the public
 * calls (R17, R18, R19, R21, R23): the table of docs/faults.md, but for TLS (test_faults_tls.c). The tests of each object have
 * the finer ones: test_http_faults.c, test_http_server_faults.c, test_listener_fault.c, test_dns.c.
 */
#include "faults.h"
#include "nameserver.h"
#include "working.h"

#include <fcntl.h>
#include <promise/connect.h>
#include <promise/connect_name.h>
#include <promise/datagram.h>
#include <promise/directory.h>
#include <promise/dns.h>
#include <promise/file.h>
#include <promise/listener.h>
#include <promise/pool.h>
#include <promise/process_pool.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define DNS(code)                                                                                                              \
    { &promise_dns_errors, PROMISE_DNS_##code, "PROMISE_DNS_" #code }
#define EXIT(code, name)                                                                                                       \
    { &promise_exit_errors, code, name }
#define STATUS(code)                                                                                                           \
    { &promise_http_errors, code, #code }

static promise_t *with(promise_stream_t *stream, promise_t *p) { return promise_attach(p, stream, promise_stream_unref); }

/* ---- connecting ---- */

static promise_t *connect_to_nobody(const struct fault *f) {
    struct promise_address address = nobody();
    (void)f;
    return promise_connect_address(loop, &address);
}

static promise_t *connect_to_nothing(const struct fault *f) {
    (void)f;
    return promise_connect_unix(loop, in_folder("nothing"));
}

static void close_fd(void *fd) { close((int)(intptr_t)fd); }

static int unix_socket(const char *path, struct promise_address *address) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    ck_assert_int_eq(promise_address_unix(address, path), 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address->storage, address->size), 0);
    return fd;
}

static promise_t *connect_to_left_behind(const struct fault *f) {
    struct promise_address address;

    (void)f;
    close(unix_socket(in_folder("left"), &address));
    return promise_connect_address(loop, &address);
}

static promise_t *connect_to_busy(const struct fault *f) {
    struct promise_address address;
    int fd = unix_socket(in_folder("busy"), &address);

    (void)f;
    ck_assert_int_eq(listen(fd, 0), 0);
    close_after_loop(close_fd, (void *)(intptr_t)fd);
    close_after_loop(close_fd, (void *)(intptr_t)peer_connect(&address)); /* the queue is full with it */
    return promise_timeout(promise_connect_address(loop, &address), 20);
}

static promise_t *connect_without_descriptors(const struct fault *f) {
    struct promise_address address;

    peer_listens(f, &address);
    use_up_descriptors();
    return promise_connect_address(loop, &address);
}

/* ---- streams ---- */

/* The peer hears a word first: what it does is not to come before we know that we are connected. */
static promise_stream_t *greeted(promise_value_t v) {
    promise_unref(promise_stream_write(promise_as_stream(v), promise_string("go")));
    return promise_as_stream(v);
}

static promise_value_t read_exactly(promise_value_t v, void *arg) {
    (void)arg;
    return promise_adopt(promise_stream_read_exactly(greeted(v), 10));
}
static promise_value_t read_line(promise_value_t v, void *arg) {
    (void)arg;
    return promise_adopt(promise_stream_read_line(greeted(v), 10));
}
static promise_value_t read_in_time(promise_value_t v, void *arg) {
    (void)arg;
    return promise_adopt(promise_timeout(promise_stream_read_line(greeted(v), 1000000), 20));
}

static promise_t *connected(const struct fault *f, promise_fn *fn) {
    struct promise_address address;

    peer_listens(f, &address);
    return promise_then(promise_connect_address(loop, &address), fn, NULL);
}
static promise_t *reading_exactly(const struct fault *f) { return connected(f, read_exactly); }
static promise_t *reading_a_line(const struct fault *f) { return connected(f, read_line); }
static promise_t *reading_in_time(const struct fault *f) { return connected(f, read_in_time); }

static promise_t *write_to(int fd) {
    promise_stream_t *stream = promise_stream_new(loop, fd);
    promise_t *written = promise_stream_write(stream, promise_string("who is there?"));

    return with(stream, promise_all_of(loop, written, promise_stream_drain(stream), NULL));
}

static promise_t *write_to_socket(const struct fault *f) {
    int ends[2];

    (void)f;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    close(ends[1]);
    return write_to(ends[0]);
}

static promise_t *write_to_pipe(const struct fault *f) {
    int ends[2];

    (void)f;
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    return write_to(ends[1]);
}

static promise_t *write_to_lazy(const struct fault *f) {
    static char much[1 << 20];
    promise_stream_t *stream;
    int ends[2];

    (void)f;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    close_after_loop(close_fd, (void *)(intptr_t)ends[1]);
    stream = promise_stream_new(loop, ends[0]);
    return with(stream, promise_timeout(promise_stream_write(stream, promise_bytes(much, sizeof much)), 20));
}

/* ---- listeners and datagrams ---- */

static promise_listener_t *listening(const struct promise_address *address) {
    promise_listener_t *listener =
        promise_listener_new_with(loop, address, &(struct promise_listener_options){.backoff_ms = 1});

    close_with_loop(promise_listener_close, listener);
    return listener;
}

static promise_t *accept_on_a_used_port(const struct fault *f) {
    struct promise_address address;

    peer_listens(f, &address);
    return promise_listener_accept(listening(&address));
}

static promise_value_t what_it_says(promise_value_t v, void *listener) {
    promise_value_t why = promise_listener_error(listener);

    (void)v;
    return promise_is_void(why) ? promise_adopt(promise_then(promise_sleep(NULL, 1), what_it_says, listener)) : why;
}

static promise_t *accept_without_descriptors(const struct fault *f) {
    struct promise_address address = local_address(0);
    promise_listener_t *listener = listening(&address);

    (void)f;
    ck_assert_int_eq(promise_listener_address(listener, &address), 0);
    close_after_loop(close_fd, (void *)(intptr_t)peer_connect(&address));
    use_up_descriptors();
    return promise_race_of(loop, promise_listener_accept(listener),
                           promise_then(promise_sleep(loop, 0), what_it_says, listener), NULL);
}

static promise_t *send_to_nobody(const struct fault *f) {
    struct promise_address address = nobody(), any = local_address(0);
    promise_udp_t *udp = promise_udp_new(loop, &any);

    (void)f;
    close_with_loop(promise_udp_close, udp);
    ck_assert_int_eq(promise_udp_connect(udp, &address), 0);
    promise_unref(promise_udp_send(udp, NULL, promise_string("who is there?")));
    return promise_udp_receive(udp, 100);
}

/* ---- names ---- */

static void close_nameserver(void *ns) { nameserver_close(ns); }

/* Its name server answers questions for host.test as the row says. */
static promise_dns_t *resolver_of(const struct fault *f) {
    struct nameserver *ns = nameserver_open();
    const char *servers[] = {nameserver_address(ns), NULL};
    const struct promise_dns_options options = {.nameservers = servers,
                                                .no_system = true,
                                                .timeout_ms = strcmp(f->options, "!silence") == 0 ? 20 : 60000,
                                                .attempts = 1};
    promise_dns_t *dns = promise_dns_new(loop, &options);

    nameserver_set(ns, "host.test", "A", f->options);
    nameserver_set(ns, "host.test", "AAAA", f->options);
    close_after_loop(close_nameserver, ns);
    close_with_loop(promise_dns_close, dns);
    return dns;
}

static promise_t *look_up(const struct fault *f) { return promise_dns_lookup(resolver_of(f), "host.test", PROMISE_DNS_ANY); }

static promise_t *look_up_nonsense(const struct fault *f) {
    return promise_dns_lookup(resolver_of(f), "host..test", PROMISE_DNS_ANY);
}

static promise_t *look_up_nowhere(const struct fault *f) {
    promise_dns_t *dns = promise_dns_new(loop, &(struct promise_dns_options){.no_system = true});

    (void)f;
    close_with_loop(promise_dns_close, dns);
    return promise_dns_lookup(dns, "host.test", PROMISE_DNS_ANY);
}

static promise_t *connect_by_name(const struct fault *f) {
    struct promise_address address = nobody();

    return promise_connect_with(loop, "host.test", promise_address_port(&address),
                                &(struct promise_connect_options){.dns = resolver_of(f)});
}

/* ---- the HTTP client ---- */

static promise_value_t whole_body(promise_value_t response, void *arg) {
    (void)arg;
    return promise_http_body(response);
}

static promise_t *ask(const struct fault *f) {
    struct promise_address address;

    peer_listens(f, &address);
    return promise_then(request(new_client(f->options), url_at("http", "127.0.0.1", &address)), whole_body, NULL);
}

static promise_value_t once_more(promise_value_t response, void *client) {
    return promise_adopt(request(client, promise_http_url(response)));
}

/* The peer takes one connection at a time: that the second request is answered shows that the first one has gone. */
static promise_t *ask_twice(const struct fault *f) {
    promise_http_client_t *client = new_client(NULL);
    struct promise_address address;

    peer_listens(f, &address);
    return promise_then(promise_then(request(client, url_at("http", "127.0.0.1", &address)), once_more, client), whole_body,
                        NULL);
}

static promise_value_t body_in_pieces(promise_value_t response, void *arg) {
    (void)arg;
    return promise_adopt(promise_http_read_body(response, 1000));
}

static promise_t *ask_for_a_stream(const struct fault *f) {
    struct promise_address address;

    peer_listens(f, &address);
    return promise_then(
        promise_http_client_request(
            new_client(NULL), &(struct promise_http_request){.url = url_at("http", "127.0.0.1", &address), .stream = true}),
        body_in_pieces, NULL);
}

static promise_t *get(const struct fault *f) {
    struct promise_address address;

    peer_listens(f, &address);
    return promise_http_get(loop, url_at("http", "127.0.0.1", &address));
}

static promise_t *ask_nobody(const struct fault *f) {
    struct promise_address address = nobody();
    return request(new_client(f->options), url_at("http", "127.0.0.1", &address));
}

static promise_t *ask_without_descriptors(const struct fault *f) {
    struct promise_address address;

    peer_listens(f, &address);
    use_up_descriptors();
    return request(new_client(NULL), url_at("http", "127.0.0.1", &address));
}

static promise_t *ask_by_name(const struct fault *f) {
    static struct promise_connect_options by; /* it must outlive the client */
    struct promise_address address = nobody();

    by = (struct promise_connect_options){.dns = resolver_of(f)};
    return request(new_client(&(struct promise_http_client_options){.connect = &by}), url_at("http", "host.test", &address));
}

static const struct promise_http_client_options quick_head = {.first_byte_ms = 30}, quick = {.total_ms = 30},
                                                small = {.max_header = 100, .max_body = 10}, few = {.max_redirects = 3};

/* ---- the HTTP server ---- */

static promise_resolver_t *seen;

/* What the handler sees is the outcome. */
static promise_value_t see(promise_value_t v, void *arg) {
    (void)arg;
    if (promise_is_rejection(v)) promise_reject(seen, v);
    else promise_resolve(seen, v);
    seen = NULL;
    return v;
}

static promise_value_t more(promise_value_t v, void *arg) {
    static char block[1 << 14];

    (void)v, (void)arg;
    return promise_bytes(block, sizeof block);
}

static void see_the_end(void *arg) {
    (void)arg;
    see(promise_string("the body was closed"), NULL);
}

static promise_value_t handler(promise_value_t r, void *arg) {
    const char *path = promise_http_path(r);

    (void)arg;
    if (strcmp(path, "/slow") == 0) return promise_adopt(promise_catch(promise_sleep(NULL, UINT32_MAX), see, NULL));
    if (strcmp(path, "/read") == 0) return promise_adopt(promise_catch(promise_http_read_body(r, 100), see, NULL));
    if (strcmp(path, "/fail") == 0) return promise_throw(&promise_errors, PROMISE_ECLOSED, "a secret");
    if (strcmp(path, "/endless") == 0)
        return promise_http_response_stream(200, promise_iterator_attach(promise_pull(NULL, more, NULL), &seen, see_the_end),
                                            UINT64_MAX);
    return promise_string("fine");
}

static const struct promise_http_server_options slow_head = {.header_ms = 40}, slow_body = {.body_ms = 40},
                                                gone = {.half_close_ms = 20};

static void let_go(void *arg) {
    (void)arg;
    if (seen) promise_abandon(seen);
    seen = NULL;
}

static promise_t *serve_with(const struct fault *f, bool stream) {
    struct promise_http_server_options options =
        f->options ? *(const struct promise_http_server_options *)f->options : (struct promise_http_server_options){0};
    struct promise_address address;
    promise_t *p, *told;

    options.max_header = 100;
    options.max_body = 10;
    options.stream = stream;
    new_server(handler, options, &address);

    told = peer_calls(f, &address);
    if (told) return told;
    p = promise_new(loop, &seen);
    close_after_loop(let_go, NULL);
    return p;
}
static promise_t *serve(const struct fault *f) { return serve_with(f, false); }
static promise_t *serve_streams(const struct fault *f) { return serve_with(f, true); }

/* ---- files ---- */

/* Threads go on when a loop goes: what they hold is gone when they are. */
static void end_threads(void *arg) {
    (void)arg;
    ck_assert_uint_eq(promise_pool_shutdown(UINT64_MAX), 0);
}

/* options: the path, in the folder of the case unless it begins with a slash. */
static const char *path_of(const struct fault *f) {
    const char *path = f->options;

    close_after_loop(end_threads, NULL);
    return *path == '/' ? path : in_folder(path);
}

static promise_t *read_file(const struct fault *f) { return promise_file_read(loop, path_of(f)); }
static promise_t *read_little(const struct fault *f) { return promise_file_read_max(loop, path_of(f), 10); }
static promise_t *write_file(const struct fault *f) { return promise_file_write(loop, path_of(f), promise_string("text")); }
static promise_t *list_folder(const struct fault *f) { return promise_directory_list(loop, path_of(f)); }

static promise_t *read_link_to_itself(const struct fault *f) {
    const char *path = path_of(f);

    ck_assert_int_eq(symlink("itself", path), 0);
    return promise_file_read(loop, path);
}

static promise_t *read_long_name(const struct fault *f) {
    char name[300];

    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    path_of(f);
    return promise_file_read(loop, name);
}

static promise_t *open_without_descriptors(const struct fault *f) {
    const char *path = path_of(f);

    /* the wake-up of the loop is there before */
    ck_assert_int_eq(promise_loop_run(loop, promise_file_read(loop, path), NULL), 0);
    use_up_descriptors();
    return promise_file_open(loop, path, O_RDONLY, 0);
}

static void unlimit_files(void *arg) {
    struct rlimit limit;

    (void)arg;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static promise_t *write_over_the_limit(const struct fault *f) {
    enum { LIMIT = 1 << 20 }; /* what the tests report goes into files too */
    const char *path = path_of(f);
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = LIMIT;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    close_after_loop(unlimit_files, NULL);
    return promise_file_write(loop, path, promise_bytes_take(calloc(1, LIMIT + 1), LIMIT + 1));
}

/* A thread that waits for a writer, if there is one, gets one. */
static void write_fifo(void *path) {
    while (promise_pool_running(promise_pool_for_files())) {
        int fd = open(path, O_WRONLY | O_NONBLOCK);
        if (fd >= 0) close(fd);
    }
}

static promise_t *read_quiet_fifo(const struct fault *f) {
    static char path[128];

    strcpy(path, path_of(f));
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    close_after_loop(write_fifo, path);
    return promise_timeout(promise_file_read(loop, path), 20);
}

static promise_value_t read_closed(promise_value_t v, void *arg) {
    (void)arg;
    promise_unref(promise_file_close(promise_as_file(v)));
    return promise_adopt(promise_file_read_at(promise_as_file(v), 0, 1));
}

static promise_value_t first_line(promise_value_t v, void *arg) {
    promise_iterator_t *lines = promise_file_lines(promise_as_file(v), 10);
    promise_t *p = promise_next(lines);

    (void)arg;
    return promise_adopt(promise_attach(p, lines, promise_iterator_close));
}

static promise_t *opened(const struct fault *f, promise_fn *fn) {
    return promise_then(promise_file_open(loop, path_of(f), O_RDONLY, 0), fn, NULL);
}
static promise_t *reading_closed(const struct fault *f) { return opened(f, read_closed); }
static promise_t *reading_lines(const struct fault *f) { return opened(f, first_line); }

/* ---- processes ---- */

struct job { /* for a worker; see working.h */
    const char *function, *bytes;
    struct promise_process_options options;
};

static promise_t *run_in_worker(const struct fault *f) {
    const struct job *job = f->options;
    struct promise_process_options options = job->options;
    promise_process_pool_t *workers;

    options.functions = working_functions;
    options.workers = 1;
    options.start = options.program ? PROMISE_PROCESS_EXEC : PROMISE_PROCESS_FORK;
    workers = promise_process_pool_new(loop, &options);
    close_with_loop(promise_process_pool_free, workers);
    return promise_process_run(workers, job->function, promise_string(job->bytes));
}

/* ---- the table ---- */

#define OK "HTTP/1.1 200 OK\r\n"
#define OK_LENGTH(size) OK "Content-Length: " size "\r\n\r\n"
#define OK_CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"
#define MOVED "HTTP/1.1 302 Found\r\nLocation: /\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
#define REQUEST HEARS("\r\n\r\n")
#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST(path, framing) "POST " path " HTTP/1.1\r\nHost: x\r\n" framing "\r\n"
#define FROM "GET http://127.0.0.1:*/: "
#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

static const struct fault faults[] = {
    SECTION("Connecting"),
    ROW("nobody listens", "`promise_connect_address()`", ERRNO(ECONNREFUSED), "connect 127.0.0.1:*: Connection refused",
        connect_to_nobody),
    ROW("there is no such Unix socket", "`promise_connect_unix()`", ERRNO(ENOENT),
        "connect unix:*/nothing: No such file or directory", connect_to_nothing),
    ROW("a Unix socket whose server is gone", "`promise_connect_address()`", ERRNO(ECONNREFUSED),
        "connect unix:*/left: Connection refused", connect_to_left_behind),
    ROW("the server takes no connections, its queue is full", "`promise_timeout()`", PROMISE(ETIMEDOUT),
        "timed out after 20 ms", connect_to_busy),
    ROW("out of file descriptors", "`promise_connect_address()`", ERRNO(EMFILE), "connect 127.0.0.1:*: Too many open files",
        connect_without_descriptors),

    SECTION("Streams"),
    ROW("the peer leaves in the middle", "`promise_stream_read_exactly()`", PROMISE(ECLOSED),
        "the stream ended after 5 of 10 bytes", reading_exactly, .peer = {HEARS("go"), SAYS("hello")}),
    ROW("the peer resets the connection", "`promise_stream_read_exactly()`", ERRNO(ECONNRESET),
        "read from the peer of 127.0.0.1:*: Connection reset by peer", reading_exactly,
        .peer = {HEARS("go"), SAYS("hello"), RESETS}),
    ROW("a line without an end", "`promise_stream_read_line()`", ERRNO(EMSGSIZE), "the line is longer than 10 bytes",
        reading_a_line, .peer = {HEARS("go"), SAYS(X100), STAYS}),
    ROW("the peer says nothing", "`promise_timeout()`", PROMISE(ETIMEDOUT), "timed out after 20 ms", reading_in_time,
        .peer = {HEARS("go"), STAYS}),
    ROW("slow loris: a byte at a time", "`promise_timeout()`", PROMISE(ETIMEDOUT), "timed out after 20 ms", reading_in_time,
        .peer = {HEARS("go"), DRIPS}),
    ROW("the peer does not read", "`promise_timeout()`", PROMISE(ETIMEDOUT), "timed out after 20 ms", write_to_lazy),
    ROW("SIGPIPE: the peer of a socket is gone", "`promise_stream_drain()`", ERRNO(EPIPE), "write to unix: Broken pipe",
        write_to_socket),
    ROW("SIGPIPE: the reader of a pipe is gone", "`promise_stream_drain()`", ERRNO(EPIPE),
        "write to the other end: Broken pipe", write_to_pipe),

    SECTION("Listeners and datagrams"),
    ROW("the port is in use", "`promise_listener_accept()`", ERRNO(EADDRINUSE), "listen on 127.0.0.1:*: Address already in use",
        accept_on_a_used_port),
    ROW("out of file descriptors: accept waits", "`promise_listener_error()`", ERRNO(EMFILE),
        "accept on 127.0.0.1:*: Too many open files", accept_without_descriptors),
    ROW("nobody receives what was sent", "`promise_udp_receive()`", ERRNO(ECONNREFUSED),
        "receive from 127.0.0.1:*: Connection refused", send_to_nobody),

    SECTION("Files"),
    ROW("there is no such file", "`promise_file_read()`", ERRNO(ENOENT), "open *nothing: No such file or directory", read_file,
        .options = "nothing"),
    ROW("it is a directory", "`promise_file_read()`", ERRNO(EISDIR), "read /dev: Is a directory", read_file, .options = "/dev"),
    ROW("it is a directory", "`promise_file_write()`", ERRNO(EISDIR), "open /dev: Is a directory", write_file,
        .options = "/dev"),
    ROW("it is no directory", "`promise_directory_list()`", ERRNO(ENOTDIR), "open /dev/null: Not a directory", list_folder,
        .options = "/dev/null"),
    ROW("a file in its path", "`promise_file_read()`", ERRNO(ENOTDIR), "open /dev/null/x: Not a directory", read_file,
        .options = "/dev/null/x"),
    ROW("a link that leads to itself", "`promise_file_read()`", ERRNO(ELOOP), "open *itself: Too many levels of symbolic links",
        read_link_to_itself, .options = "itself"),
    ROW("a name that is too long", "`promise_file_read()`", ERRNO(ENAMETOOLONG), "open xxx*xxx: File name too long",
        read_long_name, .options = ""),
    ROW("out of file descriptors", "`promise_file_open()`", ERRNO(EMFILE), "open /dev/null: Too many open files",
        open_without_descriptors, .options = "/dev/null"),
    ROW("the disk is full", "`promise_file_write()`", ERRNO(ENOSPC), "write /dev/full: No space left on device", write_file,
        .options = "/dev/full"),
    ROW("SIGXFSZ: over the system's limit on the size of files", "`promise_file_write()`", ERRNO(EFBIG),
        "write *large: File too large", write_over_the_limit, .options = "large"),
    ROW("it is larger than wanted, or has no end", "`promise_file_read_max()`", ERRNO(EFBIG),
        "read /dev/zero: more than 10 bytes: File too large", read_little, .options = "/dev/zero"),
    ROW("a line without an end", "`promise_file_lines()`", ERRNO(EMSGSIZE),
        "read /dev/zero: a line is longer than 10 bytes: Message too long", reading_lines, .options = "/dev/zero"),
    ROW("a FIFO that nobody writes", "`promise_timeout()`", PROMISE(ETIMEDOUT), "timed out after 20 ms", read_quiet_fifo,
        .options = "fifo"),
    ROW("it was closed before", "`promise_file_read_at()`", PROMISE(ECLOSED), "promise_file_read_at: the file is closed",
        reading_closed, .options = "/dev/null"),

    SECTION("Worker processes"),
    ROW("a function crashes", "`promise_process_run()`", EXIT(128 + SIGSEGV, "128 + SIGSEGV"),
        "process worker 1: killed by SIGSEGV while it ran die", run_in_worker, .options = &(const struct job){"die", "11", {0}}),
    ROW("it ends the process", "`promise_process_run()`", EXIT(3, "3"), "process worker 1: exit status 3 while it ran exit",
        run_in_worker, .options = &(const struct job){"exit", "3", {0}}),
    ROW("it hangs", "`promise_process_run()`", PROMISE(ETIMEDOUT), "process worker 1: hang timed out after 20 ms",
        run_in_worker, .options = &(const struct job){"hang", "", {.timeout_ms = 20}}),
    ROW("it writes to what is not its", "`promise_process_run()`", ERRNO(EPROTO),
        "process worker 1: what it sent as the result of garbage: Protocol error", run_in_worker,
        .options = &(const struct job){"garbage", "a line that was to go to a file, and is longer than a head", {0}}),
    ROW("its result is larger than wanted", "`promise_process_run()`", ERRNO(EMSGSIZE),
        "many: a result of 1000 bytes, at most 100: Message too long", run_in_worker,
        .options = &(const struct job){"many", "1000", {.max_size = 100}}),
    ROW("there is no such function", "`promise_process_run()`", ERRNO(ENOENT),
        "there is no function \"unknown\"*", run_in_worker,
        .options = &(const struct job){"unknown", "", {0}}),
    ROW("there is no such program", "`promise_process_run()`", ERRNO(ENOENT),
        "process: start /no/such/program: No such file or directory", run_in_worker,
        .options = &(const struct job){"echo", "", {.program = "/no/such/program"}}),

    SECTION("Names"),
    ROW("the name server never answers", "`promise_dns_lookup()`", DNS(ETIMEDOUT),
        "lookup host.test: no name server answered in time", look_up, .options = "!silence"),
    ROW("there is no such name", "`promise_dns_lookup()`", DNS(ENOTFOUND), "lookup host.test: there is no such name", look_up,
        .options = "!nxdomain"),
    ROW("the name has no address", "`promise_dns_lookup()`", DNS(ENODATA), "lookup host.test: it has no address of this family",
        look_up, .options = "!nodata"),
    ROW("no name can be like that", "`promise_dns_lookup()`", DNS(EBADNAME), "lookup host..test: that cannot be a name",
        look_up_nonsense, .options = "!nxdomain"),
    ROW("the name server fails", "`promise_dns_lookup()`", DNS(ESERVFAIL),
        "lookup host.test: the name servers could not find out", look_up, .options = "!servfail"),
    ROW("the name server refuses", "`promise_dns_lookup()`", DNS(EREFUSED),
        "lookup host.test: the name servers refuse to answer", look_up, .options = "!refused"),
    ROW("a malformed answer", "`promise_dns_lookup()`", DNS(EBADANSWER),
        "lookup host.test: the name server's answer cannot be understood", look_up, .options = "!short"),
    ROW("a truncated answer", "`promise_dns_lookup()`", DNS(ETRUNCATED),
        "lookup host.test: the answer is too large for a datagram", look_up, .options = "!truncated"),
    ROW("no name server is known", "`promise_dns_lookup()`", DNS(ENOSERVER), "lookup host.test: no name server is known",
        look_up_nowhere),
    ROW("the name server never answers", "`promise_connect()`", DNS(ETIMEDOUT),
        "lookup host.test: no name server answered in time", connect_by_name, .options = "!silence"),
    ROW("the host is there, but nobody listens", "`promise_connect()`", ERRNO(ECONNREFUSED),
        "connect 127.0.0.1:*: Connection refused", connect_by_name, .options = "127.0.0.1"),

    SECTION("The HTTP client"),
    ROW("nobody listens", "`promise_http_client_request()`", HTTP(ECONNECT), FROM "connect 127.0.0.1:*: Connection refused",
        ask_nobody, .cause = ERRNO(ECONNREFUSED)),
    ROW("the name server never answers", "`promise_http_client_request()`", HTTP(ERESOLVE),
        "GET http://host.test:*/: lookup host.test: no name server answered in time", ask_by_name, .cause = DNS(ETIMEDOUT),
        .options = "!silence"),
    ROW("there is no such host", "`promise_http_client_request()`", HTTP(ERESOLVE),
        "GET http://host.test:*/: lookup host.test: there is no such name", ask_by_name, .cause = DNS(ENOTFOUND),
        .options = "!nxdomain"),
    ROW("out of file descriptors", "`promise_http_client_request()`", HTTP(ECONNECT),
        FROM "connect 127.0.0.1:*: Too many open files", ask_without_descriptors, .cause = ERRNO(EMFILE)),
    ROW("the server leaves without a word", "`promise_http_client_request()`", HTTP(ETRUNCATED),
        FROM "the connection ended without a response", ask, .peer = {REQUEST}),
    ROW("the server resets the connection", "`promise_http_client_request()`", HTTP(ETRUNCATED),
        FROM "the connection broke before the end of the head: read from the peer of 127.0.0.1:*: Connection reset by peer",
        ask, .peer = {REQUEST, RESETS}, .cause = ERRNO(ECONNRESET)),
    ROW("a truncated head", "`promise_http_client_request()`", HTTP(ETRUNCATED),
        FROM "the connection ended before the end of the head", ask, .peer = {REQUEST, SAYS(OK "Content-Le")}),
    ROW("a reset in mid-body", "`promise_http_client_request()`", HTTP(ETRUNCATED),
        FROM "the connection broke before the end of the body: read from the peer of 127.0.0.1:*: Connection reset by peer",
        ask, .peer = {REQUEST, SAYS(OK_LENGTH("10") "hello"), RESETS}, .cause = ERRNO(ECONNRESET)),
    ROW("a body shorter than said", "`promise_http_client_request()`", HTTP(ETRUNCATED),
        FROM "the connection ended before the end of the body: the stream ended after 5 of 10 bytes", ask,
        .peer = {REQUEST, SAYS(OK_LENGTH("10") "hello")}),
    ROW("a body shorter than said, streamed", "`promise_http_read_body()`", HTTP(ETRUNCATED),
        "the connection ended before the end of the body", ask_for_a_stream, .peer = {REQUEST, SAYS(OK_LENGTH("10") "hello")}),
    ROW("a body without its last chunk", "`promise_http_client_request()`", HTTP(ETRUNCATED),
        FROM "the connection ended before the last chunk", ask, .peer = {REQUEST, SAYS(OK_CHUNKED "5\r\nhello\r\n")}),
    ROW("a body longer than said: the rest is no response to the next request", "`promise_http_client_request()`", FULFILLED,
        "hello", ask_twice, .peer = {REQUEST, SAYS(OK_LENGTH("5") "hello" OK_LENGTH("4") "more"), STAYS}),
    ROW("a chunk longer than said", "`promise_http_client_request()`", HTTP(EPROTOCOL),
        FROM "malformed body: a chunk that is longer than it says", ask,
        .peer = {REQUEST, SAYS(OK_CHUNKED "5\r\nhello, and more\r\n0\r\n\r\n"), STAYS}),
    ROW("a malformed body", "`promise_http_client_request()`", HTTP(EPROTOCOL), FROM "malformed body: a chunk without a size",
        ask, .peer = {REQUEST, SAYS(OK_CHUNKED "five\r\nhello"), STAYS}),
    ROW("a malformed head", "`promise_http_client_request()`", HTTP(EPROTOCOL),
        FROM "malformed response: several Content-Lengths", ask,
        .peer = {REQUEST, SAYS(OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"), STAYS}),
    ROW("it is no HTTP", "`promise_http_client_request()`", HTTP(EPROTOCOL), FROM "malformed response: no HTTP version", ask,
        .peer = {REQUEST, SAYS("220 mail.example ESMTP\r\n\r\n"), STAYS}),
    ROW("a head over the limit", "`promise_http_client_request()`", HTTP(ETOOLARGE),
        FROM "the head is over the limit: what comes before the delimiter is longer than 100 bytes", ask,
        .peer = {REQUEST, SAYS(OK "A: " X100 X100), STAYS}, .options = &small),
    ROW("a body over the limit", "`promise_http_client_request()`", HTTP(ETOOLARGE),
        FROM "the body is over the limit of 10 bytes", ask, .peer = {REQUEST, SAYS(OK_LENGTH("11")), STAYS}, .options = &small),
    ROW("no answer", "`promise_http_client_request()`", HTTP(ETIMEDOUT), FROM "no response within 30 ms", ask,
        .peer = {REQUEST, STAYS}, .options = &quick_head),
    ROW("slow loris: a head, a byte at a time", "`promise_http_client_request()`", HTTP(ETIMEDOUT),
        FROM "no response within 30 ms", ask, .peer = {REQUEST, SAYS(OK "A: "), DRIPS}, .options = &quick_head),
    ROW("slow loris: a body, a byte at a time", "`promise_http_client_request()`", HTTP(ETIMEDOUT),
        FROM "not done within 30 ms", ask, .peer = {REQUEST, SAYS(OK_LENGTH("1000000")), DRIPS}, .options = &quick),
    ROW("redirected for ever", "`promise_http_client_request()`", HTTP(EREDIRECT), FROM "redirected more than 3 times", ask,
        .peer = {REQUEST, SAYS(MOVED)}, .options = &few),
    ROW("a status of an error", "`promise_http_get()`", STATUS(404), FROM "404 Not Found", get,
        .peer = {REQUEST, SAYS("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")}),

    SECTION("The HTTP server"),
    ROW("a malformed request", "the client", ANSWERED, "HTTP/1.1 400 Bad Request", serve,
        .peer = {SAYS("GET / HTTP/1.1\r\n\r\n"), TELLS}),
    ROW("a truncated request", "the client", ANSWERED, "HTTP/1.1 400 Bad Request", serve,
        .peer = {SAYS("GET / HT"), ENDS, TELLS}),
    ROW("a body shorter than said", "the client", ANSWERED, "HTTP/1.1 400 Bad Request", serve,
        .peer = {SAYS(POST("/", "Content-Length: 3\r\n") "ab"), ENDS, TELLS}),
    ROW("a chunk longer than said", "the client", ANSWERED, "HTTP/1.1 400 Bad Request", serve,
        .peer = {SAYS(POST("/", "Transfer-Encoding: chunked\r\n") "1\r\nabc\r\n"), TELLS}),
    ROW("a head over the limit", "the client", ANSWERED, "HTTP/1.1 431 Request Header Fields Too Large", serve,
        .peer = {SAYS("GET / HTTP/1.1\r\nHost: x\r\nA: " X100 "\r\n\r\n"), TELLS}),
    ROW("a body over the limit", "the client", ANSWERED, "HTTP/1.1 413 Content Too Large", serve,
        .peer = {SAYS(POST("/", "Content-Length: 11\r\n")), TELLS}),
    ROW("slow loris: a head, a byte at a time", "the client", ANSWERED, "HTTP/1.1 408 Request Timeout", serve,
        .peer = {SAYS("GET / HTTP/1.1\r\nA: "), DRIPS, TELLS}, .options = &slow_head),
    ROW("a body that stops coming", "the client", ANSWERED, "HTTP/1.1 408 Request Timeout", serve,
        .peer = {SAYS(POST("/", "Content-Length: 3\r\n") "ab"), TELLS}, .options = &slow_body),
    ROW("the handler fails: not a word about why", "the client", ANSWERED, "HTTP/1.1 500 Internal Server Error", serve,
        .peer = {SAYS(GET("/fail")), TELLS}),
    ROW("the client leaves while the handler works", "the handler's promise", PROMISE(ECANCELED), "canceled", serve,
        .peer = {SAYS(GET("/slow"))}, .options = &gone),
    ROW("the client leaves in mid-response", "the iterator's `promise_iterator_attach()`", CALLED, "the body was closed", serve,
        .peer = {SAYS(GET("/endless")), HEARS("\r\n\r\n")}),
    ROW("the client resets in mid-response", "the iterator's `promise_iterator_attach()`", CALLED, "the body was closed", serve,
        .peer = {SAYS(GET("/endless")), HEARS("\r\n\r\n"), RESETS}),
    ROW("the client leaves in mid-request", "`promise_http_read_body()`", HTTP(ETRUNCATED),
        "the connection ended before the end of the body", serve_streams,
        .peer = {SAYS(POST("/read", "Content-Length: 3\r\n") "ab"), ENDS}),
    ROW("a malformed body", "`promise_http_read_body()`", HTTP(EPROTOCOL), "malformed body: a chunk without a size",
        serve_streams, .peer = {SAYS(POST("/read", "Transfer-Encoding: chunked\r\n") "two\r\n"), STAYS}),
};
enum { FAULTS = sizeof faults / sizeof *faults };

int main(int argc, char **argv) {
    if (faults_listed(argc, argv, faults, FAULTS)) return 0;
    return test_main(faults_suite("faults", faults, FAULTS));
}
