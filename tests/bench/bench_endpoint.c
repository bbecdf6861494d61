// SPDX-License-Identifier: Apache-2.0
// bench_endpoint - a chat completions server that costs next to nothing: one epoll loop that
// answers every POST with the same words, after a fixed time. What a client is measured against.
//
//   bench_endpoint [--latency-ms N] [--tokens N] [--hold N] [--record FILE]
//
// Prints its port, and a line of counts when stdin ends: requests, most connections at once, CPU
// seconds, and when the first request came (CLOCK_MONOTONIC).
//   --latency-ms N   from the end of a request to its answer
//   --tokens N       answers a stream of N events, the first at once, the rest after the latency
//   --hold N         a stream's end waits until N of them are open at once
//   --record FILE    keeps each body, a line each
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, CONNECTIONS_MAX = 20000, REQUEST_MAX = 65536 };

static const char WORDS[] = "The answer is 42.";

typedef struct connection {
    int fd;
    char *bytes; // of the request at hand, [REQUEST_MAX]
    size_t len;
    uint64_t due_ns;         // of the answer; 0: none
    struct connection *next; // in the line of those that wait
} connection;

static struct {
    int epoll, listener;
    uint64_t latency_ns, requests, first_ns;
    size_t tokens, hold, open, open_most, held;
    FILE *record;
    connection *first, *last; // due in this order: the latency is the same for all
    char whole[1024], head[1024], rest[8192];
    size_t whole_len, head_len, rest_len;
    connection *by_fd[CONNECTIONS_MAX];
} server;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what) {
    fprintf(stderr, "bench_endpoint: %s: %s\n", what, strerror(errno));
    exit(2);
}

static size_t put_chunk(char *out, const char *text) {
    return (size_t)sprintf(out, "%zx\r\n%s\r\n", strlen(text), text);
}

static void make_answers(void) {
    char body[512], event[512];
    sprintf(
        body,
        "{\"id\":\"x\",\"object\":\"chat.completion\",\"model\":\"m\",\"choices\":[{\"index\":0,"
        "\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":5,\"total_tokens\":25}}",
        WORDS);
    server.whole_len = (size_t)sprintf(server.whole,
                                       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                       "Content-Length: %zu\r\n\r\n%s",
                                       strlen(body), body);
    server.head_len =
        (size_t)sprintf(server.head, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                     "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t i = 0; i < server.tokens; i++) {
        sprintf(event, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n",
                i ? " word" : WORDS);
        if (i)
            server.rest_len += put_chunk(server.rest + server.rest_len, event);
        else
            server.head_len += put_chunk(server.head + server.head_len, event);
    }
    server.rest_len +=
        put_chunk(server.rest + server.rest_len,
                  "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
                  "data: [DONE]\n\n");
    server.rest_len += (size_t)sprintf(server.rest + server.rest_len, "0\r\n\r\n");
}

static void drop(connection *c) {
    epoll_ctl(server.epoll, EPOLL_CTL_DEL, c->fd, NULL);
    close(c->fd);
    server.by_fd[c->fd] = NULL;
    c->fd = -1;
    server.open--;
    free(c->bytes);
    c->bytes = NULL;
    if (!c->due_ns) free(c); // else its turn in the line comes
}

static void say(connection *c, const char *bytes, size_t len) {
    // Answers are small: a socket that does not take one at once is not read by its client.
    if (c->fd >= 0 && send(c->fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len) drop(c);
}

static void answer(connection *c) {
    if (server.tokens)
        say(c, server.rest, server.rest_len);
    else
        say(c, server.whole, server.whole_len);
}

static void take_request(connection *c, const char *body, size_t len) {
    if (!server.requests++) server.first_ns = now_ns();
    if (server.record) {
        fwrite(body, 1, len, server.record);
        fputc('\n', server.record);
    }
    if (server.tokens) say(c, server.head, server.head_len);
    if (c->fd < 0) return;
    if (!server.latency_ns && !server.hold) {
        answer(c);
        return;
    }
    server.held++;
    c->due_ns = now_ns() + server.latency_ns;
    c->next = NULL;
    *(server.last ? &server.last->next : &server.first) = c;
    server.last = c;
}

// Whole requests in front of the buffer, one after the other. False: the connection is gone.
static bool take_requests(connection *c) {
    for (;;) {
        char *end = memmem(c->bytes, c->len, "\r\n\r\n", 4);
        if (!end) return true;
        *end = '\0';
        const char *length = strcasestr(c->bytes, "content-length:");
        size_t body = length ? strtoul(length + 15, NULL, 10) : 0;
        *end = '\r';
        size_t whole = (size_t)(end - c->bytes) + 4 + body;
        if (whole > REQUEST_MAX) {
            drop(c);
            return false;
        }
        if (c->len < whole) return true;
        take_request(c, end + 4, body);
        if (c->fd < 0) return false;
        memmove(c->bytes, c->bytes + whole, c->len - whole);
        c->len -= whole;
        if (!c->len) return true;
    }
}

static void take_bytes(connection *c) {
    ssize_t got = recv(c->fd, c->bytes + c->len, REQUEST_MAX - c->len, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        drop(c);
        return;
    }
    c->len += (size_t)got;
    take_requests(c);
}

static void take_connections(void) {
    int fd, one = 1;
    while ((fd = accept4(server.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        connection *c = calloc(1, sizeof *c);
        if (!c || fd >= CONNECTIONS_MAX) fail("too many connections");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->fd = fd;
        c->bytes = malloc(REQUEST_MAX);
        server.by_fd[fd] = c;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(server.epoll, EPOLL_CTL_ADD, fd, &event);
        if (++server.open > server.open_most) server.open_most = server.open;
    }
}

// Answers what is due. Returns for how long nothing will be, ns.
static uint64_t answer_due(void) {
    static const uint64_t long_ns = 1000000000;
    if (server.hold && server.held < server.hold) return long_ns;
    while (server.first) {
        connection *c = server.first;
        uint64_t now = now_ns();
        if (c->due_ns > now) return c->due_ns - now;
        server.first = c->next;
        if (!server.first) server.last = NULL;
        c->due_ns = 0;
        if (c->fd < 0)
            free(c);
        else
            answer(c);
    }
    server.held = 0;
    return long_ns;
}

static void listen_somewhere(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server.listener < 0 || server.epoll < 0 ||
        bind(server.listener, (struct sockaddr *)&address, len) || listen(server.listener, 4096) ||
        getsockname(server.listener, (struct sockaddr *)&address, &len))
        fail("cannot listen");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = server.listener};
    epoll_ctl(server.epoll, EPOLL_CTL_ADD, server.listener, &event);
    event.data.fd = STDIN_FILENO;
    if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event)) fail("stdin is no pipe");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void serve(void) {
    struct epoll_event events[EVENTS];
    for (;;) {
        uint64_t wait_ns = answer_due();
        struct timespec wait = {(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};
        int count = epoll_pwait2(server.epoll, events, EVENTS, &wait, NULL);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == STDIN_FILENO) return;
            if (fd == server.listener)
                take_connections();
            else if (server.by_fd[fd])
                take_bytes(server.by_fd[fd]);
        }
    }
}

int main(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!strcmp(name, "--latency-ms"))
            server.latency_ns = strtoul(value, NULL, 10) * 1000000u;
        else if (!strcmp(name, "--tokens"))
            server.tokens = strtoul(value, NULL, 10);
        else if (!strcmp(name, "--hold"))
            server.hold = strtoul(value, NULL, 10);
        else if (!strcmp(name, "--record"))
            server.record = fopen(value, "w");
        else
            return fprintf(stderr, "bench_endpoint: unknown option %s\n", name), 2;
    }
    if (server.tokens > 64) return fprintf(stderr, "bench_endpoint: at most 64 tokens\n"), 2;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    make_answers();
    listen_somewhere();
    serve();
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"requests\": %llu, \"connections\": %zu, \"cpu_s\": %.3f, "
           "\"first_s\": %.6f}\n",
           (unsigned long long)server.requests, server.open_most,
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
           (double)server.first_ns / 1e9);
    if (server.record) fclose(server.record);
    return 0;
}
