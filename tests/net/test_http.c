// SPDX-License-Identifier: Apache-2.0
// The HTTP engine against a server of this process that speaks raw bytes, one connection at a time
// a thread, chosen by the path.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka needs the four above first
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <zlib.h>

#include "harness/base/clock.h"
#include "harness/base/thread.h"
#include "harness/net/http.h"

enum { THREADS = 40 };

static struct {
    int fd;
    unsigned port;
    atomic_bool stop;
    atomic_int connections, other_host_saw_key;
    as_thread *threads[THREADS];
} server;

static void put(int fd, const char *bytes, size_t len) {
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0) return;
        bytes += n;
        len -= (size_t)n;
    }
}

static void say(int fd, const char *text) {
    put(fd, text, strlen(text));
}

static void say_ok(int fd, const char *body) {
    char head[160];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(body));
    say(fd, head);
    say(fd, body);
}

static void say_gzip_bomb(int fd) {
    static unsigned char zeros[1 << 16], out[1 << 16];
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 400; i++) { // 25 MB of zeros
        z.next_in = zeros, z.avail_in = sizeof zeros;
        do {
            z.next_out = out, z.avail_out = sizeof out;
            deflate(&z, i == 399 ? Z_FINISH : Z_NO_FLUSH);
            put(fd, (char *)out, sizeof out - z.avail_out);
        } while (!z.avail_out);
    }
    deflateEnd(&z);
}

static void reset(int fd) {
    struct linger now = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

// Answers one request; false: the connection ends.
static bool answer(int fd, const char *request) {
    char path[64] = "", text[256];
    sscanf(request, "%*s %63s", path);
    if (!strcmp(path, "/ok")) {
        say_ok(fd, "fine");
    } else if (!strcmp(path, "/slow")) {
        usleep(50000);
        say_ok(fd, "slow");
    } else if (!strcmp(path, "/echo")) {
        const char *body = strstr(request, "\r\n\r\n") + 4;
        say_ok(fd, body);
    } else if (!strcmp(path, "/method")) {
        snprintf(text, sizeof text, "%.*s %s", (int)strcspn(request, " "), request,
                 strstr(request, "X-Key: canary") ? "with key" : "without key");
        say_ok(fd, text);
    } else if (!strcmp(path, "/retry")) {
        say(fd, "HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
    } else if (!strcmp(path, "/same")) {
        say(fd, "HTTP/1.1 307 X\r\nLocation: /method\r\nContent-Length: 0\r\n\r\n");
    } else if (!strcmp(path, "/303")) {
        say(fd, "HTTP/1.1 303 X\r\nLocation: /method\r\nContent-Length: 0\r\n\r\n");
    } else if (!strcmp(path, "/circle")) {
        say(fd, "HTTP/1.1 302 X\r\nLocation: /circle\r\nContent-Length: 0\r\n\r\n");
    } else if (!strcmp(path, "/other")) {
        snprintf(
            text, sizeof text,
            "HTTP/1.1 307 X\r\nLocation: http://localhost:%u/method\r\nContent-Length: 0\r\n\r\n",
            server.port);
        say(fd, text);
    } else if (!strcmp(path, "/hang")) {
        for (int i = 0; i < 100 && !atomic_load(&server.stop); i++) usleep(20000);
    } else if (!strcmp(path, "/half")) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        return false;
    } else if (!strcmp(path, "/chunkcut")) {
        say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        return false;
    } else if (!strcmp(path, "/reset")) {
        reset(fd);
        return false;
    } else if (!strcmp(path, "/nohttp")) {
        say(fd, "hello, I am no HTTP server\r\n\r\n");
        return false;
    } else if (!strcmp(path, "/badlen")) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx");
        return false;
    } else if (!strcmp(path, "/bomb")) {
        say_gzip_bomb(fd);
        return false;
    } else if (!strcmp(path, "/stream")) {
        say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i < 5; i++) {
            say(fd, "1\r\nx\r\n");
            usleep(10000);
        }
        say(fd, "0\r\n\r\n");
    }
    return true;
}

static void serve_one(int fd) {
    char request[65536];
    size_t have = 0;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 20) == 0) {
            if (atomic_load(&server.stop)) return;
            continue;
        }
        ssize_t n = recv(fd, request + have, sizeof request - 1 - have, 0);
        if (n <= 0) return;
        request[have += (size_t)n] = '\0';
        const char *end = strstr(request, "\r\n\r\n"),
                   *length = strstr(request, "Content-Length: ");
        if (!end) continue;
        size_t want = (size_t)(end + 4 - request) + (length ? strtoul(length + 16, NULL, 10) : 0);
        if (have < want) continue;
        have = 0;
        if (!answer(fd, request)) return;
    }
}

static void serve(void *unused) {
    (void)unused;
    while (!atomic_load(&server.stop)) {
        struct pollfd p = {.fd = server.fd, .events = POLLIN};
        if (poll(&p, 1, 20) <= 0) continue;
        int fd = accept(server.fd, NULL, NULL);
        if (fd < 0) continue;
        atomic_fetch_add(&server.connections, 1);
        serve_one(fd);
        close(fd);
    }
}

static int start_server(void **state) {
    (void)state;
    unsetenv("http_proxy");
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(server.fd, (struct sockaddr *)&at, len) || listen(server.fd, 128)) return -1;
    getsockname(server.fd, (struct sockaddr *)&at, &len);
    server.port = ntohs(at.sin_port);
    for (size_t i = 0; i < THREADS; i++)
        if (as_thread_start(serve, NULL, &server.threads[i], NULL)) return -1;
    return 0;
}

static int stop_server(void **state) {
    (void)state;
    atomic_store(&server.stop, true);
    for (size_t i = 0; i < THREADS; i++) as_thread_join(server.threads[i]);
    close(server.fd);
    return 0;
}

static as_http *engine(void) {
    as_http *http;
    as_err err = {0};
    assert_int_equal(as_http_new(&(as_http_options){0}, &http, &err), AS_OK);
    return http;
}

static char url_text[128];

static as_http_request request_of(const char *method, const char *path) {
    static const as_http_header key = {{"X-Key", 5}, {"canary", 6}, true};
    snprintf(url_text, sizeof url_text, "http://127.0.0.1:%u%s", server.port, path);
    return (as_http_request){.method = as_str_of(method),
                             .url = as_str_of(url_text),
                             .headers = &key,
                             .header_count = 1,
                             .limits = {.connect_ms = 2000, .total_ms = 5000}};
}

static as_http_reply *exchange(as_http *http, const as_http_request *request) {
    as_http_start(http, request);
    as_http_reply *reply = as_http_next(http, 20000000000u);
    assert_non_null(reply);
    return reply;
}

// Method and path in, end, status and body out; NULL body: not looked at.
static void expect(const char *method, const char *path, as_http_end end, int status,
                   const char *body) {
    as_http *http = engine();
    as_http_request request = request_of(method, path);
    if (strcmp(method, "GET")) request.body = AS_STR("{\"a\": 1}");
    as_http_reply *reply = exchange(http, &request);
    if (reply->end != end || reply->status != status) fail_msg("%s: %s", path, reply->error);
    if (end) assert_true(reply->error[0]);
    if (body) assert_true(as_str_is(as_buf_view(&reply->body), body));
    as_http_release(http, reply);
    as_http_free(http);
}

static void test_answers(void **state) {
    (void)state;
    expect("GET", "/ok", AS_HTTP_DONE, 200, "fine");
    expect("POST", "/echo", AS_HTTP_DONE, 200, "{\"a\": 1}");
    expect("PUT", "/method", AS_HTTP_DONE, 200, "PUT with key");
    expect("POST", "/same", AS_HTTP_DONE, 200, "POST with key");
    expect("POST", "/303", AS_HTTP_DONE, 200, "GET with key");
    expect("GET", "/other", AS_HTTP_DONE, 200, "GET without key");
    expect("POST", "/other", AS_HTTP_REDIRECT, 307, NULL);
    expect("GET", "/circle", AS_HTTP_REDIRECT, 302, NULL);
}

static void test_faults(void **state) {
    (void)state;
    expect("GET", "/half", AS_HTTP_BROKEN, 200, NULL);
    expect("GET", "/chunkcut", AS_HTTP_BROKEN, 200, NULL);
    expect("GET", "/reset", AS_HTTP_BROKEN, 0, NULL);
    expect("GET", "/nohttp", AS_HTTP_BROKEN, 0, NULL);
    expect("GET", "/badlen", AS_HTTP_DONE, 200, "x"); // no length that means anything: to the end
    expect("GET", "/bomb", AS_HTTP_TOO_LARGE, 200, NULL);
}

static void test_retry_after_is_kept(void **state) {
    (void)state;
    as_http *http = engine();
    as_http_request request = request_of("GET", "/retry");
    as_http_reply *reply = exchange(http, &request);
    assert_int_equal(reply->status, 429);
    assert_true(as_str_is(as_buf_view(&reply->retry_after), "7"));
    as_http_release(http, reply);
    as_http_free(http);
}

static void test_deadlines(void **state) {
    (void)state;
    as_http *http = engine();
    as_http_request request = request_of("GET", "/hang");
    request.limits.first_byte_ms = 150;
    uint64_t start_ns = as_clock_ns();
    as_http_reply *reply = exchange(http, &request);
    double took_ms = (double)(as_clock_ns() - start_ns) / 1e6;
    assert_int_equal(reply->end, AS_HTTP_TIMEOUT);
    assert_true(took_ms >= 149 && took_ms < 1000);
    as_http_release(http, reply);
    request = request_of("GET", "/hang");
    request.limits.total_ms = 200;
    start_ns = as_clock_ns();
    reply = exchange(http, &request);
    took_ms = (double)(as_clock_ns() - start_ns) / 1e6;
    assert_int_equal(reply->end, AS_HTTP_TIMEOUT);
    assert_true(took_ms >= 199 && took_ms < 1000);
    as_http_release(http, reply);
    as_http_free(http);
}

static void test_connections_are_kept(void **state) {
    (void)state;
    as_http *http = engine();
    int before = atomic_load(&server.connections);
    for (int i = 0; i < 20; i++) {
        as_http_request request = request_of("GET", "/ok");
        as_http_reply *reply = exchange(http, &request);
        assert_int_equal(reply->reused, i > 0);
        as_http_release(http, reply);
    }
    assert_int_equal(atomic_load(&server.connections) - before, 1);
    as_http_free(http);
}

static void test_many_at_once(void **state) {
    (void)state;
    as_http *http = engine();
    uint64_t start_ns = as_clock_ns();
    for (int i = 0; i < 30; i++) {
        as_http_request request = request_of("GET", "/slow");
        as_http_start(http, &request);
    }
    assert_int_equal(as_http_under_way(http), 30);
    for (int i = 0; i < 30; i++) {
        as_http_reply *reply = as_http_next(http, 5000000000u);
        assert_non_null(reply);
        assert_int_equal(reply->end, AS_HTTP_DONE);
        as_http_release(http, reply);
    }
    // 30 answers of 50 ms each: not one after the other.
    assert_true(as_clock_ns() - start_ns < 1000000000u);
    assert_null(as_http_next(http, 0));
    as_http_free(http);
}

static void count_piece(void *context, const as_http_reply *reply, as_str piece) {
    assert_int_equal(reply->status, 200);
    *(size_t *)context += piece.len;
}

static void test_pieces_cancel_wake(void **state) {
    (void)state;
    as_http *http = engine();
    size_t pieces = 0;
    as_http_request request = request_of("GET", "/stream");
    request.on_piece = count_piece;
    request.context = &pieces;
    as_http_reply *reply = exchange(http, &request);
    assert_int_equal(pieces, 5);
    assert_ptr_equal(reply->context, &pieces);
    assert_true(reply->first_byte_ns - reply->start_ns < reply->end_ns - reply->start_ns);
    as_http_release(http, reply);

    request = request_of("GET", "/hang");
    as_http_start(http, &request);
    as_http_wake(http);
    assert_null(as_http_next(http, 5000000000u));
    as_http_cancel(http);
    reply = as_http_next(http, 0);
    assert_non_null(reply);
    assert_int_equal(reply->end, AS_HTTP_CANCELLED);
    as_http_release(http, reply);
    as_http_free(http);
}

static void test_refused_and_invalid(void **state) {
    (void)state;
    as_http *http = engine();
    as_http_request request = request_of("GET", "/");
    request.url = AS_STR("http://127.0.0.1:1/");
    uint64_t start_ns = as_clock_ns();
    as_http_reply *reply = exchange(http, &request);
    assert_int_equal(reply->end, AS_HTTP_REFUSED);
    assert_true(as_clock_ns() - start_ns < 2000000000u);
    as_http_release(http, reply);
    request.url = AS_STR("gopher://x/");
    reply = exchange(http, &request);
    assert_int_equal(reply->end, AS_HTTP_INVALID);
    as_http_release(http, reply);
    as_http_free(http);
}

static void test_offline(void **state) { // last: there is no way back
    (void)state;
    as_http_go_offline();
    int before = atomic_load(&server.connections);
    expect("GET", "/ok", AS_HTTP_OFFLINE, 0, NULL);
    assert_int_equal(atomic_load(&server.connections), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_retry_after_is_kept),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_connections_are_kept),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_pieces_cancel_wake),
        cmocka_unit_test(test_refused_and_invalid),
        cmocka_unit_test(test_offline),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
