// SPDX-License-Identifier: Apache-2.0
// httpd.h - HTTP for `assay serve`, by libmicrohttpd: the sockets, the limits, the headers that no
// answer goes without. What is answered is the handler's business.
//
// The handler runs on one of a few threads, several at once. Requests hold at most
// AS_HTTPD_BODY_MAX bytes of body and stand in AS_HTTPD_CONNECTIONS_MAX connections; a connection
// that says nothing for AS_HTTPD_IDLE_S seconds is closed.
#ifndef AS_HTTPD_H
#define AS_HTTPD_H

#include "harness/base/str.h"

enum {
    AS_HTTPD_BODY_MAX = 64 * 1024,
    AS_HTTPD_CONNECTIONS_MAX = 256,
    AS_HTTPD_IDLE_S = 30,
    AS_HTTPD_THREADS = 4,
    AS_HTTPD_DRAIN_S = 10, // how long a stop waits for answers under way
};

typedef struct as_http_request {
    bool post;                 // else GET or HEAD: the handler sees no other method
    as_str path;               // as sent, not decoded: "/suites/a%20b"
    as_str host, bearer, body; // bearer: the token of Authorization, empty without one
    bool loopback;             // the server is bound to a loopback address
    void *connection;
} as_http_request;

// A query parameter, decoded, in the arena; empty without one.
as_str as_http_query(const as_http_request *request, as_arena *arena, const char *name);

// %XX decoded; what is no such triple stays. In the arena.
as_str as_http_decode(as_arena *arena, as_str text);

typedef struct as_http_answer {
    unsigned status;
    const char *type; // Content-Type
    as_buf policy;    // Content-Security-Policy
    as_buf body;
} as_http_answer;

typedef void as_http_handler(void *context, const as_http_request *request, as_http_answer *answer);

typedef struct as_httpd as_httpd;

// `listen`: "PORT", "ADDRESS:PORT" or "[ADDRESS]:PORT"; port 0 takes a free one. AS_INVALID when it
// is no address or cannot be bound.
as_rc as_httpd_start(as_str listen, as_http_handler *handler, void *context, as_httpd **out,
                     as_err *err) AS_MUST_USE;

const char *as_httpd_url(const as_httpd *httpd); // "http://127.0.0.1:8417/"
bool as_httpd_is_loopback(const as_httpd *httpd);

// Takes no new connections, lets answers under way finish, then stops.
void as_httpd_stop(as_httpd *httpd);

#endif
