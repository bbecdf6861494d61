// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "harness/store/store_ops.h"
#include "harness/store/store_schema.h"

enum { BUSY_TIMEOUT_MS = 30000 }; // how long a writer waits for another one

typedef struct sqlite_state {
    sqlite3 *db;
    char *path;
} sqlite_state;

static as_rc db_fail(const sqlite_state *s, const char *doing, as_err *err) {
    return as_fail(err, AS_UNMEASURED, "history '%s': cannot %s: %s", s->path, doing,
                   sqlite3_errmsg(s->db));
}

static as_rc exec(sqlite_state *s, const char *sql, const char *doing, as_err *err) {
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? AS_OK : db_fail(s, doing, err);
}

static as_rc prepare(sqlite_state *s, const char *sql, sqlite3_stmt **out, as_err *err) {
    return sqlite3_prepare_v2(s->db, sql, -1, out, NULL) == SQLITE_OK
               ? AS_OK
               : db_fail(s, "prepare a query", err);
}

// Texts outlive the step that uses them: every caller keeps its strings until the reset.
static void bind_str(sqlite3_stmt *q, int at, as_str text) {
    sqlite3_bind_text64(q, at, text.ptr ? text.ptr : "", text.len, SQLITE_STATIC, SQLITE_UTF8);
}

static void bind_f64(sqlite3_stmt *q, int at, double value) {
    if (isfinite(value))
        sqlite3_bind_double(q, at, value);
    else
        sqlite3_bind_null(q, at);
}

static as_str column_str(as_arena *arena, sqlite3_stmt *q, int at) {
    const char *text = (const char *)sqlite3_column_text(q, at);
    return as_str_copy(arena, (as_str){text ? text : "", (size_t)sqlite3_column_bytes(q, at)});
}

// Runs a statement that gives no rows, and makes it ready for the next one.
static as_rc run_once(sqlite_state *s, sqlite3_stmt *q, const char *doing, as_err *err) {
    int code = sqlite3_step(q);
    as_rc rc = code == SQLITE_DONE ? AS_OK : db_fail(s, doing, err);
    sqlite3_reset(q);
    return rc;
}

static as_rc schema_version(sqlite_state *s, int *out, as_err *err) {
    sqlite3_stmt *q;
    if (prepare(s, "PRAGMA user_version", &q, err)) return AS_UNMEASURED;
    as_rc rc = sqlite3_step(q) == SQLITE_ROW ? AS_OK : db_fail(s, "read its version", err);
    if (!rc) *out = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    return rc;
}

static as_rc migrate(sqlite_state *s, as_err *err) {
    int version = 0, steps = 0;
    while (as_store_schema_steps[steps]) steps++;
    if (schema_version(s, &version, err)) return AS_UNMEASURED;
    if (version == steps) return AS_OK;
    // Under the write lock the version is read again: another process may have been first.
    if (exec(s, "BEGIN IMMEDIATE", "lock it for migration", err)) return AS_UNMEASURED;
    as_rc rc = schema_version(s, &version, err);
    if (!rc && version > steps)
        rc = as_fail(err, AS_UNMEASURED,
                     "history '%s' was written by a newer assay (schema %d, this one knows %d)",
                     s->path, version, steps);
    for (; !rc && version < steps; version++)
        rc = exec(s, as_store_schema_steps[version], "migrate it", err);
    char pragma[64];
    sqlite3_snprintf(sizeof pragma, pragma, "PRAGMA user_version = %d", steps);
    if (!rc) rc = exec(s, pragma, "set its version", err);
    if (!rc) return exec(s, "COMMIT", "commit the migration", err);
    sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

static void sqlite_close(void *state) {
    sqlite_state *s = state;
    sqlite3_close(s->db);
    free(s->path);
    free(s);
}

static as_rc sqlite_open(as_str rest, void **state, as_err *err) {
    as_arena arena = {0};
    // sqlite:///abs/path and sqlite:path are both in use elsewhere.
    if (as_str_starts(rest, AS_STR("///"))) rest = as_str_sub(rest, 2, rest.len);
    as_str path = as_str_copy(&arena, rest);
    as_rc rc = path.len ? as_dir_make(as_path_dir(&arena, path).ptr, err)
                        : as_fail(err, AS_INVALID, "store 'sqlite:' names no file");
    if (rc) {
        as_arena_free(&arena);
        return rc;
    }
    sqlite_state *s = as_mem_new(sizeof *s);
    s->path = as_mem_new(path.len + 1);
    memcpy(s->path, path.ptr, path.len);
    as_arena_free(&arena);
    if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL))
        rc = db_fail(s, "open it", err);
    if (!rc) {
        sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
        rc = exec(s,
                  "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                  "PRAGMA foreign_keys = ON;",
                  "set it up", err);
    }
    if (!rc) rc = migrate(s, err);
    if (rc)
        sqlite_close(s);
    else
        *state = s;
    return rc;
}

static as_str summary_text(as_buf *buf, const as_summary *summary) {
    as_buf_clear(buf);
    as_summary_write(buf, summary);
    return as_buf_view(buf);
}

static as_rc put_run(sqlite_state *s, const as_summary *r, bool *added, as_err *err) {
    sqlite3_stmt *q;
    if (prepare(s,
                "INSERT INTO runs VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
                " ON CONFLICT (run) DO NOTHING",
                &q, err))
        return AS_UNMEASURED;
    const as_str texts[] = {r->run, r->suite, r->started};
    for (int i = 0; i < 3; i++) bind_str(q, i + 1, texts[i]);
    bind_f64(q, 4, isfinite(r->wall_s) ? r->wall_s : 0);
    const as_str more[] = {r->target_uri,     r->model_name, r->model_sha256, r->suite_sha256,
                           r->dataset_sha256, r->git_commit, r->git_branch};
    for (int i = 0; i < 7; i++) bind_str(q, i + 5, more[i]);
    sqlite3_bind_int(q, 12, r->git_dirty);
    sqlite3_bind_int64(q, 13, (sqlite3_int64)r->total);
    sqlite3_bind_int64(q, 14, (sqlite3_int64)r->errors);
    bind_str(q, 15, as_str_of(as_verdict_name(r->gate.verdict)));
    bind_str(q, 16, r->scores_digest);
    as_buf text = {0};
    bind_str(q, 17, summary_text(&text, r));
    as_rc rc = run_once(s, q, "store a run", err);
    *added = sqlite3_changes(s->db) == 1;
    sqlite3_finalize(q);
    as_buf_free(&text);
    return rc;
}

static as_rc put_values(sqlite_state *s, sqlite3_stmt *q, as_str run, as_str slice,
                        const as_value *values, size_t count, as_err *err) {
    for (size_t i = 0; i < count; i++) {
        bind_str(q, 1, run);
        bind_str(q, 2, slice);
        bind_str(q, 3, values[i].name);
        bind_f64(q, 4, values[i].value);
        bind_f64(q, 5, values[i].ci.lo);
        bind_f64(q, 6, values[i].ci.hi);
        sqlite3_bind_int64(q, 7, (sqlite3_int64)values[i].n);
        if (run_once(s, q, "store a metric", err)) return AS_UNMEASURED;
    }
    return AS_OK;
}

static as_rc put_metrics(sqlite_state *s, const as_summary *r, as_err *err) {
    sqlite3_stmt *q;
    if (prepare(s, "INSERT INTO metrics VALUES (?,?,?,?,?,?,?)", &q, err)) return AS_UNMEASURED;
    as_rc rc = put_values(s, q, r->run, AS_STR(""), r->metrics, r->metric_count, err);
    for (size_t i = 0; !rc && i < r->slice_count; i++)
        rc = put_values(s, q, r->run, r->slices[i].slice, r->slices[i].values, r->slices[i].count,
                        err);
    sqlite3_finalize(q);
    return rc;
}

typedef struct sample_put {
    sqlite_state *s;
    sqlite3_stmt *q;
    as_str run;
    as_buf line;
} sample_put;

static as_rc put_sample(void *context, const as_sample *sample, as_err *err) {
    sample_put *put = context;
    as_buf_clear(&put->line);
    as_sample_write(&put->line, sample);
    bind_str(put->q, 1, put->run);
    bind_str(put->q, 2, sample->id);
    bind_str(put->q, 3, as_str_of(as_outcome_name(sample->outcome)));
    bind_f64(put->q, 4, sample->score_count ? sample->scores[0].value : NAN);
    bind_str(put->q, 5, as_str_sub(as_buf_view(&put->line), 0, put->line.len - 1));
    return run_once(put->s, put->q, "store a sample", err);
}

static as_rc put_samples(sqlite_state *s, as_str run, const char *journal_path, as_err *err) {
    sample_put put = {.s = s, .run = run};
    if (prepare(s, "INSERT INTO samples VALUES (?,?,?,?,?)", &put.q, err)) return AS_UNMEASURED;
    as_rc rc = as_journal_read(journal_path, put_sample, &put, err);
    sqlite3_finalize(put.q);
    as_buf_free(&put.line);
    return rc;
}

static as_rc sqlite_put(void *state, const as_summary *summary, const char *journal_path,
                        as_err *err) {
    sqlite_state *s = state;
    if (exec(s, "BEGIN IMMEDIATE", "lock it for writing", err)) return AS_UNMEASURED;
    bool added = false;
    as_rc rc = put_run(s, summary, &added, err);
    if (!rc && added) rc = put_metrics(s, summary, err);
    if (!rc && added) rc = put_samples(s, summary->run, journal_path, err);
    if (!rc) rc = exec(s, "COMMIT", "commit a run", err);
    if (rc) sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

// The first column of the first row, empty without one. Parameters are strings.
static as_rc find_one(sqlite_state *s, as_arena *arena, const char *sql, const as_str *params,
                      int count, as_str *out, as_err *err) {
    sqlite3_stmt *q;
    if (prepare(s, sql, &q, err)) return AS_UNMEASURED;
    for (int i = 0; i < count; i++) bind_str(q, i + 1, params[i]);
    int code = sqlite3_step(q);
    *out = code == SQLITE_ROW ? column_str(arena, q, 0) : AS_STR("");
    as_rc rc = code == SQLITE_ROW || code == SQLITE_DONE ? AS_OK : db_fail(s, "look up", err);
    sqlite3_finalize(q);
    return rc;
}

static as_rc find_prefix(sqlite_state *s, as_arena *arena, as_str id, as_str *out, as_err *err) {
    const as_str params[] = {id};
    as_str last;
    as_rc rc = find_one(s, arena, "SELECT min(run) FROM runs WHERE substr(run,1,length(?1)) = ?1",
                        params, 1, out, err);
    if (!rc)
        rc = find_one(s, arena, "SELECT max(run) FROM runs WHERE substr(run,1,length(?1)) = ?1",
                      params, 1, &last, err);
    if (!rc && !as_str_eq(*out, id) && !as_str_eq(*out, last))
        rc = as_fail(err, AS_INVALID, "'%.*s' is the beginning of more than one run: %.*s, %.*s",
                     AS_STR_ARG(id), AS_STR_ARG(*out), AS_STR_ARG(last));
    return rc;
}

static as_rc sqlite_find(void *state, as_arena *arena, as_str reference, as_str suite,
                         as_str dataset_sha256, as_str not_run, as_str *out, as_err *err) {
    sqlite_state *s = state;
    as_str rest = reference, kind = as_str_cut(&rest, ':');
    if (as_str_is(reference, "latest")) {
        const as_str params[] = {suite, dataset_sha256, not_run};
        return find_one(s, arena,
                        "SELECT run FROM runs WHERE (?1 = '' OR suite = ?1)"
                        " AND (?2 = '' OR dataset_sha256 = ?2) AND run <> ?3"
                        " AND verdict NOT IN ('fail', 'unmeasurable') ORDER BY run DESC LIMIT 1",
                        params, 3, out, err);
    }
    as_rc rc;
    if (rest.ptr && as_str_is(kind, "tag")) {
        const as_str params[] = {rest};
        rc = find_one(s, arena, "SELECT run FROM tags WHERE tag = ?1", params, 1, out, err);
    } else if (rest.ptr && as_str_is(kind, "branch")) {
        const as_str params[] = {suite, rest, not_run};
        rc = find_one(s, arena,
                      "SELECT run FROM runs WHERE (?1 = '' OR suite = ?1) AND git_branch = ?2"
                      " AND run <> ?3 ORDER BY run DESC LIMIT 1",
                      params, 3, out, err);
    } else {
        rc = find_prefix(s, arena, rest.ptr && as_str_is(kind, "run") ? rest : reference, out, err);
        if (!rc && !out->len) { // a bare tag name is what people type
            const as_str params[] = {reference};
            rc = find_one(s, arena, "SELECT run FROM tags WHERE tag = ?1", params, 1, out, err);
        }
    }
    if (!rc && !out->len)
        rc = as_fail(err, AS_INVALID, "no run '%.*s' in the history '%s' (see: assay history list)",
                     AS_STR_ARG(reference), s->path);
    return rc;
}

static as_rc sqlite_summary(void *state, as_arena *arena, as_str run, as_summary *out,
                            as_err *err) {
    sqlite_state *s = state;
    const as_str params[] = {run};
    as_str text;
    if (find_one(s, arena, "SELECT summary FROM runs WHERE run = ?1", params, 1, &text, err))
        return AS_UNMEASURED;
    if (!text.len)
        return as_fail(err, AS_INVALID, "no run '%.*s' in the history '%s'", AS_STR_ARG(run),
                       s->path);
    return as_summary_read(arena, text, out, err);
}

static as_rc sqlite_samples(void *state, as_str run, as_sample_visit *each, void *context,
                            as_err *err) {
    sqlite_state *s = state;
    sqlite3_stmt *q;
    if (prepare(s, "SELECT line FROM samples WHERE run = ?1 ORDER BY case_id", &q, err))
        return AS_UNMEASURED;
    bind_str(q, 1, run);
    as_arena arena = {0};
    as_rc rc = AS_OK;
    int code;
    while (!rc && (code = sqlite3_step(q)) == SQLITE_ROW) {
        as_sample sample;
        rc = as_sample_read(&arena, column_str(&arena, q, 0), &sample, err);
        if (!rc) rc = each(context, &sample, err);
        as_arena_reset(&arena);
    }
    if (!rc && code != SQLITE_DONE) rc = db_fail(s, "read samples", err);
    sqlite3_finalize(q);
    as_arena_free(&arena);
    return rc;
}

static as_rc sqlite_scores(void *state, as_str run, as_score_visit *each, void *context,
                           as_err *err) {
    sqlite_state *s = state;
    sqlite3_stmt *q;
    if (prepare(s, "SELECT case_id, outcome, score FROM samples WHERE run = ?1 ORDER BY case_id",
                &q, err))
        return AS_UNMEASURED;
    bind_str(q, 1, run);
    as_rc rc = AS_OK;
    int code;
    while (!rc && (code = sqlite3_step(q)) == SQLITE_ROW) {
        as_str id = {(const char *)sqlite3_column_text(q, 0), (size_t)sqlite3_column_bytes(q, 0)};
        as_str name = {(const char *)sqlite3_column_text(q, 1), (size_t)sqlite3_column_bytes(q, 1)};
        bool scored = sqlite3_column_type(q, 2) != SQLITE_NULL;
        as_outcome outcome;
        if (!as_outcome_of(name, &outcome)) outcome = AS_OUT_BAD_RESPONSE;
        rc = each(context, id, outcome, scored ? sqlite3_column_double(q, 2) : NAN, err);
    }
    if (!rc && code != SQLITE_DONE) rc = db_fail(s, "read scores", err);
    sqlite3_finalize(q);
    return rc;
}

static as_rc sqlite_case(void *state, as_str suite, as_str case_id, size_t limit,
                         as_case_visit *each, void *context, as_err *err) {
    sqlite_state *s = state;
    sqlite3_stmt *q;
    if (prepare(
            s,
            "SELECT samples.run, line FROM samples JOIN runs ON runs.run = samples.run"
            " WHERE case_id = ?1 AND (?2 = '' OR suite = ?2) ORDER BY samples.run DESC LIMIT ?3",
            &q, err))
        return AS_UNMEASURED;
    bind_str(q, 1, case_id);
    bind_str(q, 2, suite);
    sqlite3_bind_int64(q, 3, limit ? (sqlite3_int64)limit : -1);
    as_arena arena = {0};
    as_rc rc = AS_OK;
    int code;
    while (!rc && (code = sqlite3_step(q)) == SQLITE_ROW) {
        as_sample sample;
        as_str run = column_str(&arena, q, 0);
        rc = as_sample_read(&arena, column_str(&arena, q, 1), &sample, err);
        if (!rc) rc = each(context, run, &sample, err);
        as_arena_reset(&arena);
    }
    if (!rc && code != SQLITE_DONE) rc = db_fail(s, "read a case", err);
    sqlite3_finalize(q);
    as_arena_free(&arena);
    return rc;
}

static as_rc sqlite_list(void *state, as_arena *arena, as_str suite, as_str since, size_t limit,
                         const as_store_run **out, size_t *count, as_err *err) {
    sqlite_state *s = state;
    sqlite3_stmt *q;
    if (prepare(s,
                "SELECT summary, (SELECT group_concat(tag, ', ') FROM tags WHERE tags.run ="
                " runs.run) FROM runs WHERE (?1 = '' OR suite = ?1) AND started >= ?2"
                " ORDER BY run DESC LIMIT ?3",
                &q, err))
        return AS_UNMEASURED;
    bind_str(q, 1, suite);
    bind_str(q, 2, since);
    sqlite3_bind_int64(q, 3, limit ? (sqlite3_int64)limit : -1);
    as_store_run *runs = NULL;
    size_t used = 0, capacity = 0;
    as_rc rc = AS_OK;
    int code;
    while (!rc && (code = sqlite3_step(q)) == SQLITE_ROW) {
        if (used == capacity) {
            capacity = capacity ? capacity * 2 : 64;
            runs = as_mem_grow(runs, as_size_mul(capacity, sizeof *runs));
        }
        rc = as_summary_read(arena, column_str(arena, q, 0), &runs[used].summary, err);
        if (!rc) runs[used++].tags = column_str(arena, q, 1);
    }
    if (!rc && code != SQLITE_DONE) rc = db_fail(s, "list runs", err);
    sqlite3_finalize(q);
    if (!rc) {
        as_store_run *kept = AS_NEW_ARRAY(arena, as_store_run, used);
        if (used) memcpy(kept, runs, used * sizeof *kept);
        *out = kept;
        *count = used;
    }
    free(runs);
    return rc;
}

static as_rc sqlite_tag(void *state, as_str run, as_str name, as_err *err) {
    sqlite_state *s = state;
    sqlite3_stmt *q;
    if (prepare(s,
                "INSERT INTO tags (tag, run) VALUES (?1, ?2)"
                " ON CONFLICT (tag) DO UPDATE SET run = excluded.run",
                &q, err))
        return AS_UNMEASURED;
    bind_str(q, 1, name);
    bind_str(q, 2, run);
    as_rc rc = run_once(s, q, "set a tag", err);
    sqlite3_finalize(q);
    return rc;
}

static as_rc sqlite_prune(void *state, size_t keep, uint64_t *deleted, as_err *err) {
    sqlite_state *s = state;
    sqlite3_stmt *q;
    if (prepare(s,
                "DELETE FROM runs WHERE run IN (SELECT run FROM (SELECT run, row_number() OVER"
                " (PARTITION BY suite ORDER BY run DESC) AS place FROM runs) AS placed"
                " WHERE place > ?1) AND run NOT IN (SELECT run FROM tags)",
                &q, err))
        return AS_UNMEASURED;
    sqlite3_bind_int64(q, 1, (sqlite3_int64)keep);
    as_rc rc = run_once(s, q, "prune", err);
    sqlite3_finalize(q);
    if (!rc) *deleted = (uint64_t)sqlite3_changes(s->db);
    return rc;
}

const as_store_ops as_store_sqlite = {
    .scheme = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .put = sqlite_put,
    .find = sqlite_find,
    .summary = sqlite_summary,
    .samples = sqlite_samples,
    .scores = sqlite_scores,
    .one_case = sqlite_case,
    .list = sqlite_list,
    .tag = sqlite_tag,
    .prune = sqlite_prune,
};
