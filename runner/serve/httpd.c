// SPDX-License-Identifier: Apache-2.0
#include "runner/serve/httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "harness/base/clock.h"
#include "harness/base/load/library.h"
#include "harness/base/log.h"

enum { CONNECTION_MEMORY = 64 * 1024, ADDRESS_MAX = 64 };

// What is used of libmicrohttpd, which is taken in when it is first needed.
// clang-format off
#define USED(F) \
    F(add_response_header) F(create_response_from_buffer) F(destroy_response) \
    F(lookup_connection_value) F(queue_response) F(quiesce_daemon) F(start_daemon) \
    F(stop_daemon)
// clang-format on

static struct {
#define MEMBER(name) __typeof__(MHD_##name) *name;
    USED(MEMBER)
} mhd;

static const as_library_name mhd_names[] = {
#define NAME(name) {"MHD_" #name, &mhd.name},
    USED(NAME)};

static as_library libmicrohttpd = AS_LIBRARY("libmicrohttpd.so.12", mhd_names);

struct as_httpd {
    struct MHD_Daemon *daemon;
    as_http_handler *handler;
    void *context;
    atomic_int under_way; // answers not yet sent to their end
    bool loopback;
    char url[ADDRESS_MAX + 32];
};

// Of one request, from its first line to the end of its answer.
typedef struct exchange {
    as_buf body;
    bool too_large;
} exchange;

as_str as_http_decode(as_arena *arena, as_str text) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    char *out = as_arena_take(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *high = NULL, *low = NULL;
        if (text.ptr[i] == '%' && i + 2 < text.len && text.ptr[i + 1] && text.ptr[i + 2]) {
            high = strchr(digits, text.ptr[i + 1]);
            low = strchr(digits, text.ptr[i + 2]);
        }
        if (high && low) {
            out[len++] = (char)((high - digits) % 16 * 16 + (low - digits) % 16);
            i += 2;
        } else {
            out[len++] = text.ptr[i];
        }
    }
    return (as_str){out, len};
}

as_str as_http_query(const as_http_request *request, as_arena *arena, const char *name) {
    const char *value =
        mhd.lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
    return as_http_decode(arena, as_str_of(value));
}

// Paths and queries are decoded piece by piece, so that "%2F" in a name is no slash.
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text) {
    (void)context;
    (void)connection;
    return strlen(text);
}

static as_str header_of(struct MHD_Connection *connection, const char *name) {
    return as_str_of(mhd.lookup_connection_value(connection, MHD_HEADER_KIND, name));
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, const as_http_answer *a) {
    const char *const headers[][2] = {
        {"Content-Type", a->type},
        {"Content-Security-Policy", a->policy.ptr},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Cache-Control", "no-store"},
    };
    struct MHD_Response *response = mhd.create_response_from_buffer(
        a->body.len, a->body.ptr ? a->body.ptr : "", MHD_RESPMEM_MUST_COPY);
    if (!response) return MHD_NO;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (headers[i][1]) mhd.add_response_header(response, headers[i][0], headers[i][1]);
    if (a->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        mhd.add_response_header(response, "Allow", "GET, HEAD, POST");
    if (a->status == MHD_HTTP_UNAUTHORIZED)
        mhd.add_response_header(response, "WWW-Authenticate", "Bearer");
    enum MHD_Result result = mhd.queue_response(connection, a->status, response);
    mhd.destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status,
                              const char *text) {
    as_http_answer answer = {.status = status, .type = "text/plain; charset=utf-8"};
    as_buf_text(&answer.body, text);
    enum MHD_Result result = send_answer(connection, &answer);
    as_buf_free(&answer.body);
    return result;
}

static enum MHD_Result handle(as_httpd *h, struct MHD_Connection *connection, const char *url,
                              bool post, const exchange *x) {
    as_str bearer = header_of(connection, "Authorization");
    as_http_request request = {
        .post = post,
        .path = as_str_of(url),
        .host = header_of(connection, "Host"),
        .bearer = as_str_starts(bearer, AS_STR("Bearer ")) ? as_str_sub(bearer, 7, bearer.len)
                                                           : AS_STR(""),
        .body = as_buf_view(&x->body),
        .loopback = h->loopback,
        .connection = connection,
    };
    as_http_answer answer = {.status = 200, .type = "text/plain; charset=utf-8"};
    h->handler(h->context, &request, &answer);
    enum MHD_Result result = send_answer(connection, &answer);
    as_buf_free(&answer.body);
    as_buf_free(&answer.policy);
    return result;
}

// Called when the head of a request is there, for each part of its body, and at its end.
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state) {
    as_httpd *h = context;
    exchange *x = *state;
    (void)version;
    if (!x) {
        *state = as_mem_new(sizeof *x);
        atomic_fetch_add(&h->under_way, 1);
        return MHD_YES;
    }
    if (*upload_size) {
        x->too_large |= x->body.len + *upload_size > AS_HTTPD_BODY_MAX;
        if (!x->too_large) as_buf_add(&x->body, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    if (x->too_large)
        return refuse(connection, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large\n");
    bool post = strcmp(method, "POST") == 0;
    if (!post && strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET, HEAD and POST only\n");
    return handle(h, connection, url, post, x);
}

static void on_end(void *context, struct MHD_Connection *connection, void **state,
                   enum MHD_RequestTerminationCode code) {
    as_httpd *h = context;
    exchange *x = *state;
    (void)connection;
    (void)code;
    if (!x) return;
    as_buf_free(&x->body);
    free(x);
    *state = NULL;
    atomic_fetch_sub(&h->under_way, 1);
}

static void on_log(void *context, const char *format, va_list args) {
    (void)context;
    char line[512];
    vsnprintf(line, sizeof line, format, args);
    as_log_debug("http: %.*s", (int)strcspn(line, "\n"), line);
}

typedef struct endpoint {
    struct sockaddr_storage address;
    socklen_t size;
    bool v6, loopback;
    char text[ADDRESS_MAX];
} endpoint;

static as_rc parse_listen(as_str where, endpoint *out, as_err *err) {
    endpoint e = {0};
    size_t colon = where.len;
    while (colon > 0 && where.ptr[colon - 1] != ':') colon--;
    as_str host = colon ? as_str_sub(where, 0, colon - 1) : AS_STR("127.0.0.1");
    as_str digits = as_str_sub(where, colon, where.len);
    int64_t port;
    bool bracketed = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (bracketed) host = as_str_sub(host, 1, host.len - 1);
    if (as_str_is(host, "localhost")) host = AS_STR("127.0.0.1");
    bool fits =
        host.len < sizeof e.text && as_str_to_i64(digits, &port) && port >= 0 && port <= 65535;
    if (fits) memcpy(e.text, host.ptr, host.len);
    struct sockaddr_in *v4 = (struct sockaddr_in *)&e.address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&e.address;
    if (fits && !bracketed && inet_pton(AF_INET, e.text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        e.size = sizeof *v4;
        e.loopback = ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    } else if (fits && bracketed && inet_pton(AF_INET6, e.text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        e.size = sizeof *v6;
        e.v6 = true;
        e.loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    } else {
        return as_fail(err, AS_INVALID,
                       "--listen wants PORT, ADDRESS:PORT or [ADDRESS]:PORT, not '%.*s'",
                       AS_STR_ARG(where));
    }
    *out = e;
    return AS_OK;
}

// Bound here, so that the message can say why it cannot be.
static as_rc open_socket(const endpoint *e, as_str where, int *out, as_err *err) {
    int on = 1;
    int fd = socket(e->v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&e->address, e->size) ||
        listen(fd, SOMAXCONN)) {
        as_fail(err, AS_INVALID, "cannot listen on '%.*s': %s", AS_STR_ARG(where), strerror(errno));
        if (fd >= 0) close(fd);
        return AS_INVALID;
    }
    *out = fd;
    return AS_OK;
}

as_rc as_httpd_start(as_str where, as_http_handler *handler, void *context, as_httpd **out,
                     as_err *err) {
    endpoint e;
    int fd;
    as_rc rc = parse_listen(where, &e, err);
    if (!rc) rc = as_library_take(&libmicrohttpd, err);
    if (!rc) rc = open_socket(&e, where, &fd, err);
    if (rc) return rc;
    as_httpd *h = as_mem_new(sizeof *h);
    h->handler = handler;
    h->context = context;
    h->loopback = e.loopback;
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    getsockname(fd, (struct sockaddr *)&bound, &size);
    unsigned port = ntohs(e.v6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                               : ((struct sockaddr_in *)&bound)->sin_port);
    snprintf(h->url, sizeof h->url, e.v6 ? "http://[%s]:%u/" : "http://%s:%u/", e.text, port);
    h->daemon = mhd.start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO |
                                     MHD_USE_ERROR_LOG | (e.v6 ? MHD_USE_IPv6 : 0),
                                 0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_log,
                                 NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED,
                                 on_end, h, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
                                 MHD_OPTION_THREAD_POOL_SIZE, (unsigned)AS_HTTPD_THREADS,
                                 MHD_OPTION_CONNECTION_LIMIT, (unsigned)AS_HTTPD_CONNECTIONS_MAX,
                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)AS_HTTPD_IDLE_S,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
                                 MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (!h->daemon) {
        close(fd);
        free(h);
        return as_fail(err, AS_UNMEASURED, "cannot start the server on '%.*s'", AS_STR_ARG(where));
    }
    *out = h;
    return AS_OK;
}

const char *as_httpd_url(const as_httpd *httpd) {
    return httpd->url;
}

bool as_httpd_is_loopback(const as_httpd *httpd) {
    return httpd->loopback;
}

void as_httpd_stop(as_httpd *h) {
    int listening = mhd.quiesce_daemon(h->daemon);
    int64_t until = as_clock_wall_ms() + AS_HTTPD_DRAIN_S * 1000;
    while (atomic_load(&h->under_way) && as_clock_wall_ms() < until) usleep(20000);
    mhd.stop_daemon(h->daemon);
    if (listening >= 0) close(listening);
    free(h);
}
