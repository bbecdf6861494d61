// SPDX-License-Identifier: Apache-2.0
#include "runner/model/pull.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/base/file.h"
#include "harness/base/json.h"
#include "harness/base/log.h"
#include "harness/base/sha256.h"
#include "harness/net/retry.h"
#include "harness/net/secret.h"
#include "harness/net/url.h"
#include "runner/evaluate.h" // as_interrupts

enum {
    TRIES = 6, // in a row that bring nothing
    CHUNK = 256 * 1024,
    WAIT_NS = 100000000, // how late a signal may be noticed
    SMALL_MAX = 64 * 1024,
    BACKOFF_MS = 500,
    BACKOFF_CAP_MS = 8000,
    RETRY_AFTER_MAX_MS = 120000,
};

struct as_pull {
    as_arena arena;
    as_str endpoint;
    as_http *http;
    as_http_header headers[2]; // Authorization, Range
    bool has_token;
    as_rng rng;
};

// A file under way.
typedef struct transfer {
    as_pull *pull;
    as_arena *arena;
    as_str url;
    const char *part;
    int fd;
    as_hub_facts facts;
    uint64_t have, moved; // bytes in the file; of them from the network
    as_sha256 sha;        // of those bytes
    bool placed;          // the reply at hand begins where the file ends
    as_rc rc;             // of what went wrong while bytes came
    as_err *err;
    uint64_t shown_ns;
} transfer;

as_rc as_pull_new(as_str endpoint, as_pull **out, as_err *err) {
    as_url url;
    as_rc rc = as_url_parse(endpoint, &url, err);
    if (rc) {
        as_err_prefix(err, "$HF_ENDPOINT '%.*s'", AS_STR_ARG(endpoint));
        return rc;
    }
    as_pull *pull = as_mem_new(sizeof *pull);
    pull->endpoint = as_str_copy(&pull->arena, endpoint);
    pull->rng = as_rng_of(as_clock_ns(), 0);
    as_str token;
    rc = as_secret_load(&pull->arena, AS_STR("HF_TOKEN"), AS_STR(""), &token, err);
    if (!rc) rc = as_http_new(&(as_http_options){.connections_max = 4}, &pull->http, err);
    if (rc) {
        as_pull_free(pull);
        return rc;
    }
    pull->has_token = token.ptr != NULL;
    if (pull->has_token)
        pull->headers[0] = (as_http_header){
            AS_STR("Authorization"), as_strf(&pull->arena, "Bearer %.*s", AS_STR_ARG(token)), true};
    if (pull->has_token && !url.tls && !as_url_is_loopback(&url))
        as_log_warning("the key in $HF_TOKEN goes to '%.*s' unencrypted: http, not https",
                       AS_STR_ARG(url.host));
    *out = pull;
    return AS_OK;
}

void as_pull_free(as_pull *pull) {
    if (!pull) return;
    as_http_free(pull->http);
    as_arena_free(&pull->arena);
    free(pull);
}

as_rc as_pull_hash(const char *path, char hex[65], uint64_t *size, as_err *err) {
    as_mapped map;
    as_rc rc = as_file_map(path, &map, err);
    if (rc) return rc;
    as_sha256 sha;
    as_sha256_init(&sha);
    as_sha256_add(&sha, map.bytes, map.size);
    as_sha256_hex(&sha, hex);
    *size = map.size;
    as_file_unmap(&map);
    return AS_OK;
}

// --- asking ---------------------------------------------------------------------------------

// One request, to its end. `t` gets the body of a GET; NULL: it is small and kept. NULL after a
// signal or when the body could not be written; else released by the caller.
static as_http_reply *ask(as_pull *pull, as_str method, as_str url, transfer *t,
                          void (*piece)(void *, const as_http_reply *, as_str)) {
    bool token = pull->has_token;
    as_http_request request = {
        .method = method,
        .url = url,
        .headers = token ? pull->headers : pull->headers + 1,
        .header_count = (size_t)token + (t && t->have),
        .limits = {.connect_ms = 15000, .first_byte_ms = 60000, .stall_ms = 60000},
        .on_piece = piece,
        .context = t,
        .keep_headers = true,
        .streamed = t != NULL,
    };
    if (!t) request.limits.total_ms = 60000, request.limits.body_max = SMALL_MAX;
    as_http_start(pull->http, &request);
    as_http_reply *reply = NULL;
    while (!reply) {
        reply = as_http_next(pull->http, WAIT_NS);
        if (reply || (!as_interrupts && !(t && t->rc))) continue;
        as_http_cancel(pull->http);
        as_http_release(pull->http, as_http_next(pull->http, 0));
        return NULL;
    }
    return reply;
}

static as_rc interrupted(as_err *err) {
    return as_fail(err, AS_INTERRUPTED, "interrupted; what is there is kept, and pull continues");
}

// Waits before the next try; false after a signal.
static bool pause_for(as_pull *pull, const as_http_reply *reply, unsigned attempt) {
    int64_t wait_ms = reply ? as_retry_after_ms(as_buf_view(&reply->retry_after),
                                                as_buf_view(&reply->date), as_clock_wall_ms())
                            : -1;
    if (wait_ms < 0)
        wait_ms = (int64_t)as_retry_backoff_ms(attempt, BACKOFF_MS, BACKOFF_CAP_MS, &pull->rng);
    if (wait_ms > RETRY_AFTER_MAX_MS) wait_ms = RETRY_AFTER_MAX_MS;
    uint64_t until = as_clock_ns() + (uint64_t)wait_ms * 1000000u;
    while (!as_interrupts && as_clock_ns() < until) usleep(20000);
    return !as_interrupts;
}

static bool worth_again(const as_http_reply *reply) {
    return reply->end == AS_HTTP_REFUSED || reply->end == AS_HTTP_BROKEN ||
           reply->end == AS_HTTP_TIMEOUT ||
           (reply->end == AS_HTTP_DONE && as_retry_status(reply->status));
}

static as_rc refuse(const as_pull *pull, const as_hub_file *file, const as_http_reply *reply,
                    as_err *err) {
    as_hub_facts facts = as_hub_facts_of(as_buf_view(&reply->headers));
    const char *why = "";
    as_rc rc = AS_UNMEASURED;
    if (reply->status == 401 || reply->status == 403) {
        rc = AS_INVALID;
        why = as_str_is(facts.error_code, "GatedRepo")
                  ? ": its terms must be accepted on its page first"
              : pull->has_token ? ": $HF_TOKEN may not read it, or there is no such repository"
                                : ": it needs a token ($HF_TOKEN), or there is no such repository";
    } else if (reply->status == 404) {
        rc = AS_INVALID;
        why = as_str_is(facts.error_code, "RepoNotFound")       ? ": there is no such repository"
              : as_str_is(facts.error_code, "RevisionNotFound") ? ": there is no such revision"
              : as_str_is(facts.error_code, "EntryNotFound")    ? ": there is no such file"
                                                                : ": there is none";
    }
    if (reply->end != AS_HTTP_DONE)
        return as_fail(err, reply->end == AS_HTTP_OFFLINE ? AS_INVALID : AS_UNMEASURED,
                       "cannot pull '%.*s' of '%.*s' from %.*s: %s", AS_STR_ARG(file->file),
                       AS_STR_ARG(file->repo), AS_STR_ARG(pull->endpoint), reply->error);
    return as_fail(err, rc, "cannot pull '%.*s' of '%.*s' at '%.*s' from %.*s: HTTP status %d%s",
                   AS_STR_ARG(file->file), AS_STR_ARG(file->repo), AS_STR_ARG(file->revision),
                   AS_STR_ARG(pull->endpoint), reply->status, why);
}

// One small request, asked again where that may help; *out is released by the caller.
static as_rc ask_small(as_pull *pull, as_str method, as_str url, const as_hub_file *file,
                       as_http_reply **out, as_err *err) {
    for (unsigned attempt = 0;; attempt++) {
        as_http_reply *reply = ask(pull, method, url, NULL, NULL);
        if (!reply) return interrupted(err);
        // A file that is stored elsewhere: this answer says all, and a HEAD goes no further.
        bool elsewhere = reply->end == AS_HTTP_REDIRECT && reply->status / 100 == 3;
        if (elsewhere || (reply->end == AS_HTTP_DONE && reply->status / 100 == 2)) {
            *out = reply;
            return AS_OK;
        }
        bool again = worth_again(reply) && attempt + 1 < TRIES;
        as_rc rc = again ? AS_OK : refuse(pull, file, reply, err);
        if (again && !pause_for(pull, reply, attempt)) rc = interrupted(err);
        as_http_release(pull->http, reply);
        if (rc) return rc;
    }
}

static as_hub_facts copy_facts(as_arena *arena, as_hub_facts facts) {
    facts.commit = as_str_copy(arena, facts.commit);
    facts.sha256 = as_str_copy(arena, facts.sha256);
    facts.error_code = AS_STR("");
    return facts;
}

// The commit, hash and size of a file.
static as_rc locate(as_pull *pull, as_arena *arena, const as_hub_file *file, as_str revision,
                    as_hub_facts *out, as_err *err) {
    as_http_reply *reply;
    as_str url = as_hub_url(arena, pull->endpoint, file, "resolve", revision);
    as_rc rc = ask_small(pull, AS_STR("HEAD"), url, file, &reply, err);
    if (rc) return rc;
    as_hub_facts facts = copy_facts(arena, as_hub_facts_of(as_buf_view(&reply->headers)));
    as_http_release(pull->http, reply);
    if (!facts.commit.len)
        return as_fail(err, AS_UNMEASURED,
                       "cannot pull '%.*s': %.*s does not say which commit '%.*s' is "
                       "(X-Repo-Commit), so nothing could be pinned",
                       AS_STR_ARG(file->file), AS_STR_ARG(pull->endpoint), AS_STR_ARG(revision));
    if (!facts.sha256.len || !facts.size) {
        url = as_hub_url(arena, pull->endpoint, file, "raw", facts.commit);
        rc = ask_small(pull, AS_STR("GET"), url, file, &reply, err);
        if (rc) return rc;
        if (as_hub_pointer(as_buf_view(&reply->body), &facts)) facts = copy_facts(arena, facts);
        as_http_release(pull->http, reply);
    }
    if (!facts.sha256.len || !facts.size)
        return as_fail(err, AS_UNMEASURED,
                       "cannot pull '%.*s': %.*s states no SHA-256 and size of it (it is not in "
                       "LFS), so it could not be verified",
                       AS_STR_ARG(file->file), AS_STR_ARG(pull->endpoint));
    *out = facts;
    return AS_OK;
}

// --- moving bytes -----------------------------------------------------------------------------

static void show(transfer *t) {
    uint64_t now = as_clock_ns();
    if (!isatty(2) || now - t->shown_ns < 200000000u) return;
    t->shown_ns = now;
    fprintf(stderr, "\r%s  %.1f of %.1f MiB ", t->part, (double)t->have / 1048576.0,
            (double)t->facts.size / 1048576.0);
}

static bool begin_again(transfer *t) {
    if (ftruncate(t->fd, 0) || lseek(t->fd, 0, SEEK_SET) < 0) return false;
    t->have = 0;
    as_sha256_init(&t->sha);
    return true;
}

static as_rc cannot_write(const transfer *t) {
    return as_fail(t->err, AS_UNMEASURED, "cannot write '%s': %s", t->part, strerror(errno));
}

static void take_piece(void *transfer_in, const as_http_reply *reply, as_str piece) {
    transfer *t = transfer_in;
    if (t->rc || reply->status / 100 != 2) return;
    if (!t->placed) {
        uint64_t first = 0, total = t->facts.size;
        as_str range = as_hub_header(as_buf_view(&reply->headers), "content-range");
        bool partial = reply->status == 206;
        if (partial && (!as_hub_range(range, &first, &total) || first != t->have)) {
            t->rc = as_fail(t->err, AS_UNMEASURED,
                            "cannot continue '%s' at byte %llu: the server sent '%.*s'", t->part,
                            (unsigned long long)t->have, AS_STR_ARG(range));
            return;
        }
        // A server that knows no ranges sends all of it.
        if (!partial && t->have && !begin_again(t)) {
            t->rc = cannot_write(t);
            return;
        }
        t->placed = true;
    }
    if (piece.len > t->facts.size - t->have) {
        t->rc =
            as_fail(t->err, AS_UNMEASURED, "'%s' is longer than the %llu bytes that were stated",
                    t->part, (unsigned long long)t->facts.size);
        return;
    }
    as_sha256_add(&t->sha, piece.ptr, piece.len);
    while (piece.len) {
        ssize_t n = write(t->fd, piece.ptr, piece.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            t->rc = cannot_write(t);
            return;
        }
        t->have += (uint64_t)n;
        t->moved += (uint64_t)n;
        piece = as_str_sub(piece, (size_t)n, piece.len);
    }
    show(t);
}

// Brings what is missing, in as many requests as it takes.
static as_rc move(transfer *t, const as_hub_file *file) {
    for (unsigned fruitless = 0; t->have < t->facts.size;) {
        as_pull *pull = t->pull;
        uint64_t before = t->have;
        pull->headers[1] = (as_http_header){
            AS_STR("Range"), as_strf(t->arena, "bytes=%llu-", (unsigned long long)t->have), false};
        t->placed = false;
        as_http_reply *reply = ask(pull, AS_STR("GET"), t->url, t, take_piece);
        if (t->rc) {
            if (reply) as_http_release(pull->http, reply);
            return t->rc;
        }
        if (!reply) return interrupted(t->err);
        as_rc rc = AS_OK;
        bool whole = reply->end == AS_HTTP_DONE && reply->status / 100 == 2;
        bool beyond = reply->end == AS_HTTP_DONE && reply->status == 416;
        if (t->have > before) fruitless = 0;
        if (beyond && !begin_again(t)) rc = cannot_write(t);
        if (!whole && !beyond && !worth_again(reply)) rc = refuse(pull, file, reply, t->err);
        if (!rc && t->have < t->facts.size) {
            if (++fruitless == TRIES)
                rc = whole ? as_fail(t->err, AS_UNMEASURED,
                                     "'%s' ends after %llu of %llu bytes, again and again", t->part,
                                     (unsigned long long)t->have, (unsigned long long)t->facts.size)
                           : refuse(pull, file, reply, t->err);
            else if (!pause_for(pull, reply, fruitless - 1))
                rc = interrupted(t->err);
        }
        as_http_release(pull->http, reply);
        if (rc) return rc;
    }
    return AS_OK;
}

// --- files --------------------------------------------------------------------------------------

// Opens the part and locks it. Whoever had it before may have finished and renamed it.
static as_rc open_part(transfer *t) {
    for (bool said = false;;) {
        t->fd = open(t->part, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (t->fd < 0)
            return as_fail(t->err, AS_INVALID, "cannot write '%s': %s", t->part, strerror(errno));
        while (flock(t->fd, LOCK_EX | LOCK_NB)) {
            if (errno != EWOULDBLOCK && errno != EINTR) return cannot_write(t);
            if (as_interrupts) return interrupted(t->err);
            if (!said) as_log_info("another pull moves '%s': waiting for it", t->part);
            said = true;
            usleep(50000);
        }
        struct stat mine, there;
        if (!fstat(t->fd, &mine) && !stat(t->part, &there) && mine.st_ino == there.st_ino &&
            mine.st_dev == there.st_dev)
            return AS_OK;
        close(t->fd);
    }
}

// Takes what is there already into the hash.
static as_rc take_part(transfer *t) {
    char *chunk = as_mem_new(CHUNK);
    as_sha256_init(&t->sha);
    ssize_t n;
    while ((n = read(t->fd, chunk, CHUNK)) > 0) {
        as_sha256_add(&t->sha, chunk, (size_t)n);
        t->have += (uint64_t)n;
    }
    free(chunk);
    if (n < 0) return cannot_write(t);
    if (t->have > t->facts.size && !begin_again(t)) return cannot_write(t);
    return AS_OK;
}

static as_rc check_room(const transfer *t) {
    struct statvfs disk;
    if (fstatvfs(t->fd, &disk)) return AS_OK; // then writing says it
    uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize, need = t->facts.size - t->have;
    if (room >= need) return AS_OK;
    return as_fail(t->err, AS_UNMEASURED,
                   "cannot write '%s': %.1f MiB are missing and the disk has room for %.1f MiB",
                   t->part, (double)need / 1048576.0, (double)room / 1048576.0);
}

// Moves, and hashes; bytes of an earlier pull that turn out to be wrong are fetched once more.
static as_rc complete(transfer *t, const as_hub_file *file) {
    for (;;) {
        bool resumed = t->have > 0;
        as_rc rc = check_room(t);
        if (!rc) rc = move(t, file);
        if (rc) return rc;
        char hex[65];
        as_sha256_hex(&t->sha, hex);
        if (as_str_is(t->facts.sha256, hex)) return AS_OK;
        if (!begin_again(t)) return cannot_write(t);
        if (resumed) continue;
        return as_fail(t->err, AS_UNMEASURED,
                       "what came for '%.*s' has the SHA-256 %s, not %.*s: it was thrown away",
                       AS_STR_ARG(file->file), hex, AS_STR_ARG(t->facts.sha256));
    }
}

static as_rc put_in_place(const transfer *t, const char *path) {
    if (fsync(t->fd)) return cannot_write(t);
    if (rename(t->part, path))
        return as_fail(t->err, AS_UNMEASURED, "cannot write '%s': %s", path, strerror(errno));
    as_arena arena = {0};
    int dir = open(as_path_dir(&arena, as_str_of(path)).ptr, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0) {
        fsync(dir); // a crash may else take the new name, never the file
        close(dir);
    }
    as_arena_free(&arena);
    return AS_OK;
}

static as_rc write_source(const as_pull *pull, const char *path, const as_hub_file *file,
                          const as_hub_facts *facts, as_err *err) {
    as_buf text = {0};
    as_json_out out = {.buf = &text, .indent = 1};
    as_jo_open(&out, '{');
    as_jo_key(&out, "hub"), as_jo_str(&out, pull->endpoint);
    as_jo_key(&out, "repository"), as_jo_str(&out, file->repo);
    as_jo_key(&out, "file"), as_jo_str(&out, file->file);
    as_jo_key(&out, "revision"), as_jo_str(&out, file->revision);
    as_jo_key(&out, "commit"), as_jo_str(&out, facts->commit);
    as_jo_key(&out, "sha256"), as_jo_str(&out, facts->sha256);
    as_jo_key(&out, "size"), as_jo_i64(&out, (int64_t)facts->size);
    as_jo_close(&out, '}');
    as_buf_char(&text, '\n');
    as_rc rc = as_file_replace(path, as_buf_view(&text), err);
    as_buf_free(&text);
    return rc;
}

// Whether the file is there already, as the hub has it. One that nobody pulled is not replaced.
static as_rc look(const char *path, const char *source, const as_hub_facts *facts, bool *there,
                  as_err *err) {
    char hex[65];
    uint64_t size;
    *there = false;
    if (!as_file_exists(path)) return AS_OK;
    as_rc rc = as_pull_hash(path, hex, &size, err);
    if (rc) return rc;
    *there = as_str_is(facts->sha256, hex);
    if (*there || as_file_exists(source)) return AS_OK;
    return as_fail(err, AS_INVALID,
                   "'%s' is another file, which was not pulled: remove it, or name another place "
                   "with --out",
                   path);
}

as_rc as_pull_file(as_pull *pull, as_arena *arena, const as_hub_file *file, as_str commit,
                   as_str path, as_pulled *out, as_err *err) {
    transfer t = {.pull = pull, .arena = arena, .fd = -1, .err = err};
    const char *name = as_str_copy(arena, path).ptr;
    const char *source = as_strf(arena, "%s.source.json", name).ptr;
    as_rc rc = locate(pull, arena, file, commit.len ? commit : file->revision, &t.facts, err);
    if (!rc) rc = as_dir_make(as_path_dir(arena, path).ptr, err);
    if (rc) return rc;
    t.part = as_strf(arena, "%s.%.12s.part", name, t.facts.sha256.ptr).ptr;
    t.url = as_hub_url(arena, pull->endpoint, file, "resolve", t.facts.commit);
    bool there = false;
    rc = open_part(&t);
    if (!rc) rc = look(name, source, &t.facts, &there, err); // another pull may just have made it
    if (!rc && there) {
        as_file_drop(t.part);
    } else if (!rc) {
        rc = take_part(&t);
        if (!rc) rc = complete(&t, file);
        if (!rc) rc = put_in_place(&t, name);
        if (isatty(2)) fprintf(stderr, "\r\033[K");
    }
    struct stat info;
    if (rc && t.fd >= 0 && !fstat(t.fd, &info) && !info.st_size) as_file_drop(t.part);
    if (t.fd >= 0) close(t.fd);
    if (!rc) rc = write_source(pull, source, file, &t.facts, err);
    if (rc) return rc;
    *out = (as_pulled){as_str_copy(arena, path), t.facts.commit, t.facts.sha256, t.facts.size,
                       t.moved};
    return AS_OK;
}
