// SPDX-License-Identifier: Apache-2.0
// store_put.c - one finished run into the history: its row, its metrics, its samples, in one
// transaction. Rows go to the database by the batch, so memory does not grow with the run.
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "harness/base/map.h"
#include "harness/base/sha256.h"
#include "harness/store/store_ops.h"

enum {
    TEXT_INLINE_MAX = 256, // a longer text stands once in texts, bytes
    BATCH_ROWS = 256,
    BATCH_BYTES = 1024 * 1024,
    TRIES = 6, // a run is put so often when the connection drops or another writer is in the way
    PAUSE_FIRST_MS = 50,
};

static const as_db_table metrics_table = {"metrics", "run, slice, metric, value, lo, hi, n", 7, 0,
                                          false};
static const as_db_table samples_table = {
    "samples",
    "run, case_id, outcome, score, line, expected_text, prediction_text, output_text, sample", 9,
    1u << 8, false};
static const as_db_table texts_table = {"texts", "sha256, text", 2, 0, true};

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

as_rc as_store_put_metrics(as_store *store, const as_summary *r, as_err *err) {
    const as_db_value params[] = {as_db_text(r->run)};
    as_rc rc =
        as_store_ask(store, "DELETE FROM metrics WHERE run = $1", params, 1, NULL, NULL, err);
    if (rc) return rc;
    size_t rows = r->metric_count;
    for (size_t i = 0; i < r->slice_count; i++) rows += r->slices[i].count;
    as_arena arena = {0};
    as_db_value *cells =
        AS_NEW_ARRAY(&arena, as_db_value, as_size_mul(rows, metrics_table.column_count));
    as_db_value *at = put_values(cells, r->run, AS_STR(""), r->metrics, r->metric_count);
    for (size_t i = 0; i < r->slice_count; i++)
        at = put_values(at, r->run, r->slices[i].slice, r->slices[i].values, r->slices[i].count);
    rc = store->ops->load(store->state, &metrics_table, cells, rows, err);
    as_arena_free(&arena);
    return rc;
}

typedef struct batch {
    as_store *store;
    as_str run;
    as_arena arena; // the strings of the rows
    as_db_value *cells, *texts;
    size_t rows, text_rows, bytes;
    as_map known;      // hashes of the texts of this batch
    as_buf line, json; // scratch
    unsigned redacted;
} batch;

static as_rc flush(batch *b, as_err *err) {
    const as_db_ops *ops = b->store->ops;
    as_rc rc = AS_OK;
    if (b->text_rows) rc = ops->load(b->store->state, &texts_table, b->texts, b->text_rows, err);
    if (!rc && b->rows) rc = ops->load(b->store->state, &samples_table, b->cells, b->rows, err);
    as_arena_reset(&b->arena);
    as_map_free(&b->known);
    b->rows = b->text_rows = b->bytes = 0;
    return rc;
}

// Where a long text stands: the key of texts; null for a short one, which stays in the line.
static as_db_value put_text(batch *b, as_str text) {
    if (text.len <= TEXT_INLINE_MAX) return (as_db_value){.kind = AS_DB_NULL};
    as_str key = as_sha256_of(&b->arena, text);
    if (as_map_add(&b->known, key, 0, NULL)) {
        as_db_value *at = b->texts + b->text_rows++ * texts_table.column_count;
        at[0] = as_db_text(key);
        at[1] = as_db_text(as_str_copy(&b->arena, text));
        b->bytes += text.len;
    }
    return as_db_text(key);
}

static as_db_value put_expected(batch *b, const as_json *expected) {
    // What is a short string or a number is not worth writing twice.
    if (!expected || (expected->kind < AS_JSON_ARRAY && expected->text.len < TEXT_INLINE_MAX))
        return (as_db_value){.kind = AS_DB_NULL};
    as_buf_clear(&b->json);
    as_json_write(&b->json, expected);
    return put_text(b, as_buf_view(&b->json));
}

static as_rc put_sample(void *context, const as_sample *sample, as_err *err) {
    batch *b = context;
    as_sample kept = *sample;
    unsigned redacted = b->store->redact ? as_redact_apply(b->store->redact, &b->arena, &kept) : 0;
    b->redacted |= redacted;
    as_db_value *at = b->cells + b->rows * samples_table.column_count;
    at[5] = put_expected(b, kept.expected);
    at[6] = put_text(b, kept.prediction);
    at[7] = put_text(b, kept.output);
    if (at[5].kind) kept.expected = NULL;
    if (at[6].kind) kept.prediction = AS_STR("");
    if (at[7].kind) kept.output = AS_STR("");
    as_str line = sample->source; // stays as it is where nothing was taken out
    if (redacted || at[5].kind || at[6].kind || at[7].kind || !line.len) {
        as_buf_clear(&b->line);
        as_sample_write(&b->line, &kept);
        line = as_str_sub(as_buf_view(&b->line), 0, b->line.len - 1);
    }
    at[0] = as_db_text(b->run);
    at[1] = as_db_text(as_str_copy(&b->arena, sample->id));
    at[2] = as_db_text(as_str_of(as_outcome_name(sample->outcome)));
    at[3] = as_db_f64(sample->score_count ? sample->scores[0].value : NAN);
    at[4] = as_db_text(as_str_copy(&b->arena, line));
    at[8] = as_db_i64((int64_t)sample->sample);
    b->rows++;
    b->bytes += line.len;
    return b->rows == BATCH_ROWS || b->bytes >= BATCH_BYTES ? flush(b, err) : AS_OK;
}

static as_rc note_redaction(batch *b, as_err *err) {
    if (!b->redacted) return AS_OK;
    const as_db_value params[] = {as_db_text(as_redact_names(&b->arena, b->redacted)),
                                  as_db_text(b->run)};
    return as_store_ask(b->store, "UPDATE runs SET redacted = $1 WHERE run = $2", params, 2, NULL,
                        NULL, err);
}

static as_rc put_samples(as_store *store, as_str run, const char *journal_path, as_err *err) {
    batch b = {.store = store, .run = run};
    b.cells = as_mem_new(as_size_mul(BATCH_ROWS * samples_table.column_count, sizeof *b.cells));
    b.texts = as_mem_new(as_size_mul(BATCH_ROWS * 3 * texts_table.column_count, sizeof *b.texts));
    as_rc rc = as_journal_read(journal_path, put_sample, &b, err);
    if (!rc) rc = flush(&b, err);
    if (!rc) rc = note_redaction(&b, err);
    free(b.cells);
    free(b.texts);
    as_arena_free(&b.arena);
    as_map_free(&b.known);
    as_buf_free(&b.line);
    as_buf_free(&b.json);
    return rc;
}

typedef struct last_run {
    as_arena *arena;
    as_summary summary;
    bool there;
} last_run;

static as_rc take_last(void *context, const as_db_value *cells, as_err *err) {
    last_run *last = context;
    last->there = true;
    return as_summary_read(last->arena, as_str_copy(last->arena, cells[0].text), &last->summary,
                           err);
}

// "accuracy >= 0.9": what stands before the number, and the number.
static as_str split_gate(as_str gate, double *limit) {
    size_t at = gate.len;
    for (size_t i = 1; i < gate.len; i++)
        if (gate.ptr[i - 1] == '=' || gate.ptr[i - 1] == '<' || gate.ptr[i - 1] == '>') at = i;
    as_str rest = as_str_trim(as_str_sub(gate, at, gate.len));
    if (!as_str_to_f64(as_str_cut(&rest, ' '), limit)) *limit = NAN;
    return as_str_trim(as_str_sub(gate, 0, at));
}

// Whether `now` holds a gate that is the old one or stricter: same words, and a limit that is not
// on the easier side.
static const as_check *find_match(const as_gate *now, const as_check *old, bool *looser) {
    double old_limit, limit;
    as_str words = split_gate(old->gate, &old_limit);
    const as_check *found = NULL;
    for (size_t i = 0; i < now->count; i++) {
        if (!as_str_eq(split_gate(now->checks[i].gate, &limit), words)) continue;
        bool at_most = as_str_find(words, AS_STR("<"), 0) != SIZE_MAX;
        *looser = (at_most ? limit > old_limit : limit < old_limit) ||
                  (old->prove && !now->checks[i].prove);
        found = &now->checks[i];
        if (!*looser) return found;
    }
    return found;
}

// Compares with the run before it of the same suite, and notes each gate that became weaker.
static as_rc note_loosened(as_store *store, const as_summary *r, as_err *err) {
    as_arena arena = {0};
    last_run last = {.arena = &arena};
    const as_db_value params[] = {as_db_text(r->suite), as_db_text(r->run)};
    as_rc rc = as_store_ask(store,
                            "SELECT summary FROM runs WHERE suite = $1 AND run < $2"
                            " ORDER BY run DESC LIMIT 1",
                            params, 2, take_last, &last, err);
    for (size_t i = 0; !rc && last.there && i < last.summary.gate.count; i++) {
        const as_check *old = &last.summary.gate.checks[i];
        bool looser = false;
        const as_check *now = find_match(&r->gate, old, &looser);
        if (now && !looser) continue;
        as_str why = now ? as_strf(&arena, "was: %.*s", AS_STR_ARG(old->gate))
                         : as_strf(&arena, "removed: %.*s", AS_STR_ARG(old->gate));
        rc = as_store_note(store, "loosen", r->suite, r->run, now ? now->gate : AS_STR(""), why,
                           err);
    }
    as_arena_free(&arena);
    return rc;
}

static as_rc put_once(as_store *store, const as_summary *summary, const char *journal_path,
                      as_err *err) {
    const as_db_ops *ops = store->ops;
    bool added = false;
    as_rc rc = ops->make_room ? ops->make_room(store->state, summary->run, err) : AS_OK;
    if (!rc) rc = ops->begin(store->state, false, err);
    if (rc) return rc;
    rc = put_run(store, summary, &added, err);
    if (!rc && added) rc = as_store_put_metrics(store, summary, err);
    if (!rc && added) rc = note_loosened(store, summary, err);
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

as_rc as_store_rebuild(as_store *store, const as_summary *summary, as_err *err) {
    as_rc rc = store->ops->begin(store->state, false, err);
    if (rc) return rc;
    rc = as_store_put_metrics(store, summary, err);
    if (!rc) rc = store->ops->commit(store->state, err);
    if (rc) store->ops->rollback(store->state);
    return rc;
}
