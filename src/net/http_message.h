/*
 * HTTP/1.1 messages from the inside: what the client and the server share.
 *
 *     http_message.c  the message, and the functions of <promise/http.h>
 *     http_parse.c    a head, which is all there, becomes a message
 *     http_field.c    single headers: their characters, and those that frame a message
 *     http_head.c     a head from a stream
 *     http_body.c     the body from a stream, piece by piece
 *     http_response.c responses that are made here
 *     http_write.c    heads and bodies onto a stream
 *     http_error.c    words
 */
#ifndef PROMISE_NET_HTTP_MESSAGE_H
#define PROMISE_NET_HTTP_MESSAGE_H

#include <promise/http.h>
#include <promise/stream.h>

enum {
    HTTP_MAX_FIELDS = 256,        /* headers in a head */
    HTTP_MAX_CHUNK_LINE = 1024,   /* bytes in the line before a chunk, with its extensions */
    HTTP_MAX_TRAILERS = 16 << 10, /* bytes behind the last chunk */
    HTTP_PIECE = 64 << 10         /* bytes in a piece of a body, at most */
};

/* ---- fields ---- */

struct http_field {
    const char *name, *value; /* end in a NUL; in the message's block or among its texts */
    const char *joined;       /* in the first of several of a name: all their values; else NULL */
    uint32_t hash;            /* of the name in lower case */
    bool repeated;            /* not the first of its name */
};

uint32_t promise__http_hash(const char *name);
bool promise__http_is_token(const char *text, size_t size); /* RFC 9110, 5.6.2; none is not */
bool promise__http_is_value(const char *text, size_t size); /* RFC 9110, 5.5: no control characters but the tab */
/* Does a list such as "a, close" have this element, whatever the case? */
bool promise__http_list_has(const char *list, const char *element);
int promise__http_hex_digit(char c); /* 0 to 15, or -1 */
/* Digits alone: 0, or -1. Less than 2^63. */
int promise__http_number(const char *digits, uint64_t *number);
/* One line of a head, without its end: cuts it into name and value, which end in a NUL then. NULL, or what is wrong. */
const char *promise__http_parse_field(char *line, char *end, struct http_field *field);

/* ---- messages ---- */

/* How long a body is (RFC 9112, 6.3). */
enum http_framing_kind { HTTP_EMPTY, HTTP_LENGTH, HTTP_CHUNKED, HTTP_UNTIL_END };
struct http_framing {
    enum http_framing_kind kind;
    uint64_t size; /* of HTTP_LENGTH; never 0 in what the functions below give */
};

struct http_text { /* a text of its own that goes with the message */
    struct http_text *next;
    char data[];
};

struct http_message {
    size_t refs;
    promise_loop_t *loop; /* where it came; NULL: it was made here */
    int status;           /* 0 in a request */
    unsigned minor;       /* of HTTP/1.x: 0 or 1 */
    bool keep_alive;      /* may another message follow on the connection, as far as this one says? */
    bool taken;           /* the streamed body was asked for */
    bool has_length;      /* there was a Content-Length, for what that is worth: see promise__http_framing() */
    bool is_chunked;
    uint64_t length;
    const char *method, *target, *path, *query, *reason, *url; /* NULL where there is none */
    struct http_field *fields;
    size_t count, capacity; /* of fields, which are in the block of the message until they grow */
    struct http_text *texts;
    promise_value_t body;       /* kept: a whole body */
    struct http_reader *reader; /* or what gives it, of a message that came; owned */
    promise_iterator_t *stream; /* or that of one that was made; owned */
    uint64_t stream_size;       /* UINT64_MAX: not known */
    void *context;              /* whatever the client or server wants to find here; it goes with the message */
    void (*context_free)(void *context);
    struct http_field own_fields[]; /* and then, in one that came, the head and the path */
};

/* What is wrong with a head; status is how a server answers it, 0 (and what is NULL) when out of memory. */
struct http_fault {
    int status;
    const char *what;
};

/* Of a head without the empty line at its end (empty lines before a request are skipped). NULL: see fault. The message's
 * body is empty. loop is where streamed bodies will run. */
struct http_message *promise__http_parse_request(promise_loop_t *loop, const char *head, size_t size, struct http_fault *fault);
struct http_message *promise__http_parse_response(promise_loop_t *loop, const char *head, size_t size,
                                                  struct http_fault *fault);
/* The path of an URL's or request's target, decoded into path, which has room for size + 1 characters: 0, or -1 when it has
 * a NUL, a ".." step, or a broken escape. */
int promise__http_decode_path(const char *text, size_t size, char *path);

/* Of a message that came. request_method: of the request that a response is for; not looked at in a request. */
struct http_framing promise__http_framing(const struct http_message *message, const char *request_method);

/* Without any fields; room for so many of them, and extra bytes behind them. NULL when out of memory. */
struct http_message *promise__http_message_new(size_t fields, size_t extra);
struct http_message *promise__http_message_of(promise_value_t message);    /* lent */
promise_value_t promise__http_message_value(struct http_message *message); /* takes the reference over */
void promise__http_message_unref(struct http_message *message);
/* Copies; -1 when out of memory or not allowed. Does not ask about those that frame the message. */
int promise__http_message_add(struct http_message *message, const char *name, const char *value);
/* A copy of text that goes with the message, or NULL. */
const char *promise__http_message_text(struct http_message *message, const char *text, size_t size);
/* Joins the values of headers that came several times; -1 when out of memory. */
int promise__http_message_join(struct http_message *message);
/* The message's own streamed body (promise_http_response_stream), taken away from it; NULL when there is none. */
promise_iterator_t *promise__http_message_take_stream(struct http_message *message);

/* ---- the head of a message that comes ---- */

/* All lines of it, as bytes, without the empty one at the end; promise_end() when the stream ends before anything came;
 * otherwise PROMISE_HTTP_ETRUNCATED, or PROMISE_HTTP_ETOOLARGE over max bytes. The stream must live until it has settled. */
promise_t *promise__http_read_head(promise_stream_t *stream, size_t max);

/* ---- the body of a message that comes ---- */

struct http_reader;
/* Called once: when the body has been read to its end (whole), from the handler that saw the end; or when that failed, or
 * the reader is freed before. The stream is the caller's again. */
typedef void http_done_fn(bool whole, void *arg);

/* Reads a body from the stream, which it holds a reference to. Not for HTTP_EMPTY. NULL when out of memory: then done is not
 * called. */
struct http_reader *promise__http_reader_new(promise_stream_t *stream, struct http_framing framing, http_done_fn *done,
                                             void *arg);
/* Calls wanted(arg) whenever it begins to read from the stream: at first, and when that has brought something, again. */
void promise__http_reader_on_read(struct http_reader *reader, void (*wanted)(void *arg), void *arg);
/* NULL is fine. None of its promises may be pending. */
void promise__http_reader_free(struct http_reader *reader);
/* The next piece as bytes, or the end. One at a time; the reader must live until it has settled. A cancelled one loses
 * nothing (K6). */
promise_t *promise__http_reader_next(struct http_reader *reader);
/* All that is left, as bytes; PROMISE_HTTP_ETOOLARGE over max. Otherwise as next. */
promise_t *promise__http_reader_all(struct http_reader *reader, size_t max);
/* The same pieces from an iterator, to which the reader goes over. */
promise_iterator_t *promise__http_reader_chunks(struct http_reader *reader);
/* What a failed read of the stream means: PROMISE_HTTP_ETRUNCATED with v as its cause; but a cancel, or our own close of the
 * stream, as it is. what: "the response's body". To be returned from a handler that got v. */
promise_value_t promise__http_broken(promise_stream_t *stream, promise_value_t v, const char *what);

/* ---- what is sent ---- */

/* A text that grows. Whatever fails is remembered until it is taken. */
struct http_buffer {
    char *data;
    size_t size, capacity;
    const char *wrong; /* what cannot be sent */
    bool nomem;
    char first[1024];
};
void promise__http_buffer_init(struct http_buffer *buffer);
void promise__http_buffer_free(struct http_buffer *buffer);
void promise__http_put(struct http_buffer *buffer, const void *data, size_t size);
void promise__http_puts(struct http_buffer *buffer, const char *text);
void promise__http_putf(struct http_buffer *buffer, const char *format, ...) PROMISE_FORMAT(2, 3);
/* "Name: value\r\n", if they hold nothing that they must not. */
void promise__http_put_field(struct http_buffer *buffer, const char *name, const char *value);
/* "HTTP/1.1 200 OK\r\n" */
void promise__http_put_status(struct http_buffer *buffer, int status);
void promise__http_put_fields(struct http_buffer *buffer, const struct http_message *message);
/* Content-Length or Transfer-Encoding; nothing for HTTP_UNTIL_END, "Content-Length: 0" for HTTP_EMPTY. */
void promise__http_put_framing(struct http_buffer *buffer, struct http_framing framing);
/* What is in it, as bytes, or a rejection; it is empty then. */
promise_value_t promise__http_take(struct http_buffer *buffer);

/* Sends a head, which is taken from the buffer, and a whole body (a string, bytes, or void). Void as promise_stream_write(). */
promise_t *promise__http_send(promise_stream_t *stream, struct http_buffer *head, promise_value_t body);
/* Sends a head, and a body from an iterator, which is consumed, piece by piece as the stream takes it. Void when all was
 * written. A body that is longer or shorter than framing says is an EINVAL rejection, and so is an item that is no string or
 * bytes. what: "the response's body". */
promise_t *promise__http_send_stream(promise_stream_t *stream, struct http_buffer *head, promise_iterator_t *body,
                                     struct http_framing framing, const char *what);

/* ---- words ---- */

/* "Not Found"; "" for what is not known. */
const char *promise__http_reason(int status);

#endif
