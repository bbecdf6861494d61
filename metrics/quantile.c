// SPDX-License-Identifier: Apache-2.0
#include "metrics/quantile.h"

#include <math.h>
#include <stdlib.h>

#include "harness/base/arena.h"
#include "harness/base/rng.h"
#include "metrics/kept/bands.h"
#include "metrics/latency.h"

// One time of one run.
typedef struct point {
    double value;
    uint32_t cluster;
    uint32_t side; // 0: a, 1: b
} point;

static int order(const void *x, const void *y) {
    const point *p = x, *q = y;
    return (p->value > q->value) - (p->value < q->value);
}

static point *sorted_points(as_arena *arena, const as_quantile_pairs *pairs) {
    point *points = AS_NEW_ARRAY(arena, point, 2 * pairs->a->count + 1);
    as_column_reader a = as_column_read(pairs->a), b = as_column_read(pairs->b);
    as_column_case left, right;
    size_t n = 0;
    while (as_column_next(&a, &left) && as_column_next(&b, &right)) {
        points[n++] = (point){left.value, left.cluster, 0};
        points[n++] = (point){right.value, left.cluster, 1};
    }
    as_column_done(&b);
    if (n) qsort(points, n, sizeof *points, order);
    return points;
}

// The nearest-rank quantiles of both sides; cluster c counts times[c] times, and its sides change
// places where swap[c] is 1.
static void quantiles(const point *points, size_t point_count, double q, const uint32_t *times,
                      const uint32_t *swap, double total, double out[2]) {
    double rank = fmax(1, ceil(q * total - 1e-9)), met[2] = {0, 0};
    out[0] = out[1] = NAN;
    for (size_t i = 0; i < point_count && (isnan(out[0]) || isnan(out[1])); i++) {
        uint32_t side = points[i].side ^ swap[points[i].cluster];
        met[side] += times[points[i].cluster];
        if (isnan(out[side]) && met[side] >= rank) out[side] = points[i].value;
    }
}

static double quantile_of(const as_column *column, double q) {
    as_sorted sorted = {0};
    as_column_reader reader = as_column_read(column);
    as_column_case at;
    while (as_column_next(&reader, &at)) as_sorted_add(&sorted, at.value);
    as_sorted_seal(&sorted);
    double out = as_latency_rank_sorted(&sorted, q);
    as_sorted_free(&sorted);
    return out;
}

void as_quantile_change(const as_quantile_pairs *pairs, double q, double *a, double *b) {
    *a = quantile_of(pairs->a, q);
    *b = quantile_of(pairs->b, q);
}

// Cases in each cluster.
static uint32_t *sizes_of(as_arena *arena, const as_column *column) {
    uint32_t *sizes = AS_NEW_ARRAY(arena, uint32_t, column->cluster_count + 1);
    as_column_reader reader = as_column_read(column);
    as_column_case at;
    while (as_column_next(&reader, &at)) sizes[at.cluster]++;
    return sizes;
}

static void resample(as_arena *arena, const as_quantile_pairs *pairs, double q, size_t replicates,
                     double *drawn, double *swapped) {
    const point *points = sorted_points(arena, pairs);
    size_t groups = pairs->a->cluster_count, count = pairs->a->count, n = 2 * count;
    uint32_t *times = AS_NEW_ARRAY(arena, uint32_t, groups + 1);
    uint32_t *swap = AS_NEW_ARRAY(arena, uint32_t, groups + 1);
    const uint32_t *sizes = sizes_of(arena, pairs->a);
    as_rng rng = as_rng_of(AS_BANDS_SEED, AS_BANDS_STREAM);
    double both[2];
    for (size_t r = 0; r < replicates; r++) {
        double total = 0;
        for (size_t c = 0; c < groups; c++) times[c] = swap[c] = 0;
        for (size_t c = 0; c < groups; c++) {
            size_t drawn_unit = (size_t)(((as_rng_u64(&rng) >> 32) * groups) >> 32);
            times[drawn_unit]++;
            total += sizes[drawn_unit];
        }
        quantiles(points, n, q, times, swap, total, both);
        drawn[r] = both[1] - both[0];
        for (size_t c = 0; c < groups; c++) {
            times[c] = 1;
            swap[c] = (uint32_t)(as_rng_u64(&rng) >> 63);
        }
        quantiles(points, n, q, times, swap, (double)count, both);
        swapped[r] = both[1] - both[0];
    }
}

void as_quantile_resample(const as_quantile_pairs *pairs, double q, size_t replicates,
                          double *drawn, double *swapped) {
    as_arena arena = {0};
    size_t bytes = pairs->a->count * 2 * sizeof(point);
    bool few = pairs->a->clustered || bytes <= as_spill_room() / 4;
    if (few || !as_bands_resample(pairs, q, replicates, drawn, swapped))
        resample(&arena, pairs, q, replicates, drawn, swapped);
    as_arena_free(&arena);
}
