// SPDX-License-Identifier: Apache-2.0
#include "harness/net/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/base/load/library.h"
#include "harness/net/allow.h"
#include "harness/net/url.h"

enum {
    HOPS_MAX = 5,
    EVENTS = 64,
    BODY_KEPT = 256 * 1024,
    BODY_LARGE = 64 * 1024,
    HEADERS_MAX = 64 * 1024
};
static const size_t BODY_MAX = 8 * 1024 * 1024;
static const uint64_t NEVER = UINT64_MAX, SWEEP_NS = 20000000, MS = 1000000;

// What is used of libcurl, which is taken in when it is first needed.
// clang-format off
#define USED(F) \
    F(easy_cleanup) F(easy_getinfo) F(easy_init) F(easy_reset) F(easy_setopt) F(easy_strerror) \
    F(global_init) F(multi_add_handle) F(multi_cleanup) F(multi_info_read) F(multi_init) \
    F(multi_remove_handle) F(multi_setopt) F(multi_socket_action) F(multi_strerror) \
    F(slist_append) F(slist_free_all) F(url) F(url_cleanup) F(url_set)
// clang-format on

static struct {
#define MEMBER(name) __typeof__(curl_##name) *name;
    USED(MEMBER)
} curl;

static const as_library_name curl_names[] = {
#define NAME(name) {"curl_" #name, &curl.name},
    USED(NAME)};

static as_library libcurl = AS_LIBRARY("libcurl.so.4", curl_names);

static atomic_bool offline;

void as_http_go_offline(void) {
    atomic_store(&offline, true);
}

// One request and its response. `reply` is first: as_http_release gets that pointer back.
typedef struct exchange {
    as_http_reply reply;
    as_http *http;
    CURL *easy;
    struct curl_slist *headers;
    CURLU *parsed; // its URL, once for all requests that go there
    as_http_request request;
    as_buf url;   // as asked now: redirects change it
    as_buf auth;  // header lines for it
    as_buf setup; // what `easy` is set up for: requests that differ in their body alone reuse it
    char curl_error[CURL_ERROR_SIZE];
    bool too_large, late, get; // get: a redirect made it a GET
    bool known;                // its URL was asked before: it is one, and may be asked
    unsigned hops;
    struct exchange *before, *next; // in the list of active ones; next also in the other lists
} exchange;

struct as_http {
    CURLM *multi;
    int epoll, wake;
    uint64_t timer_ns, sweep_ns; // when libcurl, and when our deadlines, want to be looked at
    exchange *active, *done_first, *done_last, *idle;
    size_t active_count, done_count;
    as_buf setup;           // of the request being started
    unsigned char *watched; // [watched_count], by socket: WATCH_... bits
    size_t watched_count;
    as_str ca_file;
    bool proxies; // the environment names one
    as_arena arena;
};

// A connection is taken off epoll and put back on for each request that goes over it, unless its
// place is kept: then only what comes while it is idle (its end, mostly) takes it off. That is safe
// for sockets that are opened and closed here alone.
enum { WATCH_IN = 1, WATCH_OUT = 2, WATCH_OURS = 4, WATCH_IDLE = 8 };

static unsigned char *watch_of(as_http *http, int fd) {
    size_t at = (size_t)fd;
    if (at >= http->watched_count) {
        size_t count = at + 64 > 2 * http->watched_count ? at + 64 : 2 * http->watched_count;
        http->watched = as_mem_grow(http->watched, count);
        memset(http->watched + http->watched_count, 0, count - http->watched_count);
        http->watched_count = count;
    }
    return &http->watched[at];
}

static void unwatch(as_http *http, int fd) {
    unsigned char *watch = watch_of(http, fd);
    epoll_ctl(http->epoll, EPOLL_CTL_DEL, fd, NULL);
    *watch &= WATCH_OURS;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *http_in, void *known) {
    (void)easy, (void)known;
    as_http *http = http_in;
    unsigned char *watch = watch_of(http, fd), before = *watch & (WATCH_IN | WATCH_OUT);
    if (what == CURL_POLL_REMOVE) {
        if (*watch & WATCH_OURS)
            *watch |= WATCH_IDLE;
        else
            unwatch(http, fd);
        return 0;
    }
    unsigned char wanted = (unsigned char)((what & CURL_POLL_IN ? WATCH_IN : 0) |
                                           (what & CURL_POLL_OUT ? WATCH_OUT : 0));
    *watch = (unsigned char)((*watch & WATCH_OURS) | wanted);
    if (before == wanted) return 0;
    struct epoll_event event = {.data.fd = fd};
    if (wanted & WATCH_IN) event.events |= EPOLLIN;
    if (wanted & WATCH_OUT) event.events |= EPOLLOUT;
    if (epoll_ctl(http->epoll, before ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event))
        epoll_ctl(http->epoll, errno == EEXIST ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    return 0;
}

static curl_socket_t open_socket(void *http_in, curlsocktype purpose, struct curl_sockaddr *to) {
    (void)purpose;
    int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    if (fd < 0) return CURL_SOCKET_BAD;
    *watch_of(http_in, fd) = WATCH_OURS;
    return fd;
}

static int close_socket(void *http_in, curl_socket_t fd) {
    *watch_of(http_in, fd) = 0; // closing it takes it off epoll
    return close(fd);
}

static int on_timer(CURLM *multi, long timeout_ms, void *http_in) {
    (void)multi;
    as_http *http = http_in;
    http->timer_ns = timeout_ms < 0    ? NEVER
                     : timeout_ms == 0 ? 0
                                       : as_clock_ns() + (uint64_t)timeout_ms * MS;
    return 0;
}

// Else libcurl looks for them in the environment anew for each request.
static bool has_proxies(void) {
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY",
                                        "all_proxy",  "ALL_PROXY",   NULL};
    const char *const *name = names;
    while (*name && !getenv(*name)) name++;
    return *name;
}

as_rc as_http_new(const as_http_options *options, as_http **out, as_err *err) {
    as_rc rc = as_library_take(&libcurl, err);
    if (rc) return rc;
    if (curl.global_init(CURL_GLOBAL_DEFAULT))
        return as_fail(err, AS_UNMEASURED, "cannot start libcurl");
    as_http *http = as_mem_new(sizeof *http);
    http->timer_ns = http->sweep_ns = NEVER;
    http->multi = curl.multi_init();
    http->epoll = epoll_create1(EPOLL_CLOEXEC);
    http->proxies = has_proxies();
    http->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = http->wake};
    if (!http->multi || http->epoll < 0 || http->wake < 0 ||
        epoll_ctl(http->epoll, EPOLL_CTL_ADD, http->wake, &event)) {
        as_fail(err, AS_UNMEASURED, "cannot start an HTTP engine: %s", strerror(errno));
        as_http_free(http);
        return AS_UNMEASURED;
    }
    if (options->ca_file) http->ca_file = as_str_copy(&http->arena, as_str_of(options->ca_file));
    curl.multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl.multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl.multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl.multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    curl.multi_setopt(http->multi, CURLMOPT_MAXCONNECTS,
                      (long)(options->connections_max ? options->connections_max : 1024));
    *out = http;
    return AS_OK;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *exchange_in) {
    exchange *x = exchange_in;
    size_t len = size * count;
    size_t most = x->request.limits.body_max ? x->request.limits.body_max : BODY_MAX;
    if (x->request.streamed) most = SIZE_MAX;
    if (len > most - x->reply.body.len) {
        x->too_large = true;
        return 0;
    }
    if (!x->reply.first_byte_ns) x->reply.first_byte_ns = as_clock_ns();
    if (!x->request.streamed) as_buf_add(&x->reply.body, bytes, len);
    if (x->request.on_piece)
        x->request.on_piece(x->request.context, &x->reply, (as_str){bytes, len});
    return len;
}

static bool header_is(as_str name, const char *wanted) {
    return name.len == strlen(wanted) && !strncasecmp(name.ptr, wanted, name.len);
}

static void clear_response(as_http_reply *reply) {
    as_buf_clear(&reply->body);
    as_buf_clear(&reply->retry_after);
    as_buf_clear(&reply->date);
    as_buf_clear(&reply->content_type);
    as_buf_clear(&reply->location);
    as_buf_clear(&reply->headers);
    reply->first_byte_ns = 0;
    reply->status = 0;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *exchange_in) {
    exchange *x = exchange_in;
    as_str value = {bytes, size * count};
    // A status line begins a response: what came before was another's (100 Continue).
    if (as_str_starts(value, AS_STR("HTTP/"))) {
        long status = 0;
        curl.easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
        x->reply.status = (int)status;
        as_buf_clear(&x->reply.headers);
    }
    if (x->request.keep_headers && x->reply.headers.len + value.len < HEADERS_MAX)
        as_buff(&x->reply.headers, "%.*s\n", AS_STR_ARG(as_str_trim(value)));
    as_str name = as_str_cut(&value, ':');
    as_buf *into = header_is(name, "retry-after")    ? &x->reply.retry_after
                   : header_is(name, "date")         ? &x->reply.date
                   : header_is(name, "content-type") ? &x->reply.content_type
                   : header_is(name, "location")     ? &x->reply.location
                                                     : NULL;
    if (into && value.ptr) {
        as_buf_clear(into);
        as_buf_str(into, as_str_trim(value));
    }
    return size * count;
}

static bool is_large(const exchange *x) {
    return x->request.body.len >= BODY_LARGE;
}

static void put_headers(exchange *x, bool with_secrets) {
    curl.slist_free_all(x->headers);
    x->headers = NULL;
    as_buf line = {0};
    for (size_t i = 0; i < x->request.header_count; i++) {
        const as_http_header *h = &x->request.headers[i];
        if (h->secret && !with_secrets) continue;
        as_buf_clear(&line);
        as_buff(&line, "%.*s: %.*s", AS_STR_ARG(h->name), AS_STR_ARG(h->value));
        x->headers = curl.slist_append(x->headers, line.ptr);
    }
    for (as_str lines = as_buf_view(&x->auth); with_secrets && lines.len;) {
        as_buf_clear(&line);
        as_buf_str(&line, as_str_cut(&lines, '\n'));
        x->headers = curl.slist_append(x->headers, line.ptr);
    }
    // Without it libcurl would ask before it sends a large body, and wait for an answer that few
    // servers give.
    if (is_large(x)) x->headers = curl.slist_append(x->headers, "Expect:");
    as_buf_free(&line);
    curl.easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
}

static bool is_head(const exchange *x) {
    return as_str_is(x->request.method, "HEAD") && !x->get;
}

static bool is_bare_get(const exchange *x) {
    return x->get || (as_str_is(x->request.method, "GET") && !x->request.body.ptr);
}

static void put_method(exchange *x) {
    if (is_head(x)) {
        curl.easy_setopt(x->easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (is_bare_get(x)) {
        curl.easy_setopt(x->easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    curl.easy_setopt(x->easy, CURLOPT_POST, 1L);
    if (as_str_is(x->request.method, "POST")) return;
    char name[16];
    snprintf(name, sizeof name, "%.*s", AS_STR_ARG(x->request.method));
    curl.easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, name);
}

// What libcurl cannot take apart it says itself, when it is asked for it.
static void put_url(exchange *x) {
    if (!x->parsed) x->parsed = curl.url();
    if (x->parsed && !curl.url_set(x->parsed, CURLUPART_URL, x->url.ptr, 0))
        curl.easy_setopt(x->easy, CURLOPT_CURLU, x->parsed);
    else
        curl.easy_setopt(x->easy, CURLOPT_URL, x->url.ptr);
}

static void put_options(exchange *x) {
    CURL *easy = x->easy;
    const as_http_limits *limits = &x->request.limits;
    curl.easy_reset(easy);
    curl.easy_setopt(easy, CURLOPT_PRIVATE, x);
    put_url(x);
    curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(easy, CURLOPT_USERAGENT, "assay");
    if (!x->request.streamed) curl.easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl.easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
    curl.easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    // Until the first connection to a host has said whether it can carry several requests at once.
    curl.easy_setopt(easy, CURLOPT_PIPEWAIT,
                     (long)as_str_starts(as_buf_view(&x->url), AS_STR("https:")));
    curl.easy_setopt(easy, CURLOPT_ERRORBUFFER, x->curl_error);
    curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl.easy_setopt(easy, CURLOPT_WRITEDATA, x);
    curl.easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl.easy_setopt(easy, CURLOPT_HEADERDATA, x);
    curl.easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl.easy_setopt(easy, CURLOPT_OPENSOCKETDATA, x->http);
    curl.easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl.easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, x->http);
    if (!x->http->proxies) curl.easy_setopt(easy, CURLOPT_NOPROXY, "*");
    if (x->http->ca_file.len) curl.easy_setopt(easy, CURLOPT_CAINFO, x->http->ca_file.ptr);
    if (limits->connect_ms)
        curl.easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)limits->connect_ms);
    if (limits->total_ms) curl.easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)limits->total_ms);
    if (limits->stall_ms) {
        curl.easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl.easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)(limits->stall_ms / 1000));
    }
    put_method(x);
}

static exchange *take_exchange(as_http *http) {
    exchange *x = http->idle;
    if (x) {
        http->idle = x->next;
    } else {
        x = as_mem_new(sizeof *x);
        x->http = http;
        x->easy = curl.easy_init();
    }
    x->next = x->before = NULL;
    x->hops = 0;
    x->too_large = x->late = x->get = false;
    x->reply.end = AS_HTTP_DONE;
    x->reply.error[0] = x->curl_error[0] = '\0';
    x->reply.end_ns = 0;
    clear_response(&x->reply);
    return x;
}

static void push_done(exchange *x) {
    as_http *http = x->http;
    x->reply.end_ns = as_clock_ns();
    x->next = NULL;
    *(http->done_last ? &http->done_last->next : &http->done_first) = x;
    http->done_last = x;
    http->done_count++;
}

static void fail(exchange *x, as_http_end end, const char *text) {
    x->reply.end = end;
    snprintf(x->reply.error, sizeof x->reply.error, "%.*s", (int)sizeof x->reply.error - 1, text);
}

static void activate(exchange *x) {
    as_http *http = x->http;
    x->before = NULL;
    x->next = http->active;
    if (http->active) http->active->before = x;
    http->active = x;
    http->active_count++;
    if (x->request.limits.first_byte_ms && http->sweep_ns == NEVER)
        http->sweep_ns = as_clock_ns() + SWEEP_NS;
}

static void deactivate(exchange *x) {
    as_http *http = x->http;
    curl.multi_remove_handle(http->multi, x->easy);
    *(x->before ? &x->before->next : &http->active) = x->next;
    if (x->next) x->next->before = x->before;
    http->active_count--;
}

// False: no header can be made, or the host is not to be reached.
static bool prepare(exchange *x, bool with_secrets) {
    as_url url;
    as_err err = {0};
    as_buf_clear(&x->auth);
    as_str asked = as_buf_view(&x->url), content_type = AS_STR("");
    if (!x->known && !as_url_parse(asked, &url, &err) && !as_allow_has(&url))
        as_fail(&err, AS_UNMEASURED, "'%.*s' port %u is not among the hosts of --allow-host",
                AS_STR_ARG(url.host), url.port);
    if (!err.rc && x->request.auth && with_secrets) {
        for (size_t i = 0; i < x->request.header_count; i++)
            if (header_is(x->request.headers[i].name, "content-type"))
                content_type = x->request.headers[i].value;
        as_str method = x->get ? AS_STR("GET") : x->request.method;
        as_str body = x->get ? AS_STR("") : x->request.body;
        as_rc rc =
            as_auth_headers(x->request.auth, method, asked, content_type, body, &x->auth, &err);
        (void)rc; // err has it
    }
    if (err.rc) fail(x, AS_HTTP_DENIED, err.text);
    x->known = !err.rc;
    return !err.rc;
}

// All that decides the options of the handle, except the body.
static void describe(exchange *x, bool with_secrets) {
    as_buf *out = &x->http->setup;
    const as_http_limits *limits = &x->request.limits;
    as_buf_clear(out);
    as_buf_str(out, x->request.method);
    as_buf_char(out, is_bare_get(x) ? '-' : '+');
    as_buf_char(out, x->request.streamed ? 's' : ' ');
    as_buf_char(out, is_large(x) ? 'l' : ' ');
    as_buf_add(out, &limits->connect_ms, sizeof limits->connect_ms);
    as_buf_add(out, &limits->total_ms, sizeof limits->total_ms);
    as_buf_add(out, &limits->stall_ms, sizeof limits->stall_ms);
    as_buf_str(out, as_buf_view(&x->url));
    for (size_t i = 0; i < x->request.header_count; i++) {
        const as_http_header *h = &x->request.headers[i];
        if (h->secret && !with_secrets) continue;
        as_buf_char(out, '\n');
        as_buf_str(out, h->name);
        as_buf_char(out, ':');
        as_buf_str(out, h->value);
    }
    if (with_secrets) as_buf_str(out, as_buf_view(&x->auth));
}

static void set_up(exchange *x, bool with_secrets) {
    describe(x, with_secrets);
    if (!as_str_eq(as_buf_view(&x->setup), as_buf_view(&x->http->setup))) {
        put_options(x);
        put_headers(x, with_secrets);
        as_buf_clear(&x->setup);
        as_buf_str(&x->setup, as_buf_view(&x->http->setup));
    }
    if (is_bare_get(x) || is_head(x)) return; // a body would make it a POST
    as_str body = x->request.body;
    curl.easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl.easy_setopt(x->easy, CURLOPT_POSTFIELDS, body.ptr ? body.ptr : "");
}

static void launch(exchange *x, bool with_secrets) {
    if (!prepare(x, with_secrets)) {
        push_done(x);
        return;
    }
    set_up(x, with_secrets);
    activate(x);
    CURLMcode code = curl.multi_add_handle(x->http->multi, x->easy);
    if (!code) return;
    fail(x, AS_HTTP_INVALID, curl.multi_strerror(code));
    deactivate(x);
    push_done(x);
}

void as_http_start(as_http *http, const as_http_request *request) {
    exchange *x = take_exchange(http);
    x->request = *request;
    x->reply.context = request->context;
    x->reply.start_ns = as_clock_ns();
    x->known = x->known && as_str_eq(as_buf_view(&x->url), request->url);
    if (!x->known) {
        as_buf_clear(&x->url);
        as_buf_str(&x->url, request->url);
    }
    as_url url;
    as_err err = {0};
    if (!x->known && as_url_parse(request->url, &url, &err)) {
        fail(x, AS_HTTP_INVALID, err.text);
        push_done(x);
    } else if (!x->easy) {
        fail(x, AS_HTTP_INVALID, "libcurl has no memory left");
        push_done(x);
    } else if (atomic_load(&offline)) {
        fail(x, AS_HTTP_OFFLINE, "offline: no connection is opened");
        push_done(x);
    } else {
        launch(x, true);
    }
}

size_t as_http_under_way(const as_http *http) {
    return http->active_count + http->done_count;
}

static as_http_end end_of(CURLcode code) {
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        return AS_HTTP_REFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return AS_HTTP_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return AS_HTTP_TLS;
    case CURLE_URL_MALFORMAT:
        return AS_HTTP_INVALID;
    default:
        return AS_HTTP_BROKEN;
    }
}

// True when the exchange goes on at another place; false: it is finished.
static bool follow(exchange *x) {
    int status = x->reply.status;
    char *to_text = NULL;
    if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308)
        return false;
    curl.easy_getinfo(x->easy, CURLINFO_REDIRECT_URL, &to_text);
    if (!to_text) return false;
    as_url from, to;
    as_err err = {0};
    if (as_url_parse(as_buf_view(&x->url), &from, &err) ||
        as_url_parse(as_str_of(to_text), &to, &err)) {
        fail(x, AS_HTTP_REDIRECT, err.text);
        return false;
    }
    bool stays = as_url_keeps_origin(&from, &to);
    if (++x->hops > HOPS_MAX) {
        fail(x, AS_HTTP_REDIRECT, "redirected more than 5 times");
        return false;
    }
    if (!stays && (x->request.body.ptr || !as_str_is(x->request.method, "GET"))) {
        as_str host = to.host;
        snprintf(
            x->reply.error, sizeof x->reply.error,
            "redirected to another host, '%.*s': neither the request nor its key is sent there",
            AS_STR_ARG(host));
        x->reply.end = AS_HTTP_REDIRECT;
        return false;
    }
    if (status == 303) x->get = true;
    x->known = false;
    as_buf_clear(&x->url);
    as_buf_text(&x->url, to_text);
    clear_response(&x->reply);
    launch(x, stays);
    return true;
}

static void finish(exchange *x, CURLcode code) {
    long status = 0, version = 0, connects = 0;
    curl.easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    curl.easy_getinfo(x->easy, CURLINFO_HTTP_VERSION, &version);
    curl.easy_getinfo(x->easy, CURLINFO_NUM_CONNECTS, &connects);
    x->reply.status = status >= 100 ? (int)status : 0;
    x->reply.reused = connects == 0;
    x->reply.http_version = version == CURL_HTTP_VERSION_1_0   ? 10
                            : version == CURL_HTTP_VERSION_2_0 ? 20
                                                               : 11;
    deactivate(x);
    if (x->late) {
        fail(x, AS_HTTP_TIMEOUT, "no answer began within the limit");
    } else if (x->too_large) {
        char text[96];
        size_t most = x->request.limits.body_max ? x->request.limits.body_max : BODY_MAX;
        snprintf(text, sizeof text, "the response is larger than %zu bytes", most);
        fail(x, AS_HTTP_TOO_LARGE, text);
    } else if (code) {
        fail(x, end_of(code), x->curl_error[0] ? x->curl_error : curl.easy_strerror(code));
    } else if (follow(x)) {
        return;
    }
    push_done(x);
}

static void collect(as_http *http) {
    int left;
    CURLMsg *message;
    while ((message = curl.multi_info_read(http->multi, &left))) {
        if (message->msg != CURLMSG_DONE) continue;
        exchange *x;
        curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&x);
        finish(x, message->data.result);
    }
}

// Ends what got no first byte in time. libcurl has no such limit of its own.
static void sweep(as_http *http, uint64_t now) {
    if (now < http->sweep_ns) return;
    http->sweep_ns = NEVER;
    for (exchange *x = http->active, *next; x; x = next) {
        next = x->next;
        uint64_t limit = x->request.limits.first_byte_ms;
        if (!limit || x->reply.first_byte_ns) continue;
        if (now - x->reply.start_ns >= limit * MS) {
            x->late = true;
            finish(x, CURLE_OPERATION_TIMEDOUT);
        } else {
            http->sweep_ns = now + SWEEP_NS;
        }
    }
}

static int wait_events(as_http *http, struct epoll_event *events, uint64_t wait_ns) {
    // epoll counts in milliseconds; shorter waits, and the rest of longer ones, need more.
    if (wait_ns && wait_ns < 2 * MS) {
        struct pollfd fd = {.fd = http->epoll, .events = POLLIN};
        struct timespec time = {0, (long)wait_ns};
        if (ppoll(&fd, 1, &time, NULL) <= 0) return 0;
        wait_ns = 0;
    }
    uint64_t wait_ms = wait_ns / MS;
    return epoll_wait(http->epoll, events, EVENTS, wait_ms > 60000 ? 60000 : (int)wait_ms);
}

// One round: waits at most until `until_ns`. False when somebody woke the engine.
static bool turn(as_http *http, uint64_t until_ns) {
    struct epoll_event events[EVENTS];
    uint64_t now = as_clock_ns(), until = until_ns;
    if (http->timer_ns < until) until = http->timer_ns;
    if (http->sweep_ns < until) until = http->sweep_ns;
    int running, count = wait_events(http, events, until > now ? until - now : 0);
    bool woken = false;
    for (int i = 0; i < count; i++) {
        int fd = events[i].data.fd, what = 0;
        if (fd == http->wake) {
            uint64_t times;
            woken = read(fd, &times, sizeof times) == sizeof times;
            continue;
        }
        if (*watch_of(http, fd) & WATCH_IDLE) {
            unwatch(http, fd);
            continue;
        }
        if (events[i].events & (EPOLLIN | EPOLLHUP)) what |= CURL_CSELECT_IN;
        if (events[i].events & EPOLLOUT) what |= CURL_CSELECT_OUT;
        if (events[i].events & EPOLLERR) what |= CURL_CSELECT_ERR;
        curl.multi_socket_action(http->multi, fd, what, &running);
    }
    now = as_clock_ns();
    if (now >= http->timer_ns) {
        http->timer_ns = NEVER;
        curl.multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    collect(http);
    sweep(http, now);
    return !woken;
}

as_http_reply *as_http_next(as_http *http, uint64_t wait_ns) {
    uint64_t now = http->done_first ? 0 : as_clock_ns();
    uint64_t until = wait_ns > NEVER - now ? NEVER : now + wait_ns;
    while (!http->done_first) {
        if (!turn(http, until) && !http->done_first) return NULL;
        if (!http->done_first && as_clock_ns() >= until) return NULL;
    }
    exchange *x = http->done_first;
    http->done_first = x->next;
    if (!x->next) http->done_last = NULL;
    http->done_count--;
    return &x->reply;
}

void as_http_release(as_http *http, as_http_reply *reply) {
    exchange *x = (exchange *)reply;
    if (x->reply.body.cap > BODY_KEPT) as_buf_free(&x->reply.body);
    x->next = http->idle;
    http->idle = x;
}

void as_http_wake(as_http *http) {
    uint64_t once = 1;
    ssize_t written = write(http->wake, &once, sizeof once);
    (void)written; // full: it is awake already
}

void as_http_cancel(as_http *http) {
    while (http->active) {
        exchange *x = http->active;
        deactivate(x);
        fail(x, AS_HTTP_CANCELLED, "cancelled");
        push_done(x);
    }
}

static void free_list(exchange *x) {
    while (x) {
        exchange *next = x->next;
        curl.easy_cleanup(x->easy);
        curl.slist_free_all(x->headers);
        curl.url_cleanup(x->parsed);
        as_buf *const buffers[] = {
            &x->reply.body,     &x->reply.retry_after, &x->reply.date, &x->reply.content_type,
            &x->reply.location, &x->reply.headers,     &x->url,        &x->auth,
            &x->setup};
        for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) as_buf_free(buffers[i]);
        free(x);
        x = next;
    }
}

void as_http_free(as_http *http) {
    if (!http) return;
    as_http_cancel(http);
    free_list(http->done_first);
    free_list(http->idle);
    if (http->multi) curl.multi_cleanup(http->multi);
    if (http->epoll >= 0) close(http->epoll);
    if (http->wake >= 0) close(http->wake);
    as_buf_free(&http->setup);
    free(http->watched);
    as_arena_free(&http->arena);
    free(http);
}
