// SPDX-License-Identifier: Apache-2.0
// bench_curl - the ceiling: a bare libcurl-multi loop that posts given bodies, so many at once, and
// does nothing with the answers. It sends the headers and keeps the limits that assay does.
//
//   bench_curl URL BODIES CONCURRENCY REQUESTS
//
// BODIES holds a body a line, taken in turn. Prints requests a second and CPU microseconds each.
//
//   bench_curl sleep RATE COUNT
//
// How late a loop wakes that does nothing but sleep until each of COUNT instants: what the machine
// itself takes from the punctuality of an open loop.
#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

typedef struct bodies {
    char *bytes;
    char **lines;
    size_t count;
} bodies;

typedef struct slot {
    char answer[8192];
    size_t len;
} slot;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static bodies read_bodies(const char *path) {
    bodies b = {0};
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) {
        perror(path);
        exit(2);
    }
    size_t size = (size_t)ftell(file), lines = 0;
    rewind(file);
    b.bytes = malloc(size + 1);
    size = fread(b.bytes, 1, size, file);
    fclose(file);
    b.bytes[size] = '\0';
    for (size_t i = 0; i < size; i++) lines += b.bytes[i] == '\n';
    b.lines = malloc((lines + 1) * sizeof *b.lines);
    for (char *line = strtok(b.bytes, "\n"); line; line = strtok(NULL, "\n"))
        b.lines[b.count++] = line;
    if (!b.count) {
        fprintf(stderr, "bench_curl: no body in %s\n", path);
        exit(2);
    }
    return b;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *slot_in) {
    slot *s = slot_in;
    size_t len = size * count;
    if (len > sizeof s->answer - s->len) len = sizeof s->answer - s->len;
    memcpy(s->answer + s->len, bytes, len);
    s->len += len;
    return size * count;
}

static void send_next(CURLM *multi, CURL *easy, const bodies *b, size_t number) {
    const char *body = b->lines[number % b->count];
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    curl_multi_add_handle(multi, easy);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int sleep_loop(double rate, size_t count) {
    double *late = calloc(count, sizeof *late), start = now_s();
    for (size_t i = 0; i < count; i++) {
        double due = start + (double)i / rate;
        struct timespec until = {(time_t)due, (long)((due - (double)(time_t)due) * 1e9)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        late[i] = (now_s() - due) * 1e3;
    }
    qsort(late, count, sizeof *late, by_value);
    printf("{\"p50_ms\": %.4f, \"p99_ms\": %.4f}\n", late[count / 2], late[count * 99 / 100]);
    free(late);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 4 && !strcmp(argv[1], "sleep"))
        return sleep_loop(atof(argv[2]), strtoul(argv[3], NULL, 10));
    if (argc != 5) return fprintf(stderr, "usage: bench_curl URL BODIES AT_ONCE REQUESTS\n"), 2;
    bodies b = read_bodies(argv[2]);
    size_t at_once = strtoul(argv[3], NULL, 10), requests = strtoul(argv[4], NULL, 10);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM *multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)at_once);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    slot *slots = calloc(at_once, sizeof *slots);
    size_t sent = 0, done = 0, failed = 0;
    double start = now_s(), cpu = cpu_s();
    for (size_t i = 0; i < at_once && sent < requests; i++) {
        CURL *easy = curl_easy_init();
        curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_USERAGENT, "assay");
        curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 120000L);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &slots[i]);
        curl_easy_setopt(easy, CURLOPT_PRIVATE, &slots[i]);
        send_next(multi, easy, &b, sent++);
    }
    int running = 1, left;
    while (done < requests) {
        curl_multi_perform(multi, &running);
        CURLMsg *message;
        while ((message = curl_multi_info_read(multi, &left))) {
            slot *s;
            long status = 0;
            CURL *easy = message->easy_handle;
            curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&s);
            curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
            failed += message->data.result || status != 200;
            done++;
            s->len = 0;
            curl_multi_remove_handle(multi, easy);
            if (sent < requests)
                send_next(multi, easy, &b, sent++);
            else
                curl_easy_cleanup(easy);
        }
        if (done < requests) curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    double wall = now_s() - start;
    cpu = cpu_s() - cpu;
    printf("{\"requests\": %zu, \"failed\": %zu, \"per_s\": %.1f, \"cpu_us\": %.2f}\n", requests,
           failed, (double)requests / wall, cpu / (double)requests * 1e6);
    curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    return failed > 0;
}
