// SPDX-License-Identifier: Apache-2.0
#include "harness/record/journal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/clock.h"

enum { LINE_MAX_BYTES = 256 * 1024 * 1024, HEADER_MAX_BYTES = 1024 * 1024 };
enum { SYNC_NS = 200000000, SOON_NS = 5000000, LINES_MOST = 64 * 1024 };

// dir/name as a C string in the arena.
static const char *path_in(as_arena *arena, const char *dir, const char *name) {
    return as_strf(arena, "%s/%s", dir, name).ptr;
}

static as_rc write_header(const char *path, const as_run_header *header, as_err *err) {
    as_buf buf = {0};
    as_json_out out = {.buf = &buf, .indent = 1};
    const struct {
        const char *key;
        as_str value;
    } fields[] = {
        {"run", header->run},
        {"suite", header->suite},
        {"suite_sha256", header->suite_sha256},
        {"dataset_sha256", header->dataset_sha256},
        {"target", header->target_uri},
        {"model_sha256", header->model_sha256},
        {"started", header->started},
    };
    as_jo_open(&out, '{');
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        as_jo_key(&out, fields[i].key);
        as_jo_str(&out, fields[i].value);
    }
    as_jo_close(&out, '}');
    as_buf_char(&buf, '\n');
    as_rc rc = as_file_replace(path, as_buf_view(&buf), err);
    as_buf_free(&buf);
    return rc;
}

as_rc as_run_header_read(as_arena *arena, const char *dir, as_run_header *out, as_err *err) {
    const char *path = path_in(arena, dir, "run.json");
    as_str text;
    const as_json *json;
    as_rc rc = as_file_read(arena, path, HEADER_MAX_BYTES, &text, err);
    if (rc) return rc;
    rc = as_json_parse(arena, text, &json, err);
    if (rc) {
        as_err_prefix(err, "%s", path);
        return rc;
    }
    as_str none = AS_STR("");
    *out = (as_run_header){
        .run = as_json_str(json, "run", none),
        .suite = as_json_str(json, "suite", none),
        .suite_sha256 = as_json_str(json, "suite_sha256", none),
        .dataset_sha256 = as_json_str(json, "dataset_sha256", none),
        .target_uri = as_json_str(json, "target", none),
        .model_sha256 = as_json_str(json, "model_sha256", none),
        .started = as_json_str(json, "started", none),
    };
    return AS_OK;
}

as_rc as_journal_create(as_journal *out, const char *dir, const as_run_header *header,
                        as_err *err) {
    as_arena arena = {0};
    as_journal journal = {.file = {.fd = -1}};
    as_rc rc = as_dir_make(dir, err);
    if (!rc) rc = as_append_open(&journal.file, path_in(&arena, dir, "results.jsonl"), 0, err);
    // The directory could be made and the journal opened, so from here on it is no wrong request.
    if (!rc) rc = write_header(path_in(&arena, dir, "run.json"), header, err);
    if (rc)
        as_append_close(&journal.file);
    else
        *out = journal;
    as_arena_free(&arena);
    return rc;
}

// Visits every whole line. *whole_size is where the last whole line ends.
static as_rc read_lines(const char *path, as_sample_visit *each, void *context, bool allow_torn,
                        size_t *whole_size, as_err *err) {
    as_lines lines;
    as_rc rc = as_lines_open(&lines, path, LINE_MAX_BYTES, err);
    if (rc) return rc;
    as_arena arena = {0};
    bool more = true;
    *whole_size = 0;
    while (!rc) {
        as_str line;
        rc = as_lines_next(&lines, &line, &more, err);
        if (rc || !more) break;
        // A line without its end is what a killed writer leaves: it was never counted.
        bool torn = lines.end && lines.pending.len == lines.taken &&
                    lines.pending.ptr[lines.pending.len - 1] != '\n';
        if (torn && allow_torn) break;
        *whole_size += line.len + 1;
        if (!as_str_trim(line).len) continue;
        as_sample sample;
        rc = as_sample_read(&arena, line, &sample, err);
        if (!rc) rc = each(context, &sample, err);
        if (rc) as_err_prefix(err, "%s:%llu", path, (unsigned long long)lines.line);
        as_arena_reset(&arena);
    }
    as_lines_close(&lines);
    as_arena_free(&arena);
    return rc;
}

typedef struct rewriting {
    as_appender kept;
    as_buf line;
} rewriting;

static as_rc keep_answered(void *context, const as_sample *sample, as_err *err) {
    rewriting *w = context;
    if (as_outcome_is_error(sample->outcome)) return AS_OK;
    as_buf_clear(&w->line);
    as_sample_write(&w->line, sample);
    return as_append_add(&w->kept, as_buf_view(&w->line), err);
}

static as_rc count_errors(void *context, const as_sample *sample, as_err *err) {
    (void)err;
    *(uint64_t *)context += as_outcome_is_error(sample->outcome);
    return AS_OK;
}

// Writes the journal anew without the cases that ended in an error of the target. The old one is
// there until the new one is whole.
static as_rc forget_errors(as_arena *arena, const char *path, as_err *err) {
    uint64_t errors = 0;
    size_t unused;
    as_rc rc = read_lines(path, count_errors, &errors, true, &unused, err);
    if (rc || !errors) return rc;
    const char *temporary = as_strf(arena, "%s.tmp", path).ptr;
    rewriting w = {.kept = {.fd = -1}};
    rc = as_append_open(&w.kept, temporary, 0, err);
    if (!rc) rc = read_lines(path, keep_answered, &w, true, &unused, err);
    if (!rc) rc = as_append_sync(&w.kept, err);
    as_append_close(&w.kept);
    as_buf_free(&w.line);
    if (!rc && rename(temporary, path))
        rc = as_fail(err, AS_UNMEASURED, "cannot replace '%s': %s", path, strerror(errno));
    if (rc) as_file_drop(temporary);
    return rc;
}

as_rc as_journal_resume(as_journal *out, const char *dir, as_sample_visit *each, void *context,
                        as_err *err) {
    as_arena arena = {0};
    const char *path = path_in(&arena, dir, "results.jsonl");
    size_t whole_size = 0;
    as_journal journal = {.file = {.fd = -1}};
    as_rc rc = AS_OK;
    if (as_file_exists(path)) rc = forget_errors(&arena, path, err);
    if (!rc && as_file_exists(path)) rc = read_lines(path, each, context, true, &whole_size, err);
    if (!rc) rc = as_append_open(&journal.file, path, whole_size, err);
    if (!rc) *out = journal;
    as_arena_free(&arena);
    return rc;
}

// All at once, or, where not all can be written, as many as can.
static as_rc write_lines(as_journal *journal, as_err *err) {
    as_str lines = as_buf_view(&journal->lines);
    as_rc rc = lines.len ? as_append_add(&journal->file, lines, err) : AS_OK;
    for (as_rc one = AS_OK; rc && !one && lines.len;) {
        const char *from = lines.ptr;
        as_str_cut(&lines, '\n');
        one = as_append_add(&journal->file, (as_str){from, (size_t)(lines.ptr - from)}, err);
    }
    as_buf_clear(&journal->lines);
    return rc;
}

as_rc as_journal_flush(as_journal *journal, as_err *err) {
    as_rc rc = write_lines(journal, err);
    uint64_t now = journal->written_ns = as_clock_ns();
    if (rc || now - journal->synced_ns < SYNC_NS) return rc;
    rc = as_append_sync(&journal->file, err);
    journal->synced_ns = as_clock_ns(); // after it: a slow disk does not take all the time
    return rc;
}

as_rc as_journal_add_soon(as_journal *journal, const as_sample *sample, as_err *err) {
    as_sample_write(&journal->lines, sample);
    if (journal->lines.len < LINES_MOST && as_clock_ns() - journal->written_ns < SOON_NS)
        return AS_OK;
    return as_journal_flush(journal, err);
}

as_rc as_journal_add(as_journal *journal, const as_sample *sample, as_err *err) {
    as_sample_write(&journal->lines, sample);
    return as_journal_flush(journal, err);
}

as_rc as_journal_close(as_journal *journal, as_err *err) {
    as_rc rc = write_lines(journal, err);
    if (!rc) rc = as_append_sync(&journal->file, err);
    as_append_close(&journal->file);
    as_buf_free(&journal->lines);
    return rc;
}

as_rc as_journal_read(const char *path, as_sample_visit *each, void *context, as_err *err) {
    size_t whole_size;
    return read_lines(path, each, context, false, &whole_size, err);
}
