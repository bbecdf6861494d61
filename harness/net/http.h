// SPDX-License-Identifier: Apache-2.0
// http.h - the one place that opens sockets to the outside: HTTP/1.1 and HTTP/2 by libcurl, any
// number of requests at once on one thread, over connections that are kept.
//
// An engine belongs to one thread; only as_http_wake may be called from others. Proxies come from
// the environment (http_proxy, https_proxy, NO_PROXY). Certificates are verified, always.
// Redirects are followed within the origin (at most 5); to another host only for a GET without
// body, and without the headers that are marked secret and those of `auth`. HTTP knows nothing of
// models: retries, limits and parsing are the business of others.
#ifndef AS_HTTP_H
#define AS_HTTP_H

#include "harness/net/auth.h"

// From now on no engine opens a socket: every request ends with AS_HTTP_OFFLINE. Process-wide.
void as_http_go_offline(void);

typedef enum as_http_end {
    AS_HTTP_DONE,      // a whole response, whatever its status
    AS_HTTP_REFUSED,   // nothing was reached: refused, unreachable, no such host
    AS_HTTP_BROKEN,    // the connection ended before the response did, or it was no HTTP
    AS_HTTP_TIMEOUT,   // one of the limits below
    AS_HTTP_TOO_LARGE, // more than body_max bytes, after decompression
    AS_HTTP_TLS,       // the certificate is not trusted, or TLS did not come about
    AS_HTTP_REDIRECT,  // sent to another host, or in circles
    AS_HTTP_INVALID,   // no URL that can be asked
    AS_HTTP_OFFLINE,
    AS_HTTP_DENIED, // the host is not on the list (allow.h), or there is no token for it (auth.h)
    AS_HTTP_CANCELLED,
} as_http_end;

typedef struct as_http_header {
    as_str name, value;
    bool secret; // not sent to another host
} as_http_header;

typedef struct as_http_limits {
    uint64_t connect_ms, first_byte_ms, total_ms; // 0: no limit of its own
    uint64_t stall_ms;                            // without a byte on the way; whole seconds
    size_t body_max;                              // bytes; 0: 8 MiB
} as_http_limits;

typedef struct as_http_reply as_http_reply;

typedef struct as_http_request {
    as_str method, url;
    const as_http_header *headers;
    size_t header_count;
    as_str body; // sent when its ptr is not NULL
    as_http_limits limits;
    as_auth *auth; // NULL: none
    // Called with each piece of the body as it comes, if not NULL; the reply has the status.
    void (*on_piece)(void *context, const as_http_reply *reply, as_str piece);
    void *context;
    bool keep_headers; // the reply has them
    // The body is for on_piece alone: it is not kept, not limited, and comes as it is stored.
    bool streamed;
} as_http_request; // the bytes behind it live until the reply is handed out

// Filled in while the response comes; handed out once by as_http_next.
struct as_http_reply {
    void *context;
    as_http_end end;
    char error[256];                                  // one sentence when end is not DONE
    int status;                                       // 0 until there is one
    as_buf body;                                      // decompressed
    as_buf retry_after, date, content_type, location; // response headers
    as_buf headers;                                   // all of them, "Name: value\n"
    uint64_t start_ns, first_byte_ns, end_ns;         // as_clock_ns; first_byte 0: none came
    unsigned http_version;                            // 10, 11, 20
    bool reused;                                      // sent over a connection that was open
};

typedef struct as_http as_http;

typedef struct as_http_options {
    size_t connections_max; // kept open; 0: 1024
    const char *ca_file;    // PEM, instead of the system's; NULL: the system's
} as_http_options;

as_rc as_http_new(const as_http_options *options, as_http **out, as_err *err) AS_MUST_USE;
void as_http_start(as_http *http, const as_http_request *request);
size_t as_http_under_way(const as_http *http); // started and not yet handed out

// Moves bytes until a reply is ready, `wait_ns` are over, or somebody woke it: NULL then.
as_http_reply *as_http_next(as_http *http, uint64_t wait_ns);
void as_http_release(as_http *http, as_http_reply *reply); // each, before as_http_free

void as_http_wake(as_http *http);
void as_http_cancel(as_http *http); // ends all that is under way: AS_HTTP_CANCELLED
void as_http_free(as_http *http);

#endif
