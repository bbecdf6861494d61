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
    free(store);
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

as_rc as_store_find(as_store *store, as_arena *arena, as_str reference, as_str suite,
                    as_str dataset_sha256, as_str not_run, as_str *out, as_err *err) {
    as_str rest = reference, kind = as_str_cut(&rest, ':');
    if (as_str_is(reference, "latest")) {
        const as_str params[] = {suite, dataset_sha256, not_run};
        return find_one(store, arena,
                        "SELECT run FROM runs WHERE ($1 = '' OR suite = $1)"
                        " AND ($2 = '' OR dataset_sha256 = $2) AND run <> $3"
                        " AND verdict NOT IN ('fail', 'unmeasurable') ORDER BY run DESC LIMIT 1",
                        params, 3, out, err);
    }
    as_rc rc;
    if (rest.ptr && as_str_is(kind, "tag")) {
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

typedef struct sample_visit {
    as_arena arena;
    as_sample_visit *each;
    void *context;
} sample_visit;

static as_rc visit_sample(void *context, const as_db_value *cells, as_err *err) {
    sample_visit *v = context;
    as_sample sample;
    as_rc rc = as_sample_read(&v->arena, cells[0].text, &sample, err);
    if (!rc) rc = v->each(v->context, &sample, err);
    as_arena_reset(&v->arena);
    return rc;
}

as_rc as_store_samples(as_store *store, as_str run, as_sample_visit *each, void *context,
                       as_err *err) {
    sample_visit v = {.each = each, .context = context};
    const as_db_value params[] = {as_db_text(run)};
    as_rc rc = as_store_ask(store, "SELECT line FROM samples WHERE run = $1 ORDER BY case_id",
                            params, 1, visit_sample, &v, err);
    as_arena_free(&v.arena);
    return rc;
}

typedef struct score_visit {
    as_score_visit *each;
    void *context;
} score_visit;

static as_rc visit_score(void *context, const as_db_value *cells, as_err *err) {
    score_visit *v = context;
    as_outcome outcome;
    if (!as_outcome_of(cells[1].text, &outcome)) outcome = AS_OUT_BAD_RESPONSE;
    return v->each(v->context, cells[0].text, outcome,
                   cells[2].kind == AS_DB_F64 ? cells[2].f64 : NAN, err);
}

as_rc as_store_scores(as_store *store, as_str run, as_score_visit *each, void *context,
                      as_err *err) {
    score_visit v = {each, context};
    const as_db_value params[] = {as_db_text(run)};
    return as_store_ask(
        store, "SELECT case_id, outcome, score FROM samples WHERE run = $1 ORDER BY case_id",
        params, 1, visit_score, &v, err);
}

typedef struct case_visit {
    as_arena arena;
    as_case_visit *each;
    void *context;
} case_visit;

static as_rc visit_case(void *context, const as_db_value *cells, as_err *err) {
    case_visit *v = context;
    as_sample sample;
    as_rc rc = as_sample_read(&v->arena, cells[1].text, &sample, err);
    if (!rc) rc = v->each(v->context, cells[0].text, &sample, err);
    as_arena_reset(&v->arena);
    return rc;
}

as_rc as_store_case(as_store *store, as_str suite, as_str case_id, size_t limit,
                    as_case_visit *each, void *context, as_err *err) {
    case_visit v = {.each = each, .context = context};
    const as_db_value params[] = {as_db_text(case_id), as_db_text(suite),
                                  as_db_i64(limit ? (int64_t)limit : INT64_MAX)};
    as_rc rc = as_store_ask(store,
                            "SELECT s.run, s.line FROM samples s JOIN runs r ON r.run = s.run"
                            " WHERE s.case_id = $1 AND ($2 = '' OR r.suite = $2)"
                            " ORDER BY s.run DESC LIMIT $3",
                            params, 3, visit_case, &v, err);
    as_arena_free(&v.arena);
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

// Tags come by run, newest first, as the runs do.
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
    if (!rc) {
        as_store_run *kept = AS_NEW_ARRAY(arena, as_store_run, list.count);
        if (list.count) memcpy(kept, list.runs, list.count * sizeof *kept);
        *out = kept;
        *count = list.count;
    }
    free(list.runs);
    return rc;
}

as_rc as_store_tag(as_store *store, as_str run, as_str name, as_err *err) {
    const as_db_value params[] = {as_db_text(name), as_db_text(run)};
    return as_store_ask(store,
                        "INSERT INTO tags (tag, run) VALUES ($1, $2)"
                        " ON CONFLICT (tag) DO UPDATE SET run = excluded.run",
                        params, 2, NULL, NULL, err);
}

as_rc as_store_prune(as_store *store, size_t keep, uint64_t *deleted, as_err *err) {
    const as_db_value params[] = {as_db_i64((int64_t)keep)};
    return store->ops->query(
        store->state,
        "DELETE FROM runs WHERE run IN (SELECT run FROM (SELECT run, row_number() OVER"
        " (PARTITION BY suite ORDER BY run DESC) AS place FROM runs) AS placed"
        " WHERE place > $1) AND run NOT IN (SELECT run FROM tags)",
        params, 1, NULL, NULL, deleted, err);
}
