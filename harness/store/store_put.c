// SPDX-License-Identifier: Apache-2.0
// store_put.c - one finished run into the history: its row, its metrics, its samples, in one
// transaction. Rows go to the database by the batch, so memory does not grow with the run.
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "harness/store/store_ops.h"

enum {
    BATCH_ROWS = 2000,
    BATCH_BYTES = 4 * 1024 * 1024,
    TRIES = 6, // a run is put so often when the connection drops or another writer is in the way
    PAUSE_FIRST_MS = 50,
};

static const as_db_table metrics_table = {"metrics", "run, slice, metric, value, lo, hi, n", 7,
                                          false};
static const as_db_table samples_table = {"samples", "run, case_id, outcome, score, line", 5,
                                          false};

static as_rc put_run(as_store *store, const as_summary *r, bool *added, as_err *err) {
    as_buf text = {0};
    as_summary_write(&text, r);
    const as_db_value params[] = {
        as_db_text(r->run),
        as_db_text(r->suite),
        as_db_text(r->started),
        {.kind = AS_DB_F64, .f64 = isfinite(r->wall_s) ? r->wall_s : 0},
        as_db_text(r->target_uri),
        as_db_text(r->model_name),
        as_db_text(r->model_sha256),
        as_db_text(r->suite_sha256),
        as_db_text(r->dataset_sha256),
        as_db_text(r->git_commit),
        as_db_text(r->git_branch),
        as_db_i64(r->git_dirty),
        as_db_i64((int64_t)r->total),
        as_db_i64((int64_t)r->errors),
        as_db_text(as_str_of(as_verdict_name(r->gate.verdict))),
        as_db_text(r->scores_digest),
        as_db_text(as_buf_view(&text)),
    };
    uint64_t changed = 0;
    as_rc rc = store->ops->query(
        store->state,
        "INSERT INTO runs (run, suite, started, wall_s, target, model, model_sha256, suite_sha256,"
        " dataset_sha256, git_commit, git_branch, git_dirty, cases, errors, verdict,"
        " scores_digest, summary) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,"
        "$17) ON CONFLICT (run) DO NOTHING",
        params, sizeof params / sizeof *params, NULL, NULL, &changed, err);
    *added = changed == 1;
    as_buf_free(&text);
    return rc;
}

static as_db_value *put_values(as_db_value *at, as_str run, as_str slice, const as_value *values,
                               size_t count) {
    for (size_t i = 0; i < count; i++) {
        *at++ = as_db_text(run);
        *at++ = as_db_text(slice);
        *at++ = as_db_text(values[i].name);
        *at++ = as_db_f64(values[i].value);
        *at++ = as_db_f64(values[i].ci.lo);
        *at++ = as_db_f64(values[i].ci.hi);
        *at++ = as_db_i64((int64_t)values[i].n);
    }
    return at;
}

static as_rc put_metrics(as_store *store, const as_summary *r, as_err *err) {
    size_t rows = r->metric_count;
    for (size_t i = 0; i < r->slice_count; i++) rows += r->slices[i].count;
    as_arena arena = {0};
    as_db_value *cells =
        AS_NEW_ARRAY(&arena, as_db_value, as_size_mul(rows, metrics_table.column_count));
    as_db_value *at = put_values(cells, r->run, AS_STR(""), r->metrics, r->metric_count);
    for (size_t i = 0; i < r->slice_count; i++)
        at = put_values(at, r->run, r->slices[i].slice, r->slices[i].values, r->slices[i].count);
    as_rc rc = store->ops->load(store->state, &metrics_table, cells, rows, err);
    as_arena_free(&arena);
    return rc;
}

typedef struct batch {
    as_store *store;
    as_str run;
    as_arena arena; // the strings of the rows
    as_db_value *cells;
    size_t rows, bytes;
    as_buf line;
} batch;

static as_rc flush(batch *b, as_err *err) {
    as_rc rc = b->rows
                   ? b->store->ops->load(b->store->state, &samples_table, b->cells, b->rows, err)
                   : AS_OK;
    as_arena_reset(&b->arena);
    b->rows = b->bytes = 0;
    return rc;
}

static as_rc put_sample(void *context, const as_sample *sample, as_err *err) {
    batch *b = context;
    as_buf_clear(&b->line);
    as_sample_write(&b->line, sample);
    as_str line = as_str_sub(as_buf_view(&b->line), 0, b->line.len - 1);
    as_db_value *at = b->cells + b->rows * samples_table.column_count;
    *at++ = as_db_text(b->run);
    *at++ = as_db_text(as_str_copy(&b->arena, sample->id));
    *at++ = as_db_text(as_str_of(as_outcome_name(sample->outcome)));
    *at++ = as_db_f64(sample->score_count ? sample->scores[0].value : NAN);
    *at++ = as_db_text(as_str_copy(&b->arena, line));
    b->rows++;
    b->bytes += line.len;
    return b->rows == BATCH_ROWS || b->bytes >= BATCH_BYTES ? flush(b, err) : AS_OK;
}

static as_rc put_samples(as_store *store, as_str run, const char *journal_path, as_err *err) {
    batch b = {.store = store, .run = run};
    b.cells = as_mem_new(as_size_mul(BATCH_ROWS * samples_table.column_count, sizeof *b.cells));
    as_rc rc = as_journal_read(journal_path, put_sample, &b, err);
    if (!rc) rc = flush(&b, err);
    free(b.cells);
    as_arena_free(&b.arena);
    as_buf_free(&b.line);
    return rc;
}

static as_rc put_once(as_store *store, const as_summary *summary, const char *journal_path,
                      as_err *err) {
    const as_db_ops *ops = store->ops;
    bool added = false;
    as_rc rc = ops->begin(store->state, false, err);
    if (rc) return rc;
    rc = put_run(store, summary, &added, err);
    if (!rc && added) rc = put_metrics(store, summary, err);
    if (!rc && added) rc = put_samples(store, summary->run, journal_path, err);
    if (!rc) rc = ops->commit(store->state, err);
    if (rc) ops->rollback(store->state);
    return rc;
}

as_rc as_store_put(as_store *store, const as_summary *summary, const char *journal_path,
                   as_err *err) {
    long pause_ms = PAUSE_FIRST_MS;
    for (int i = 1;; i++, pause_ms *= 2) {
        // A connection that drops during COMMIT leaves open whether it happened; putting the run
        // again finds out.
        as_rc rc = put_once(store, summary, journal_path, err);
        if (!rc || i == TRIES || !store->ops->again(store->state)) return rc;
        nanosleep(&(struct timespec){pause_ms / 1000, pause_ms % 1000 * 1000000}, NULL);
    }
}
