// SPDX-License-Identifier: Apache-2.0
#include "metrics/quantile.h"

#include <math.h>
#include <stdlib.h>

#include "harness/base/rng.h"

enum { SEED = 0xa55a, STREAM = 4 };

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
    point *points = AS_NEW_ARRAY(arena, point, 2 * pairs->count + 1);
    for (size_t i = 0; i < pairs->count; i++) {
        points[2 * i] = (point){pairs->a[i], pairs->clusters[i], 0};
        points[2 * i + 1] = (point){pairs->b[i], pairs->clusters[i], 1};
    }
    if (pairs->count) qsort(points, 2 * pairs->count, sizeof *points, order);
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

void as_quantile_change(as_arena *arena, const as_quantile_pairs *pairs, double q, double *a,
                        double *b) {
    const point *points = sorted_points(arena, pairs);
    uint32_t *times = AS_NEW_ARRAY(arena, uint32_t, pairs->cluster_count + 1);
    uint32_t *swap = AS_NEW_ARRAY(arena, uint32_t, pairs->cluster_count + 1);
    for (size_t c = 0; c < pairs->cluster_count; c++) times[c] = 1;
    double both[2];
    quantiles(points, 2 * pairs->count, q, times, swap, (double)pairs->count, both);
    *a = both[0];
    *b = both[1];
}

void as_quantile_resample(as_arena *arena, const as_quantile_pairs *pairs, double q,
                          size_t replicates, double *drawn, double *swapped) {
    const point *points = sorted_points(arena, pairs);
    size_t groups = pairs->cluster_count, n = 2 * pairs->count;
    uint32_t *times = AS_NEW_ARRAY(arena, uint32_t, groups + 1);
    uint32_t *swap = AS_NEW_ARRAY(arena, uint32_t, groups + 1);
    uint32_t *sizes = AS_NEW_ARRAY(arena, uint32_t, groups + 1);
    for (size_t i = 0; i < pairs->count; i++) sizes[pairs->clusters[i]]++;
    as_rng rng = as_rng_of(SEED, STREAM);
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
        quantiles(points, n, q, times, swap, (double)pairs->count, both);
        swapped[r] = both[1] - both[0];
    }
}
