// SPDX-License-Identifier: Apache-2.0
#include "metrics/versus/rank.h"

#include <math.h>
#include <stdlib.h>

#include "metrics/change.h"

enum { REPLICATES = 1999 };

void as_rank_bh(double *p, size_t count) {
    size_t tests = 0;
    for (size_t i = 0; i < count; i++) tests += isnan(p[i]) ? 0 : 1;
    double ceiling = 1;
    for (size_t rank = tests; rank > 0; rank--) { // from the largest down
        size_t worst = count;
        for (size_t i = 0; i < count; i++)
            if (!isnan(p[i]) && p[i] >= 0 && (worst == count || p[i] >= p[worst])) worst = i;
        ceiling = fmin(ceiling, p[worst] * (double)tests / (double)rank);
        p[worst] = -1 - ceiling; // done: kept below 0 until all are
    }
    for (size_t i = 0; i < count; i++)
        if (p[i] < 0) p[i] = -1 - p[i];
}

static int surest_first(const void *x, const void *y) {
    const as_delta *a = *(const as_delta *const *)x, *b = *(const as_delta *const *)y;
    if (a->q != b->q) return a->q < b->q ? -1 : 1;
    if (a->p_drop != b->p_drop) return a->p_drop < b->p_drop ? -1 : 1;
    int way = as_str_cmp(a->slice, b->slice);
    return way ? way : as_str_cmp(a->name, b->name);
}

void as_rank_regressed(as_arena *arena, as_delta *deltas, size_t count, const as_delta *const **out,
                       size_t *out_count) {
    as_arena scratch = {0};
    double *p = AS_NEW_ARRAY(&scratch, double, count + 1);
    const as_delta **list = AS_NEW_ARRAY(arena, const as_delta *, count + 1);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) p[i] = deltas[i].slice.len ? deltas[i].p_drop : NAN;
    as_rank_bh(p, count);
    for (size_t i = 0; i < count; i++) {
        deltas[i].q = p[i];
        if (p[i] <= AS_RANK_FDR) list[n++] = &deltas[i];
    }
    if (n) qsort(list, n, sizeof *list, surest_first);
    *out = list;
    *out_count = n;
    as_arena_free(&scratch);
}

as_delta as_rank_ratio(as_arena *arena, as_scorer *a, as_scorer *b, as_str run_metric) {
    as_metric metric = {.ops = as_metric_run_find(run_metric), .name = run_metric};
    const as_metric *pointer = &metric;
    as_pairs pairs = as_pair_list(a, b, AS_STR(""));
    as_change_how how = {.replicates = REPLICATES, .relative = true};
    as_change change;
    as_change_of(&pairs, &pointer, &pointer, 1, &how, &change);
    return (as_delta){.name = as_str_copy(arena, run_metric),
                      .slice = AS_STR(""),
                      .a = change.a,
                      .b = change.b,
                      .delta = change.delta,
                      .ci = change.ci95,
                      .p = change.p_any,
                      .p_drop = change.p_drop,
                      .q = NAN,
                      .mde = change.mde,
                      .n = isnan(change.delta) ? 0 : change.n,
                      .method = change.method};
}

static bool beats(const double *x, const double *y, size_t width, const bool *known) {
    bool better = false;
    for (size_t i = 0; i < width; i++) {
        if (!known[i]) continue;
        if (x[i] < y[i]) return false;
        better |= x[i] > y[i];
    }
    return better;
}

void as_rank_front(const double *values, size_t count, size_t width, bool *on_front) {
    as_arena scratch = {0};
    bool *known = AS_NEW_ARRAY(&scratch, bool, width + 1);
    for (size_t c = 0; c < width; c++) {
        known[c] = true;
        for (size_t i = 0; i < count; i++) known[c] &= !isnan(values[i * width + c]);
    }
    for (size_t i = 0; i < count; i++) {
        on_front[i] = true;
        for (size_t k = 0; k < count; k++)
            on_front[i] &= k == i || !beats(values + k * width, values + i * width, width, known);
    }
    as_arena_free(&scratch);
}
