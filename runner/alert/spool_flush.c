// SPDX-License-Identifier: Apache-2.0
// Sending what waits.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/base/file.h"
#include "harness/base/log.h"
#include "harness/base/map.h"
#include "harness/net/call.h"
#include "runner/alert/spool.h"
#include "runner/evaluate.h"

enum { OTHERS_MS = 30000, LOOK_MS = 50, CALL_BUDGET_MS = 15000, FLUSH_BUDGET_MS = 60000 };

typedef struct flush {
    as_arena *arena;
    const char *dir;
    bool rejected;
    as_map down; // sinks that failed in this pass
    as_spool_tally *tally;
    uint64_t end_ns;
} flush;

// Another process that sends is waited for, but not for ever: it sends our files too, if it finds
// them. -1: it still sends.
static int lock_sending(const char *dir) {
    char path[4096];
    snprintf(path, sizeof path, "%s/sending", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    uint64_t start = as_clock_ns();
    while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
        bool over = as_clock_ns() - start > OTHERS_MS * UINT64_C(1000000);
        struct timespec time = {0, LOOK_MS * 1000000L};
        if (over || (errno != EWOULDBLOCK && errno != EINTR)) {
            close(fd);
            fd = -1;
        } else {
            nanosleep(&time, NULL);
        }
    }
    return fd;
}

static as_rc move_away(const flush *f, as_str name, as_str text, as_err *err) {
    as_str stem = as_str_sub(name, 0, as_str_find(name, AS_STR("."), 0));
    const char *path = as_strf(f->arena, "%s/%.*s", f->dir, AS_STR_ARG(name)).ptr;
    const char *to = as_strf(f->arena, "%s/%.*s.rejected", f->dir, AS_STR_ARG(stem)).ptr;
    if (rename(path, to) && errno != ENOENT)
        return as_fail(err, AS_UNMEASURED, "cannot rename '%s': %s", path, strerror(errno));
    return text.len ? as_file_replace(to, text, err) : AS_OK;
}

// Keeps the file, with what went wrong, to be tried again or (`lasting`) to be looked at.
static as_rc keep(flush *f, as_str name, as_alert_post *post, as_str why, bool lasting,
                  as_err *err) {
    as_buf text = {0};
    post->error = why;
    as_alert_post_write(&text, post);
    as_rc rc = lasting ? move_away(f, name, as_buf_view(&text), err)
                       : as_file_replace(as_strf(f->arena, "%s/%.*s", f->dir, AS_STR_ARG(name)).ptr,
                                         as_buf_view(&text), err);
    as_buf_free(&text);
    as_str sink = as_alert_sink_name(f->arena, &post->sink);
    as_map_add(&f->down, as_alert_sink_id(f->arena, &post->sink), 1, NULL);
    if (lasting) {
        f->tally->rejected++;
        as_log_error("alert: %.*s refused '%.*s' (%.*s); kept in '%s', see: assay alert list",
                     AS_STR_ARG(sink), AS_STR_ARG(post->title), AS_STR_ARG(why), f->dir);
    } else {
        f->tally->waiting++;
        as_log_warning("alert: %.*s: %.*s; kept in '%s' for the next run or assay alert flush",
                       AS_STR_ARG(sink), AS_STR_ARG(why), f->dir);
    }
    return rc;
}

static as_rc send(flush *f, as_str name, as_alert_post *post, as_err *err) {
    as_http_request request;
    as_err trouble = {0};
    as_http *http = NULL;
    if (as_alert_post_request(f->arena, post, &request, &trouble))
        return keep(f, name, post, as_str_of(trouble.text), false, err);
    as_http_options options = {
        .connections_max = 1,
        .ca_file = post->sink.ca_file.len ? as_str_copy(f->arena, post->sink.ca_file).ptr : NULL};
    as_rc rc = as_http_new(&options, &http, err);
    if (rc) return rc;
    as_call_policy policy = {.attempts = 3, .backoff_ms = 250, .budget_ms = CALL_BUDGET_MS};
    as_call_result result = as_call(http, &request, &policy);
    post->attempts += result.attempts;
    if (as_call_succeeded(result.reply)) {
        as_file_drop(as_strf(f->arena, "%s/%.*s", f->dir, AS_STR_ARG(name)).ptr);
        f->tally->sent++;
        as_str sink = as_alert_sink_name(f->arena, &post->sink);
        as_log_info("alert: told %.*s: %.*s", AS_STR_ARG(sink), AS_STR_ARG(post->title));
    } else {
        rc = keep(f, name, post, as_call_reason(f->arena, result.reply), !result.later, err);
    }
    as_http_release(http, result.reply);
    as_http_free(http);
    return rc;
}

static as_rc send_all(flush *f, as_err *err) {
    const as_str *names = NULL;
    size_t count = 0;
    as_rc rc = as_spool_list(f->arena, f->dir, f->rejected, &names, &count, err);
    for (size_t i = 0; !rc && i < count; i++) {
        as_alert_post post;
        as_err trouble = {0};
        uint64_t unused;
        if (as_spool_load(f->arena, f->dir, names[i], &post, &trouble)) {
            // Gone: replaced by a newer one. Else somebody else's, or damaged.
            if (!as_file_exists(as_strf(f->arena, "%s/%.*s", f->dir, AS_STR_ARG(names[i])).ptr))
                continue;
            as_log_error("alert: %s", trouble.text);
            f->tally->rejected++;
            rc = move_away(f, names[i], AS_STR(""), err);
            continue;
        }
        bool down = as_map_get(&f->down, as_alert_sink_id(f->arena, &post.sink), &unused);
        if (down || as_interrupts || as_clock_ns() > f->end_ns)
            f->tally->waiting++;
        else
            rc = send(f, names[i], &post, err);
    }
    return rc;
}

as_rc as_spool_flush(const char *dir, bool rejected, as_spool_tally *out, as_err *err) {
    as_arena arena = {0};
    const as_str *names = NULL;
    size_t count = 0;
    *out = (as_spool_tally){0};
    as_rc rc = as_spool_list(&arena, dir, rejected, &names, &count, err);
    if (!rc && count) {
        int lock = lock_sending(dir);
        flush f = {.arena = &arena,
                   .dir = dir,
                   .rejected = rejected,
                   .tally = out,
                   .end_ns = as_clock_ns() + FLUSH_BUDGET_MS * UINT64_C(1000000)};
        if (lock >= 0)
            rc = send_all(&f, err);
        else
            as_log_warning("alert: another process sends what waits in '%s'", dir);
        if (lock < 0) out->waiting = count;
        as_map_free(&f.down);
        if (lock >= 0) close(lock);
    }
    as_arena_free(&arena);
    return rc;
}
