/* HTTP's words: what statuses and errors are called. */
#include "http_message.h"

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    /* RFC 9110, section 15, and the others in use of IANA's register */
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {418, "I'm a teapot"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {511, "Network Authentication Required"},
};

const char *promise__http_reason(int status) {
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status) return reasons[i].reason;
    return "";
}

static const char *describe(int code) {
    switch (code) {
    case PROMISE_HTTP_EURL: return "not a URL of http or https";
    case PROMISE_HTTP_ERESOLVE: return "the host was not found";
    case PROMISE_HTTP_ECONNECT: return "no connection";
    case PROMISE_HTTP_ESECURE: return "no secure connection";
    case PROMISE_HTTP_ETIMEDOUT: return "timed out";
    case PROMISE_HTTP_EPROTOCOL: return "not HTTP/1";
    case PROMISE_HTTP_ETOOLARGE: return "too large";
    case PROMISE_HTTP_ETRUNCATED: return "the connection ended too early";
    case PROMISE_HTTP_EREDIRECT: return "redirected too often, or to nowhere";
    default: return code >= 100 && *promise__http_reason(code) ? promise__http_reason(code) : NULL;
    }
}

const struct promise_domain promise_http_errors = {"http", describe};
