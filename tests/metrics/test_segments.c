// SPDX-License-Identifier: Apache-2.0
// Standard errors of ranked metrics of many cases, from blocks and segments, against DeLong's
// closed form (1988) and against resamples of whole clusters with another generator.
#include "tests/metrics/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "metrics/kept/segments.h"
#include "metrics/num.h"

enum { CASES = 17000, REPLICATES = 400 };

// Shares that two estimates of 400 replicates differ by at most here; the seeds are constant.
#define AGREE 0.12

typedef struct cases {
    double stats[2 * CASES], weights[CASES];
    uint32_t order[CASES], clusters[CASES];
    size_t groups;
    as_ranked ranked;
} cases;

static int falling(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (x[1] < y[1]) - (x[1] > y[1]);
}

// `rare`: one in so many is positive. Scores are rounded, so that some are ties.
static cases *make(size_t rare, bool weighted, size_t of_cluster) {
    cases *c = as_mem_new(sizeof *c);
    as_rng rng = as_rng_of(11, rare + of_cluster);
    for (size_t i = 0; i < CASES; i++) {
        bool positive = as_rng_below(&rng, rare) == 0;
        double score = as_rng_unit(&rng) + as_rng_unit(&rng) + as_rng_unit(&rng);
        c->stats[2 * i] = positive ? 1 : 2;
        c->stats[2 * i + 1] = floor(1e4 * (score + (positive ? 0.8 : 0)) / 3.8) / 1e4;
    }
    qsort(c->stats, CASES, 2 * sizeof(double), falling);
    for (size_t i = 0; i < CASES; i++) {
        c->order[i] = (uint32_t)i;
        c->weights[i] = weighted ? 0.5 + 0.25 * (double)as_rng_below(&rng, 4) : 1;
        c->clusters[i] = (uint32_t)(i * 7919 % CASES / of_cluster);
    }
    c->groups = (CASES + of_cluster - 1) / of_cluster;
    c->ranked = (as_ranked){CASES, 1, c->stats, c->order, c->weights};
    return c;
}

static double deviation(const double *values) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < REPLICATES; i++) sum += values[i];
    for (size_t i = 0; i < REPLICATES; i++) squares += pow(values[i] - sum / REPLICATES, 2);
    return sqrt(squares / (REPLICATES - 1));
}

static const as_metric *metric(size_t index) {
    static as_metric metrics[3];
    static const char *const names[] = {"roc_auc", "average_precision", "ace"};
    static as_arena arena;
    as_err err;
    as_metric_spec spec = {.name = as_str_of(names[index])};
    if (!metrics[index].ops)
        assert_int_equal(as_metric_resolve(&arena, &spec, &metrics[index], &err), AS_OK);
    return &metrics[index];
}

// Of the three metrics: by segments, and by whole clusters.
static void spread(const cases *c, double by_segments[3], double whole[3]) {
    const as_metric *const metrics[] = {metric(0), metric(1), metric(2)};
    double values[3], *out = as_mem_new(3 * REPLICATES * sizeof *out);
    double *weights = as_mem_new(CASES * sizeof *weights);
    uint32_t *times = as_mem_new(c->groups * sizeof *times);
    as_segments of = {&c->ranked, c->clusters, c->groups};
    as_ranked drawn = c->ranked;
    for (size_t m = 0; m < 3; m++) values[m] = metrics[m]->ops->ranked(metrics[m], &c->ranked);
    as_segments_resample(&of, metrics, 3, values, REPLICATES, REPLICATES, out);
    for (size_t m = 0; m < 3; m++) by_segments[m] = deviation(out + m * REPLICATES);
    as_rng rng = as_rng_of(5, 77);
    drawn.weights = weights;
    for (size_t k = 0; k < REPLICATES; k++) {
        memset(times, 0, c->groups * sizeof *times);
        for (size_t i = 0; i < c->groups; i++) times[as_rng_below(&rng, c->groups)]++;
        for (size_t i = 0; i < CASES; i++) weights[i] = c->weights[i] * times[c->clusters[i]];
        for (size_t m = 0; m < 3; m++)
            out[m * REPLICATES + k] = metrics[m]->ops->ranked(metrics[m], &drawn);
    }
    for (size_t m = 0; m < 3; m++) whole[m] = deviation(out + m * REPLICATES);
    free(out);
    free(weights);
    free(times);
}

// Variance of the area from the share of the other class that each case is above or below of.
static double delong(const cases *c) {
    double n[2] = {0, 0}, seen[2] = {0, 0}, sum[2] = {0, 0}, squares[2] = {0, 0};
    for (size_t i = 0; i < CASES; i++) n[c->stats[2 * i] == 1]++;
    for (size_t from = 0, to; from < CASES; from = to) {
        double here[2] = {0, 0};
        for (to = from; to < CASES && c->stats[2 * to + 1] == c->stats[2 * from + 1]; to++)
            here[c->stats[2 * to] == 1]++;
        double above[2] = {(seen[1] + here[1] / 2) / n[1],
                           1 - (seen[0] + here[0] / 2) / n[0]}; // placements
        for (size_t class = 0; class < 2; class ++) {
            sum[class] += here[class] * above[class];
            squares[class] += here[class] * above[class] * above[class];
            seen[class] += here[class];
        }
    }
    double variance = 0;
    for (size_t class = 0; class < 2; class ++) {
        double mean = sum[class] / n[class];
        variance += (squares[class] / n[class] - mean * mean) / (n[class] - 1);
    }
    return sqrt(variance);
}

static void test_spread(void **state) {
    (void)state;
    static const struct shape {
        size_t rare, of_cluster;
        bool weighted;
    } shapes[] = {{2, 1, false}, {40, 1, false}, {2, 1, true}, {2, 4, false}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        double by_segments[3], whole[3];
        cases *c = make(shapes[i].rare, shapes[i].weighted, shapes[i].of_cluster);
        spread(c, by_segments, whole);
        for (size_t m = 0; m < 3; m++)
            if (!(fabs(by_segments[m] / whole[m] - 1) < AGREE))
                fail_msg("shape %zu, metric %zu: %g by segments, %g whole", i, m, by_segments[m],
                         whole[m]);
        if (!shapes[i].weighted && shapes[i].of_cluster == 1)
            assert_true(fabs(by_segments[0] / delong(c) - 1) < AGREE);
        free(c);
    }
}

// The moved replicates lie about the value itself, not about that of the segments.
static void test_one_class_of_few(void **state) {
    (void)state;
    cases *c = make(2, false, 1);
    double values[1], out[REPLICATES], sum = 0;
    for (size_t i = 0; i < CASES; i++) c->stats[2 * i] = i % 1700 == 3 ? 1 : 2; // ten of them
    const as_metric *const metrics[] = {metric(1)};
    as_segments of = {&c->ranked, c->clusters, c->groups};
    values[0] = metrics[0]->ops->ranked(metrics[0], &c->ranked);
    as_segments_resample(&of, metrics, 1, values, REPLICATES, REPLICATES, out);
    for (size_t k = 0; k < REPLICATES; k++) sum += out[k];
    assert_true(fabs(sum / REPLICATES - values[0]) < 3 * deviation(out));
    assert_true(deviation(out) > 0);
    for (size_t i = 0; i < CASES; i++) c->stats[2 * i] = 1; // of one class alone: ace is defined
    const as_metric *const alone[] = {metric(2)};
    values[0] = alone[0]->ops->ranked(alone[0], &c->ranked);
    as_segments_resample(&of, alone, 1, values, REPLICATES, REPLICATES, out);
    for (size_t k = 0; k < REPLICATES; k++) assert_true(fabs(out[k] - values[0]) < 0.01);
    free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_spread),
                                       cmocka_unit_test(test_one_class_of_few)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
