// SPDX-License-Identifier: Apache-2.0
#include "metrics/changepoint.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/arena.h"
#include "harness/base/rng.h"

enum { ARRANGEMENTS_MAX = 20000, SHORTEST = 2 };
#define PENALTY 3.0
// Median of |a - b| for independent standard normal a, b: sqrt(2) times the normal's 3rd quartile.
#define NORMAL_DIFFERENCE 0.9538725524

typedef struct series {
    double values[AS_CHANGEPOINT_VALUES_MAX];
    size_t index[AS_CHANGEPOINT_VALUES_MAX]; // of each value in the caller's array
    size_t count;
} series;

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double noise_of(const double *values, size_t count, double resolution) {
    static const double least = 1e-12; // rounding of means is no change
    double differences[AS_CHANGEPOINT_VALUES_MAX], scale = 0;
    for (size_t i = 0; i < count; i++) scale = fmax(scale, fabs(values[i]));
    double floor = fmax(resolution, least * scale);
    if (count < 2) return floor;
    for (size_t i = 1; i < count; i++) differences[i - 1] = fabs(values[i] - values[i - 1]);
    qsort(differences, count - 1, sizeof *differences, by_value);
    size_t n = count - 1;
    double median = (differences[(n - 1) / 2] + differences[n / 2]) / 2;
    return fmax(median / NORMAL_DIFFERENCE, floor);
}

static void gather(series *s, const double *values, size_t count) {
    size_t finite = 0;
    for (size_t i = 0; i < count; i++) finite += isfinite(values[i]) != 0;
    size_t skip = finite > AS_CHANGEPOINT_VALUES_MAX ? finite - AS_CHANGEPOINT_VALUES_MAX : 0;
    s->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) continue;
        if (skip) {
            skip--;
            continue;
        }
        s->values[s->count] = values[i];
        s->index[s->count++] = i;
    }
}

double as_changepoint_noise(const double *values, size_t count, double resolution) {
    series *s = as_mem_new(sizeof *s);
    gather(s, values, count);
    double noise = noise_of(s->values, s->count, resolution);
    free(s);
    return noise;
}

static double mean_of(const double *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += values[i];
    return sum / (double)count;
}

// best[j]: least cost of the first j values; last[j]: where the segment that ends there began.
static void partition(const series *s, double penalty, double *best, size_t *last) {
    size_t n = s->count;
    double sum[AS_CHANGEPOINT_VALUES_MAX + 1], square[AS_CHANGEPOINT_VALUES_MAX + 1];
    double origin = mean_of(s->values, n); // keeps the sums of squares small
    sum[0] = square[0] = 0;
    for (size_t i = 0; i < n; i++) {
        double v = s->values[i] - origin;
        sum[i + 1] = sum[i] + v;
        square[i + 1] = square[i] + v * v;
    }
    best[0] = -penalty;
    for (size_t j = 1; j <= n; j++) {
        size_t shortest = j == n ? 1 : SHORTEST;
        best[j] = INFINITY;
        last[j] = 0;
        for (size_t i = 0; i + shortest <= j; i++) {
            double total = sum[j] - sum[i];
            double cost = square[j] - square[i] - total * total / (double)(j - i);
            double all = best[i] + fmax(cost, 0) + penalty;
            if (all >= best[j]) continue;
            best[j] = all;
            last[j] = i;
        }
    }
}

// n over k, or INFINITY past what is enumerated.
static double arrangements(size_t n, size_t k) {
    double product = 1;
    for (size_t i = 1; i <= k; i++) {
        product = product * (double)(n - k + i) / (double)i;
        if (product > ARRANGEMENTS_MAX) return INFINITY;
    }
    return product;
}

// The next choice of k out of n in order; false after the last.
static bool next_choice(size_t *chosen, size_t k, size_t n) {
    size_t i = k;
    while (i > 0 && chosen[i - 1] == n - k + i - 1) i--;
    if (!i) return false;
    chosen[i - 1]++;
    for (; i < k; i++) chosen[i] = chosen[i - 1] + 1;
    return true;
}

typedef struct permuted {
    double total, apart; // of all values; |difference of means| that was seen
    size_t n, k;
} permuted;

// The difference of means follows from the sum of one side.
static bool as_far(const permuted *p, double side) {
    double k = (double)p->k, rest = (double)(p->n - p->k);
    double apart = fabs(side / k - (p->total - side) / rest);
    return apart >= p->apart * (1 - 1e-9);
}

static double permute_exactly(const permuted *p, const double *values) {
    size_t chosen[AS_CHANGEPOINT_VALUES_MAX];
    double far = 0, all = 0;
    for (size_t i = 0; i < p->k; i++) chosen[i] = i;
    do {
        double side = 0;
        for (size_t i = 0; i < p->k; i++) side += values[chosen[i]];
        far += as_far(p, side);
        all++;
    } while (next_choice(chosen, p->k, p->n));
    return far / all;
}

static double permute_at_random(const permuted *p, const double *values) {
    double shuffled[AS_CHANGEPOINT_VALUES_MAX];
    double far = 1; // the arrangement that was seen
    as_rng rng = as_rng_of(0x636870, p->n);
    memcpy(shuffled, values, p->n * sizeof *values);
    for (size_t r = 1; r < ARRANGEMENTS_MAX; r++) {
        double side = 0;
        for (size_t i = 0; i < p->k; i++) {
            size_t other = i + (size_t)as_rng_below(&rng, p->n - i);
            double swap = shuffled[i];
            shuffled[i] = shuffled[other];
            shuffled[other] = swap;
            side += shuffled[i];
        }
        far += as_far(p, side);
    }
    return far / ARRANGEMENTS_MAX;
}

static double permutation_p(const double *values, size_t split, size_t n) {
    double left = mean_of(values, split), right = mean_of(values + split, n - split);
    size_t k = split < n - split ? split : n - split;
    permuted p = {
        .total = mean_of(values, n) * (double)n, .apart = fabs(left - right), .n = n, .k = k};
    return isfinite(arrangements(n, k)) ? permute_exactly(&p, values)
                                        : permute_at_random(&p, values);
}

size_t as_changepoint_find(const double *values, size_t count, double resolution,
                           as_changepoint out[AS_CHANGEPOINT_MAX]) {
    series *s = as_mem_new(sizeof *s);
    double best[AS_CHANGEPOINT_VALUES_MAX + 1];
    size_t last[AS_CHANGEPOINT_VALUES_MAX + 1], starts[AS_CHANGEPOINT_VALUES_MAX + 1];
    size_t segments = 0, found = 0;
    gather(s, values, count);
    if (s->count > SHORTEST) {
        double noise = noise_of(s->values, s->count, resolution);
        partition(s, PENALTY * noise * noise * log((double)s->count), best, last);
        starts[segments++] = s->count;
        for (size_t j = s->count; j > 0; j = last[j]) starts[segments++] = last[j];
    }
    // starts[] runs backwards: the end of the series first, its beginning last.
    for (size_t i = segments; i-- > 2 && found < AS_CHANGEPOINT_MAX;) {
        size_t from = starts[i], split = starts[i - 1], to = starts[i - 2];
        out[found++] = (as_changepoint){
            .at = s->index[split],
            .before = mean_of(s->values + from, split - from),
            .after = mean_of(s->values + split, to - split),
            .p = permutation_p(s->values + from, split - from, to - from),
        };
    }
    free(s);
    return found;
}
