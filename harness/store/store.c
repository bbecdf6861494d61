// SPDX-License-Identifier: Apache-2.0
// store.c - opening, migration, and what is asked of the history.
#include "harness/store/store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/store/store_ops.h"
#include "harness/store/store_schema.h"

static const as_db_ops *const drivers[] = {&as_store_sqlite, &as_store_pg};

as_db_value as_db_f64(double value) {
    if (!isfinite(value)) return (as_db_value){.kind = AS_DB_NULL, .f64 = NAN};
    return (as_db_value){.kind = AS_DB_F64, .f64 = value};
}

static as_rc migrate(as_store *store, as_err *err) {
    const as_db_ops *ops = store->ops;
    int version = 0, steps = 0;
    while (as_store_schema_steps[steps]) steps++;
    as_rc rc = ops->version(store->state, &version, err);
    if (rc || version == steps) return rc;
    // Alone, the version is read again: another process may have been first.
    rc = ops->begin(store->state, true, err);
    if (rc) return rc;
    rc = ops->version(store->state, &version, err);
    if (!rc && version > steps)
        rc = as_fail(err, AS_UNMEASURED,
                     "history '%s' was written by a newer assay (schema %d, this one knows %d)",
                     ops->name(store->state), version, steps);
    bool old = version < steps;
    for (; !rc && version < steps; version++)
        rc = ops->script(store->state, as_store_schema_steps[version], err);
    if (!rc && old) rc = ops->set_version(store->state, steps, err);
    if (!rc) rc = ops->commit(store->state, err);
    if (rc) ops->rollback(store->state);
    return rc;
}

as_rc as_store_open(as_str url, as_store **out, as_err *err) {
    as_str rest = url, scheme = as_str_cut(&rest, ':');
    const as_db_ops *ops = NULL;
    for (size_t i = 0; rest.ptr && i < sizeof drivers / sizeof *drivers; i++)
        if (as_str_is(scheme, drivers[i]->scheme) ||
            (drivers[i]->long_form && as_str_is(scheme, drivers[i]->long_form)))
            ops = drivers[i];
    // What follows the scheme may hold a password: it is not repeated.
    if (!ops)
        return as_fail(err, AS_INVALID,
                       "store '%.*s%s' is no URL that assay knows; use sqlite:PATH or "
                       "postgres://USER@HOST/DATABASE",
                       AS_STR_ARG(scheme), rest.ptr ? ":..." : "");
    as_store *store = as_mem_new(sizeof *store);
    store->ops = ops;
    as_rc rc = ops->open(url, &store->state, err);
    if (rc) {
        free(store);
        return rc;
    }
    rc = migrate(store, err);
    if (rc)
        as_store_close(store);
    else
        *out = store;
    return rc;
}

void as_store_close(as_store *store) {
    if (!store) return;
    store->ops->close(store->state);
    as_redact_free(store->redact);
    as_arena_free(&store->arena);
    free(store);
}

as_rc as_store_redact(as_store *store, const as_str *rules, size_t count, as_err *err) {
    as_redact *redact;
    as_rc rc = as_redact_new(rules, count, &redact, err);
    if (rc) return rc;
    as_redact_free(store->redact);
    store->redact = redact;
    return AS_OK;
}

void as_store_who(as_store *store, as_str who) {
    store->who = as_str_copy(&store->arena, who);
}

typedef struct first_cell {
    as_arena *arena;
    as_str *out;
    bool seen;
} first_cell;

static as_rc take_first(void *context, const as_db_value *cells, as_err *err) {
    first_cell *first = context;
    (void)err;
    if (!first->seen) *first->out = as_str_copy(first->arena, cells[0].text);
    first->seen = true;
    return AS_OK;
}

// The first column of the first row, empty without one. Parameters are strings.
static as_rc find_one(as_store *store, as_arena *arena, const char *sql, const as_str *params,
                      size_t count, as_str *out, as_err *err) {
    as_db_value values[4];
    for (size_t i = 0; i < count; i++) values[i] = as_db_text(params[i]);
    as_str found = AS_STR("");
    first_cell first = {.arena = arena, .out = &found};
    as_rc rc = as_store_ask(store, sql, values, count, take_first, &first, err);
    if (!rc) *out = found;
    return rc;
}

static as_rc find_prefix(as_store *store, as_arena *arena, as_str id, as_str *out, as_err *err) {
    static const char lowest[] =
        "SELECT run FROM runs WHERE substr(run, 1, length($1)) = $1 ORDER BY run LIMIT 1";
    static const char highest[] =
        "SELECT run FROM runs WHERE substr(run, 1, length($1)) = $1 ORDER BY run DESC LIMIT 1";
    as_str last;
    as_rc rc = find_one(store, arena, lowest, &id, 1, out, err);
    if (!rc) rc = find_one(store, arena, highest, &id, 1, &last, err);
    if (!rc && !as_str_eq(*out, id) && !as_str_eq(*out, last))
        rc = as_fail(err, AS_INVALID, "'%.*s' is the beginning of more than one run: %.*s, %.*s",
                     AS_STR_ARG(id), AS_STR_ARG(*out), AS_STR_ARG(last));
    return rc;
}

static as_rc find_tag(as_store *store, as_arena *arena, as_str name, as_str *out, as_err *err) {
    return find_one(store, arena, "SELECT run FROM tags WHERE tag = $1", &name, 1, out, err);
}

typedef struct commit_search {
    as_arena *arena;
    as_str commits, run;
    size_t best; // where the best commit so far stands in `commits`
} commit_search;

// Runs come newest first: the first one of a commit is the one.
static as_rc take_commit(void *context, const as_db_value *cells, as_err *err) {
    commit_search *search = context;
    (void)err;
    if (!cells[1].text.len) return AS_OK;
    size_t at = as_str_find(search->commits, cells[1].text, 0);
    if (at >= search->best) return AS_OK;
    search->best = at;
    search->run = as_str_copy(search->arena, cells[0].text);
    return AS_OK;
}

static as_rc find_commit(as_store *store, as_arena *arena, as_str commits, as_str suite,
                         as_str not_run, as_str *out, as_err *err) {
    commit_search search = {arena, commits, AS_STR(""), SIZE_MAX};
    const as_db_value params[] = {as_db_text(suite), as_db_text(not_run)};
    as_rc rc =
        as_store_ask(store,
                     "SELECT run, git_commit FROM runs WHERE ($1 = '' OR suite = $1)"
                     " AND run <> $2 AND git_dirty = 0 AND " AS_STORE_SOUND " ORDER BY run DESC",
                     params, 2, take_commit, &search, err);
    *out = search.run;
    return rc;
}

as_rc as_store_find(as_store *store, as_arena *arena, as_str reference, as_str suite,
                    as_str dataset_sha256, as_str not_run, as_str *out, as_err *err) {
    as_str rest = reference, kind = as_str_cut(&rest, ':');
    if (as_str_is(reference, "latest")) {
        const as_str params[] = {suite, dataset_sha256, not_run};
        return find_one(store, arena,
                        "SELECT run FROM runs WHERE ($1 = '' OR suite = $1)"
                        " AND ($2 = '' OR dataset_sha256 = $2) AND run <> $3"
                        " AND " AS_STORE_SOUND " ORDER BY run DESC LIMIT 1",
                        params, 3, out, err);
    }
    if (rest.ptr && as_str_is(kind, "commits"))
        return find_commit(store, arena, rest, suite, not_run, out, err);
    as_rc rc;
    if (as_str_is(reference, "accepted")) {
        const as_str params[] = {suite, dataset_sha256, not_run};
        rc = find_one(store, arena,
                      "SELECT run FROM runs WHERE ($1 = '' OR suite = $1)"
                      " AND ($2 = '' OR dataset_sha256 = $2) AND run <> $3"
                      " AND run IN (SELECT run FROM accepted) ORDER BY run DESC LIMIT 1",
                      params, 3, out, err);
    } else if (rest.ptr && as_str_is(kind, "tag")) {
        rc = find_tag(store, arena, rest, out, err);
    } else if (rest.ptr && as_str_is(kind, "branch")) {
        const as_str params[] = {suite, rest, not_run};
        rc = find_one(store, arena,
                      "SELECT run FROM runs WHERE ($1 = '' OR suite = $1) AND git_branch = $2"
                      " AND run <> $3 ORDER BY run DESC LIMIT 1",
                      params, 3, out, err);
    } else {
        as_str id = rest.ptr && as_str_is(kind, "run") ? rest : reference;
        rc = find_prefix(store, arena, id, out, err);
        // A bare tag name is what people type.
        if (!rc && !out->len) rc = find_tag(store, arena, reference, out, err);
    }
    if (!rc && !out->len)
        rc = as_fail(err, AS_INVALID, "no run '%.*s' in the history '%s' (see: assay history list)",
                     AS_STR_ARG(reference), store->ops->name(store->state));
    return rc;
}

as_rc as_store_summary(as_store *store, as_arena *arena, as_str run, as_summary *out, as_err *err) {
    as_str text;
    as_rc rc =
        find_one(store, arena, "SELECT summary FROM runs WHERE run = $1", &run, 1, &text, err);
    if (rc) return rc;
    if (!text.len)
        return as_fail(err, AS_INVALID, "no run '%.*s' in the history '%s'", AS_STR_ARG(run),
                       store->ops->name(store->state));
    return as_summary_read(arena, text, out, err);
}

as_rc as_store_redacted(as_store *store, as_arena *arena, as_str run, as_str *out, as_err *err) {
    return find_one(store, arena, "SELECT redacted FROM runs WHERE run = $1", &run, 1, out, err);
}

// What stands in texts goes back to where it was.
as_rc as_store_read_sample(as_arena *arena, const as_db_value *cells, as_sample *out, as_err *err) {
    as_rc rc = as_sample_read(arena, cells[0].text, out, err);
    if (!rc && cells[1].kind == AS_DB_TEXT)
        rc = as_json_parse(arena, cells[1].text, &out->expected, err);
    if (!rc && cells[2].kind == AS_DB_TEXT) out->prediction = as_str_copy(arena, cells[2].text);
    if (!rc && cells[3].kind == AS_DB_TEXT) out->output = as_str_copy(arena, cells[3].text);
    return rc;
}

typedef struct sample_visit {
    as_arena arena;
    as_sample_visit *each;
    void *context;
} sample_visit;

static as_rc visit_sample(void *context, const as_db_value *cells, as_err *err) {
    sample_visit *v = context;
    as_sample sample;
    as_rc rc = as_store_read_sample(&v->arena, cells, &sample, err);
    if (!rc) rc = v->each(v->context, &sample, err);
    as_arena_reset(&v->arena);
    return rc;
}

as_rc as_store_samples(as_store *store, as_str run, as_sample_visit *each, void *context,
                       as_err *err) {
    sample_visit v = {.each = each, .context = context};
    const as_db_value params[] = {as_db_text(run)};
    as_rc rc = as_store_ask(store,
                            "SELECT " AS_STORE_SAMPLE
                            " FROM samples s WHERE s.run = $1 ORDER BY s.case_id, s.sample",
                            params, 1, visit_sample, &v, err);
    as_arena_free(&v.arena);
    return rc;
}

// Several answers to a case are given out as one: the mean score of those that have one, and the
// outcome of the first that failed.
typedef struct score_visit {
    as_score_visit *each;
    void *context;
    as_buf id;
    bool pending;
    as_outcome outcome;
    double sum;
    uint64_t scored;
} score_visit;

static as_rc give_score(score_visit *v, as_err *err) {
    if (!v->pending) return AS_OK;
    v->pending = false;
    return v->each(v->context, as_buf_view(&v->id), v->outcome,
                   v->scored ? v->sum / (double)v->scored : NAN, err);
}

static as_rc visit_score(void *context, const as_db_value *cells, as_err *err) {
    score_visit *v = context;
    as_outcome outcome;
    if (!as_outcome_of(cells[1].text, &outcome)) outcome = AS_OUT_BAD_RESPONSE;
    as_rc rc = AS_OK;
    if (!v->pending || !as_str_eq(as_buf_view(&v->id), cells[0].text)) {
        rc = give_score(v, err);
        as_buf_clear(&v->id);
        as_buf_str(&v->id, cells[0].text);
        v->pending = true;
        v->outcome = outcome;
        v->sum = 0;
        v->scored = 0;
    }
    if (!as_outcome_is_error(v->outcome) && as_outcome_is_error(outcome)) v->outcome = outcome;
    if (cells[2].kind != AS_DB_F64) return rc;
    v->sum += cells[2].f64;
    v->scored++;
    return rc;
}

as_rc as_store_scores(as_store *store, as_str run, as_score_visit *each, void *context,
                      as_err *err) {
    score_visit v = {.each = each, .context = context};
    const as_db_value params[] = {as_db_text(run)};
    as_rc rc = as_store_ask(
        store,
        "SELECT case_id, outcome, score FROM samples WHERE run = $1 ORDER BY case_id, sample",
        params, 1, visit_score, &v, err);
    if (!rc) rc = give_score(&v, err);
    as_buf_free(&v.id);
    return rc;
}

typedef struct run_list {
    as_arena *arena;
    as_store_run *runs;
    size_t count, capacity;
} run_list;

static as_rc take_run(void *context, const as_db_value *cells, as_err *err) {
    run_list *list = context;
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 64;
        list->runs = as_mem_grow(list->runs, as_size_mul(list->capacity, sizeof *list->runs));
    }
    as_store_run *run = &list->runs[list->count];
    *run = (as_store_run){.tags = AS_STR("")};
    as_rc rc =
        as_summary_read(list->arena, as_str_copy(list->arena, cells[0].text), &run->summary, err);
    if (!rc) list->count++;
    return rc;
}

static as_rc take_tag(void *context, const as_db_value *cells, as_err *err) {
    run_list *list = context;
    (void)err;
    for (size_t i = 0; i < list->count; i++) {
        as_store_run *run = &list->runs[i];
        if (!as_str_eq(run->summary.run, cells[0].text)) continue;
        run->tags = as_strf(list->arena, "%.*s%s%.*s", AS_STR_ARG(run->tags),
                            run->tags.len ? ", " : "", AS_STR_ARG(cells[1].text));
    }
    return AS_OK;
}

static as_rc take_accepted(void *context, const as_db_value *cells, as_err *err) {
    run_list *list = context;
    (void)err;
    for (size_t i = 0; i < list->count; i++)
        if (as_str_eq(list->runs[i].summary.run, cells[0].text)) list->runs[i].accepted = true;
    return AS_OK;
}

as_rc as_store_list(as_store *store, as_arena *arena, as_str suite, as_str since, size_t limit,
                    const as_store_run **out, size_t *count, as_err *err) {
    run_list list = {.arena = arena};
    const as_db_value params[] = {as_db_text(suite), as_db_text(since),
                                  as_db_i64(limit ? (int64_t)limit : INT64_MAX)};
    as_rc rc = as_store_ask(store,
                            "SELECT summary FROM runs WHERE ($1 = '' OR suite = $1)"
                            " AND started >= $2 ORDER BY run DESC LIMIT $3",
                            params, 3, take_run, &list, err);
    if (!rc)
        rc = as_store_ask(store, "SELECT run, tag FROM tags ORDER BY tag", NULL, 0, take_tag, &list,
                          err);
    if (!rc)
        rc = as_store_ask(store, "SELECT run FROM accepted", NULL, 0, take_accepted, &list, err);
    if (!rc) {
        as_store_run *kept = AS_NEW_ARRAY(arena, as_store_run, list.count);
        if (list.count) memcpy(kept, list.runs, list.count * sizeof *kept);
        *out = kept;
        *count = list.count;
    }
    free(list.runs);
    return rc;
}
