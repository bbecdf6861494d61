// SPDX-License-Identifier: Apache-2.0
// store_trend.c - one thing over many runs: a metric, a case.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/store/store_ops.h"

typedef struct point_list {
    as_arena *arena;
    as_store_point *points;
    size_t count, capacity;
} point_list;

static double number(const as_db_value *cell) {
    return cell->kind == AS_DB_F64 ? cell->f64 : cell->kind == AS_DB_I64 ? (double)cell->i64 : NAN;
}

static as_rc take_point(void *context, const as_db_value *cells, as_err *err) {
    point_list *list = context;
    (void)err;
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 256;
        list->points = as_mem_grow(list->points, as_size_mul(list->capacity, sizeof *list->points));
    }
    list->points[list->count++] = (as_store_point){
        .run = as_str_copy(list->arena, cells[0].text),
        .started = as_str_copy(list->arena, cells[1].text),
        .git_commit = as_str_copy(list->arena, cells[2].text),
        .git_branch = as_str_copy(list->arena, cells[3].text),
        .verdict = as_str_copy(list->arena, cells[4].text),
        .value = number(&cells[5]),
        .ci = {number(&cells[6]), number(&cells[7])},
        .n = (uint64_t)cells[8].i64,
    };
    return AS_OK;
}

as_rc as_store_trend(as_store *store, as_arena *arena, as_str suite, as_str metric, as_str slice,
                     as_str since, const as_store_point **out, size_t *count, as_err *err) {
    point_list list = {.arena = arena};
    const as_db_value params[] = {as_db_text(suite), as_db_text(metric), as_db_text(slice),
                                  as_db_text(since)};
    as_rc rc = as_store_ask(store,
                            "SELECT r.run, r.started, r.git_commit, r.git_branch, r.verdict,"
                            " m.value, m.lo, m.hi, m.n FROM runs r JOIN metrics m ON m.run = r.run"
                            " WHERE r.suite = $1 AND m.metric = $2 AND m.slice = $3"
                            " AND r.started >= $4 ORDER BY r.run",
                            params, 4, take_point, &list, err);
    if (!rc) {
        as_store_point *kept = AS_NEW_ARRAY(arena, as_store_point, list.count);
        if (list.count) memcpy(kept, list.points, list.count * sizeof *kept);
        *out = kept;
        *count = list.count;
    }
    free(list.points);
    return rc;
}

typedef struct case_visit {
    as_arena arena;
    as_case_visit *each;
    void *context;
} case_visit;

static as_rc visit_case(void *context, const as_db_value *cells, as_err *err) {
    case_visit *v = context;
    as_sample sample;
    as_rc rc = as_store_read_sample(&v->arena, cells, &sample, err);
    as_store_past found = {.run = cells[4].text,
                           .suite = cells[5].text,
                           .started = cells[6].text,
                           .git_commit = cells[7].text,
                           .sample = &sample};
    if (!rc) rc = v->each(v->context, &found, err);
    as_arena_reset(&v->arena);
    return rc;
}

as_rc as_store_case(as_store *store, as_str suite, as_str case_id, size_t limit,
                    as_case_visit *each, void *context, as_err *err) {
    case_visit v = {.each = each, .context = context};
    const as_db_value params[] = {as_db_text(case_id), as_db_text(suite),
                                  as_db_i64(limit ? (int64_t)limit : INT64_MAX)};
    as_rc rc = as_store_ask(store,
                            "SELECT " AS_STORE_SAMPLE
                            ", r.run, r.suite, r.started, r.git_commit FROM runs r"
                            " JOIN samples s ON s.run = r.run AND s.case_id = $1"
                            " WHERE ($2 = '' OR r.suite = $2) AND r.run IN"
                            " (SELECT q.run FROM runs q JOIN samples t ON t.run = q.run"
                            " AND t.case_id = $1 AND t.sample = 0"
                            " WHERE $2 = '' OR q.suite = $2 ORDER BY q.run DESC LIMIT $3)"
                            " ORDER BY r.run DESC, s.sample",
                            params, 3, visit_case, &v, err);
    as_arena_free(&v.arena);
    return rc;
}
