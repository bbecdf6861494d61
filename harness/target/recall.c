// SPDX-License-Identifier: Apache-2.0
#include "harness/target/recall.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/file.h"
#include "harness/base/log.h"
#include "harness/base/sha256.h"

enum { PATH_MAX_BYTES = 4096 };
static const char format[] = "assay response 1";

as_rc as_recall_open(const char *dir, as_recall *out, as_err *err) {
    if (as_dir_make(dir, err)) {
        as_err_prefix(err, "--cache");
        return AS_INVALID;
    }
    if (access(dir, W_OK | X_OK))
        return as_fail(err, AS_INVALID, "--cache: cannot write to '%s': %s", dir, strerror(errno));
    out->dir = dir;
    return AS_OK;
}

// Each part with its length, so that no two requests share one sequence of bytes.
static void add(as_sha256 *sha, as_str part) {
    char length[24];
    int n = snprintf(length, sizeof length, "%zu:", part.len);
    as_sha256_add(sha, length, (size_t)n);
    as_sha256_add(sha, part.ptr, part.len);
}

void as_recall_key(const as_wire_call *call, const as_http_header *headers, size_t header_count,
                   uint64_t sample, char hex[65]) {
    as_sha256 sha;
    as_sha256_init(&sha);
    add(&sha, as_str_of(format));
    add(&sha, call->method);
    add(&sha, call->url);
    for (size_t i = 0; i < header_count; i++) {
        if (headers[i].secret) continue;
        add(&sha, headers[i].name);
        add(&sha, headers[i].value);
    }
    add(&sha, call->body.ptr ? call->body : AS_STR(""));
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)sample);
    if (sample) add(&sha, as_str_of(number));
    as_sha256_hex(&sha, hex);
}

static void path_of(const as_recall *recall, const char *hex, char path[PATH_MAX_BYTES]) {
    snprintf(path, PATH_MAX_BYTES, "%s/%.2s/%s", recall->dir, hex, hex + 2);
}

bool as_recall_get(const as_recall *recall, as_arena *arena, const char hex[65], as_recalled *out) {
    char path[PATH_MAX_BYTES], sum[65];
    path_of(recall, hex, path);
    if (!as_file_exists(path)) return false;
    as_str body;
    const as_json *head;
    if (as_file_read(arena, path, (size_t)1 << 31, &body, NULL)) return false;
    as_str line = as_str_cut(&body, '\n');
    if (!body.ptr || as_json_parse(arena, line, &head, NULL)) return false;
    as_sha256 sha;
    as_sha256_init(&sha);
    as_sha256_add(&sha, body.ptr, body.len);
    as_sha256_hex(&sha, sum);
    if (!as_str_is(as_json_str(head, "format", AS_STR("")), format) ||
        !as_str_is(as_json_str(head, "sha256", AS_STR("")), sum))
        return false;
    *out = (as_recalled){.status = (int)as_json_f64(head, "status", 0),
                         .content_type = as_json_str(head, "content_type", AS_STR("")),
                         .body = body,
                         .latency_ms = as_json_f64(head, "latency_ms", NAN),
                         .ttft_ms = as_json_f64(head, "ttft_ms", NAN)};
    return out->status / 100 == 2;
}

static void head_of(as_buf *buf, const as_recalled *response) {
    char sum[65];
    as_sha256 sha;
    as_sha256_init(&sha);
    as_sha256_add(&sha, response->body.ptr, response->body.len);
    as_sha256_hex(&sha, sum);
    as_json_out jo = {.buf = buf};
    as_jo_open(&jo, '{');
    as_jo_key(&jo, "format"), as_jo_str(&jo, as_str_of(format));
    as_jo_key(&jo, "status"), as_jo_i64(&jo, response->status);
    as_jo_key(&jo, "content_type"), as_jo_str(&jo, response->content_type);
    as_jo_key(&jo, "latency_ms"), as_jo_f64(&jo, response->latency_ms);
    as_jo_key(&jo, "ttft_ms"), as_jo_f64(&jo, response->ttft_ms);
    as_jo_key(&jo, "sha256"), as_jo_str(&jo, (as_str){sum, 64});
    as_jo_close(&jo, '}');
    as_buf_char(buf, '\n');
}

// Whole or not at all for readers; not synced: what is lost is asked again.
static bool write_file(const char *path, as_str content) {
    static atomic_uint number;
    char temporary[PATH_MAX_BYTES + 48];
    snprintf(temporary, sizeof temporary, "%s.%ld.%u", path, (long)getpid(),
             atomic_fetch_add(&number, 1u));
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool good = true;
    while (good && content.len) {
        ssize_t n = write(fd, content.ptr, content.len);
        good = n > 0;
        if (good) content = as_str_sub(content, (size_t)n, content.len);
    }
    good = close(fd) == 0 && good && rename(temporary, path) == 0;
    if (!good) unlink(temporary);
    return good;
}

void as_recall_put(as_recall *recall, const char hex[65], const as_recalled *response) {
    static atomic_flag warned = ATOMIC_FLAG_INIT;
    char path[PATH_MAX_BYTES], folder[PATH_MAX_BYTES];
    path_of(recall, hex, path);
    snprintf(folder, sizeof folder, "%s/%.2s", recall->dir, hex);
    mkdir(folder, 0700); // there already, mostly
    as_buf file = {0}, body = {0};
    as_buf_str(&body, response->body);
    as_log_redact(&body, 0); // before its sum is taken
    as_recalled clean = *response;
    clean.body = as_buf_view(&body);
    head_of(&file, &clean);
    as_buf_str(&file, clean.body);
    as_buf_free(&body);
    if (!write_file(path, as_buf_view(&file)) && !atomic_flag_test_and_set(&warned))
        as_log_warning("--cache: cannot keep a response in '%s': %s", path, strerror(errno));
    as_buf_free(&file);
}
