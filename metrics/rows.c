// SPDX-License-Identifier: Apache-2.0
#include "metrics/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/several.h"

uint32_t as_rows_name(as_scorer *scorer, as_names *names, as_str name) {
    uint64_t number;
    if (as_map_get(&names->map, name, &number)) return (uint32_t)number;
    if (names->count == names->capacity) {
        names->capacity = names->capacity ? 2 * names->capacity : 64;
        names->items = as_mem_grow(names->items, as_size_mul(names->capacity, sizeof(as_str)));
    }
    as_str kept = as_str_copy(&scorer->arena, name);
    names->items[names->count] = kept;
    as_map_add(&names->map, kept, names->count, NULL);
    return (uint32_t)names->count++;
}

static int order_rows(const void *a, const void *b) {
    const as_row *x = a, *y = b;
    int way = as_str_cmp(x->id, y->id);
    return way ? way : (x->sample > y->sample) - (x->sample < y->sample);
}

static bool label_number(as_str label, double *out) {
    char first = label.len ? label.ptr[0] : 0;
    return ((first >= '0' && first <= '9') || first == '-' || first == '.') &&
           as_str_to_f64(label, out);
}

int as_rows_label_order(as_str a, as_str b) {
    double x = 0, y = 0;
    bool a_number = label_number(a, &x), b_number = label_number(b, &y);
    if (a_number != b_number) return a_number ? -1 : 1;
    if (a_number && x != y) return x < y ? -1 : 1;
    return as_str_cmp(a, b);
}

static int order_labels(const void *a, const void *b) {
    return as_rows_label_order(*(const as_str *)a, *(const as_str *)b);
}

static int order_strs(const void *a, const void *b) {
    return as_str_cmp(*(const as_str *)a, *(const as_str *)b);
}

static void sort_names(as_arena *arena, as_names *names,
                       int (*order)(const void *a, const void *b)) {
    names->sorted = AS_NEW_ARRAY(arena, as_str, names->count + 1);
    names->ranks = AS_NEW_ARRAY(arena, uint32_t, names->count + 1);
    if (!names->count) return;
    memcpy(names->sorted, names->items, names->count * sizeof(as_str));
    qsort(names->sorted, names->count, sizeof(as_str), order);
    for (size_t i = 0; i < names->count; i++) {
        uint64_t number = 0;
        as_map_get(&names->map, names->sorted[i], &number);
        names->ranks[number] = (uint32_t)i;
    }
}

static void number_clusters(as_scorer *scorer) {
    as_map map = {0};
    uint64_t number = 0;
    for (size_t i = 0; i < scorer->row_count; i++) {
        as_row *row = &scorer->rows[i];
        uint64_t known = number;
        if (!row->cluster_name.len || as_map_add(&map, row->cluster_name, number, &known))
            known = number++;
        row->cluster = (uint32_t)known;
        as_several_number(scorer, row);
    }
    scorer->cluster_count = (size_t)number;
    as_map_free(&map);
}

void as_rows_seal(as_scorer *scorer) {
    if (scorer->is_sealed) return;
    as_arena_reset(&scorer->sealed);
    bool sorted = true; // as most runs of one worker are
    for (size_t i = 1; i < scorer->answer_count && sorted; i++)
        sorted = order_rows(&scorer->answers[i - 1], &scorer->answers[i]) <= 0;
    if (!sorted) qsort(scorer->answers, scorer->answer_count, sizeof(as_row), order_rows);
    scorer->rows = scorer->answers;
    scorer->row_count = scorer->answer_count;
    if (scorer->has_several) as_several_merge(scorer);
    sort_names(&scorer->sealed, &scorer->labels, order_labels);
    sort_names(&scorer->sealed, &scorer->slices, order_strs);
    number_clusters(scorer);
    scorer->is_sealed = true;
}

const as_metric *as_rows_metric(const as_scorer *scorer, as_str name) {
    for (size_t i = 0; i < scorer->metric_count; i++)
        if (as_str_eq(scorer->metrics[i].name, name)) return &scorer->metrics[i];
    return NULL;
}

bool as_rows_in_slice(const as_row *row, uint32_t slice) {
    if (slice == AS_ROWS_NONE) return true;
    for (size_t i = 0; i < row->slice_count; i++)
        if (row->slices[i] == slice) return true;
    return false;
}

bool as_rows_slice(const as_scorer *scorer, as_str name, uint32_t *out) {
    uint64_t number = AS_ROWS_NONE;
    if (name.len && !as_map_get(&scorer->slices.map, name, &number)) return false;
    *out = (uint32_t)number;
    return true;
}

const as_row *as_rows_of(const as_scorer *scorer, const as_metric *metric, size_t *count) {
    bool of_requests = metric->ops->flags & AS_METRIC_RUN && metric->ops->variant != AS_RUN_COST &&
                       metric->ops->variant != AS_RUN_CORRECT_COST;
    *count = of_requests ? scorer->answer_count : scorer->row_count;
    return of_requests ? scorer->answers : scorer->rows;
}

bool as_rows_whole(const as_row *row) {
    bool whole = !row->missing;
    for (size_t i = 0; i < row->answer_count; i++) whole &= !row->answers[i].missing;
    return whole;
}

static double run_score(const as_metric *metric, const as_row *row) {
    if (row->missing && !(metric->ops->flags & AS_METRIC_ERRORS)) return NAN;
    switch ((as_run_field)metric->ops->variant) {
    case AS_RUN_LATENCY:
        return row->latency_ms;
    case AS_RUN_TTFT:
        return row->ttft_ms;
    case AS_RUN_TPOT:
        return row->tpot_ms;
    case AS_RUN_COST:
    case AS_RUN_CORRECT_COST:
        return row->cost;
    case AS_RUN_ERROR:
        return row->missing;
    }
    return NAN;
}

double as_rows_score(const as_metric *metric, const as_row *row) {
    if (metric->ops->flags & AS_METRIC_RUN) return run_score(metric, row);
    return row->missing ? NAN : row->scores[metric->index];
}

double as_rows_weight(const as_metric *metric, const as_row *row) {
    return metric->ops->flags & AS_METRIC_RUN ? 1 : row->weight;
}

bool as_rows_correct(const as_scorer *scorer, const as_row *row) {
    for (size_t i = 0; !row->missing && i < scorer->metric_count; i++)
        if (scorer->metrics[i].ops->flags & AS_METRIC_UNIT) return row->scores[i] >= 1;
    return false;
}

size_t as_rows_renumber(as_arena *arena, uint32_t *numbers, size_t count, size_t bound) {
    uint32_t *fresh = AS_NEW_ARRAY(arena, uint32_t, bound + 1); // 0: not met yet
    size_t next = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t *mine = &fresh[numbers[i]];
        if (!*mine) *mine = (uint32_t)++next;
        numbers[i] = *mine - 1;
    }
    return next;
}
