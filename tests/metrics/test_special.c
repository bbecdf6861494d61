// SPDX-License-Identifier: Apache-2.0
// Distributions, intervals and tests against scipy, statsmodels, closed forms and enumeration.
#include "tests/metrics/fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "metrics/interval.h"
#include "metrics/latency.h"
#include "metrics/num.h"
#include "metrics/paired.h"
#include "metrics/special.h"

static double special(as_str name, double a, double b, double c) {
    if (as_str_is(name, "lgamma")) return as_special_lgamma(a);
    if (as_str_is(name, "beta")) return as_special_beta(a, b, c);
    if (as_str_is(name, "beta_quantile")) return as_special_beta_quantile(a, b, c);
    if (as_str_is(name, "normal")) return as_special_normal(a);
    if (as_str_is(name, "normal_quantile")) return as_special_normal_quantile(a);
    if (as_str_is(name, "t")) return as_special_t(a, b);
    if (as_str_is(name, "t_quantile")) return as_special_t_quantile(a, b);
    if (as_str_is(name, "binomial_pmf")) return as_special_binomial_pmf(a, b, c);
    if (as_str_is(name, "binomial_upper")) return as_special_binomial_upper(a, b, c);
    fail_msg("no function '%.*s'", AS_STR_ARG(name));
    return NAN;
}

static void test_scipy(void **state) {
    (void)state;
    as_arena arena = {0};
    fixture_row *rows;
    size_t count = fixture_read(&arena, "tests/metrics/special.tsv", &rows);
    assert_true(count > 200);
    for (size_t i = 0; i < count; i++) {
        double x[4];
        for (size_t k = 0; k < 4; k++) x[k] = fixture_number(rows[i].cells[k + 1]);
        char what[160];
        snprintf(what, sizeof what, "%.*s(%g, %g, %g)", AS_STR_ARG(rows[i].cells[0]), x[0], x[1],
                 x[2]);
        double got = special(rows[i].cells[0], x[0], x[1], x[2]);
        if (fabs(x[3]) < 1e-290 && fabs(got) < 1e-290) continue;
        if (fabs(got - x[3]) > 1e-14) fixture_near(got, x[3], 4e-12, what);
    }
    as_arena_free(&arena);
}

static void test_exp_log(void **state) {
    (void)state;
    for (double x = -740; x < 709; x += 0.37) {
        fixture_near(as_num_exp(x), exp(x), x < -700 ? 1e-9 : 5e-16, "exp");
        fixture_near(as_num_log(exp(x)), log(exp(x)), 5e-16, "log");
    }
    assert_true(as_num_exp(0) == 1 && as_num_log(1) == 0);
    assert_true(isinf(as_num_log(0)) && isnan(as_num_log(-1)) && as_num_exp(-1e9) == 0);
    assert_true(isinf(as_num_exp(1e9)) && isnan(as_num_exp(NAN)));
}

static void test_sum(void **state) {
    (void)state;
    as_num_sum sum = {0};
    const double terms[] = {1, 1e100, 1, -1e100};
    for (size_t i = 0; i < 4; i++) as_num_add(&sum, terms[i]);
    assert_true(as_num_total(&sum) == 2);
}

static as_column column_of(const double *values, const double *weights, const uint32_t *clusters,
                           size_t count) {
    as_column out = {0};
    for (size_t i = 0; i < count; i++) as_column_add(&out, values[i], weights[i], clusters[i]);
    return out;
}

static void check_cr1(as_arena *arena, const fixture_row *row) {
    double *values, *weights;
    size_t groups = (size_t)fixture_number(row->cells[1]);
    size_t size = (size_t)fixture_number(row->cells[2]);
    size_t count = fixture_numbers(arena, row->cells[3], &values);
    assert_int_equal(count, groups * size);
    fixture_numbers(arena, row->cells[4], &weights);
    uint32_t *clusters = AS_NEW_ARRAY(arena, uint32_t, count);
    for (size_t i = 0; i < count; i++) clusters[i] = (uint32_t)(i / size);
    as_column column = column_of(values, weights, clusters, count);
    assert_int_equal(column.cluster_count, groups);
    as_mean mean = as_interval_mean(&column, NULL);
    as_column_free(&column);
    fixture_near(mean.value, fixture_number(row->cells[5]), 1e-11, "weighted mean");
    fixture_near(mean.stderr_, fixture_number(row->cells[6]), 1e-11, "CR1 error");
    fixture_near(as_interval_t(&mean, 0.05).lo, fixture_number(row->cells[7]), 1e-11, "CR1 bound");
}

static void check_holm(as_arena *arena, const fixture_row *row) {
    double *p, *want;
    size_t count = fixture_numbers(arena, row->cells[3], &p);
    fixture_numbers(arena, row->cells[4], &want);
    as_paired_holm(p, count);
    for (size_t i = 0; i < count; i++) fixture_near(p[i], want[i], 1e-13, "Holm");
}

// All resamples of five values: the replicates hold no chance.
static void check_bca(as_arena *arena, const fixture_row *row) {
    double *x, means[3125], jackknife[5];
    assert_int_equal(fixture_numbers(arena, row->cells[3], &x), 5);
    for (unsigned r = 0; r < 3125; r++) {
        double sum = 0;
        for (unsigned k = 0, rest = r; k < 5; k++, rest /= 5) sum += x[rest % 5];
        means[r] = round(sum / 5 * 1e9) / 1e9;
    }
    double mean = 0;
    for (size_t i = 0; i < 5; i++) mean += x[i] / 5;
    for (size_t i = 0; i < 5; i++) jackknife[i] = (mean * 5 - x[i]) / 4;
    as_num_sort(means, 3125);
    as_interval ci = as_interval_bca(means, 3125, round(mean * 1e9) / 1e9, jackknife, 5, 0.05);
    fixture_near(ci.lo, fixture_number(row->cells[5]), 1e-9, "BCa low");
    fixture_near(ci.hi, fixture_number(row->cells[6]), 1e-9, "BCa high");
}

static void check_pair(as_arena *arena, const fixture_row *row) {
    as_str name = row->cells[0];
    double x[3] = {fixture_number(row->cells[1]), fixture_number(row->cells[2]), 0}, *values;
    double want[2] = {fixture_number(row->cells[row->count - 2]),
                      fixture_number(row->cells[row->count - 1])};
    as_interval got = {NAN, NAN};
    if (as_str_is(name, "wilson")) {
        got = as_interval_wilson(x[0], x[1], 1.959963984540054);
    } else if (as_str_is(name, "clopper_pearson")) {
        got = as_interval_clopper_pearson(x[0], x[1], 0.05);
    } else if (as_str_is(name, "mcnemar")) {
        got.lo = as_paired_mcnemar(x[0], x[1]);
        got.hi = as_paired_mcnemar_two_sided(x[0], x[1]);
    } else if (as_str_is(name, "tango")) {
        got = as_paired_tango(x[0], x[1], fixture_number(row->cells[3]),
                              fixture_number(row->cells[4]));
    } else if (as_str_is(name, "sign_flip")) {
        size_t count = fixture_numbers(arena, row->cells[3], &values);
        as_flip_p p = as_paired_sign_flip(values, count);
        got = (as_interval){p.low, p.far};
    } else if (as_str_is(name, "rank")) {
        size_t count = fixture_numbers(arena, row->cells[3], &values);
        got = (as_interval){0, as_latency_rank(values, count, x[1])};
        want[0] = 0;
    }
    for (int i = 0; i < 2; i++) {
        double g = i ? got.hi : got.lo;
        if (fabs(g - want[i]) > 1e-15)
            fixture_near(g, want[i], 1e-11, as_strf(arena, "%.*s", AS_STR_ARG(name)).ptr);
    }
}

static void test_statsmodels(void **state) {
    (void)state;
    as_arena arena = {0};
    fixture_row *rows;
    size_t count = fixture_read(&arena, "tests/metrics/paired.tsv", &rows);
    assert_true(count > 40);
    for (size_t i = 0; i < count; i++) {
        as_str name = rows[i].cells[0];
        if (as_str_is(name, "cr1"))
            check_cr1(&arena, &rows[i]);
        else if (as_str_is(name, "holm"))
            check_holm(&arena, &rows[i]);
        else if (as_str_is(name, "bca"))
            check_bca(&arena, &rows[i]);
        else
            check_pair(&arena, &rows[i]);
    }
    as_arena_free(&arena);
}

// Published: Fagerland, Lydersen, Laake (2014), table of examples; and the closed form for no
// flips.
static void test_tango_published(void **state) {
    (void)state;
    as_interval cavo = as_paired_tango(6, 16, 161, 1.959963984540054);
    as_interval bentur = as_paired_tango(1, 7, 21, 1.959963984540054);
    assert_true(fabs(cavo.lo + 0.1240) < 5e-5 && fabs(cavo.hi + 0.0054) < 5e-5);
    assert_true(fabs(bentur.lo + 0.517) < 5e-4 && fabs(bentur.hi + 0.026) < 5e-4);
    for (double n = 1; n < 5000; n *= 3) {
        double z = 1.6448536269514722, end = z * z / (n + z * z);
        as_interval none = as_paired_tango(0, 0, n, z);
        fixture_near(none.lo, -end, 1e-12, "no flips, low");
        fixture_near(none.hi, end, 1e-12, "no flips, high");
    }
    // All flipped one way.
    as_interval all = as_paired_tango(0, 20, 20, 1.959963984540054);
    assert_true(all.lo == -1 && all.hi < -0.6 && all.hi > -1);
}

// Over all outcomes of small tables: the one-sided mid-p test errs at most at 5 %.
static void test_mcnemar_size(void **state) {
    (void)state;
    for (double n = 5; n <= 60; n += 5)
        for (double flips = 0.05; flips < 0.6; flips += 0.11) {
            double wrong = 0;
            for (double m = 0; m <= n; m++)
                for (double losses = 0; losses <= m; losses++)
                    if (as_paired_mcnemar(m - losses, losses) < 0.05)
                        wrong += as_special_binomial_pmf(m, n, flips) *
                                 as_special_binomial_pmf(losses, m, 0.5);
            assert_true(wrong <= 0.0501);
        }
}

static void test_sign_flip_drawn(void **state) {
    (void)state;
    double even[40], low[40];
    for (int i = 0; i < 40; i++) {
        even[i] = i % 2 ? 1 : -1;
        low[i] = i % 8 ? -1 : 1;
    }
    as_flip_p none = as_paired_sign_flip(even, 40), drop = as_paired_sign_flip(low, 40);
    // The sum of 40 signs: P(S <= 0) and, for 35 of 40 minus, essentially nothing.
    assert_true(fabs(none.low - 0.5627) < 0.02 && none.far == 1);
    assert_true(drop.low < 0.001 && drop.low >= 1e-4);
    assert_true(as_paired_sign_flip(even, 0).low == 1);
}

static void test_order_statistics(void **state) {
    (void)state;
    double sorted[100];
    for (int i = 0; i < 100; i++) sorted[i] = i + 1;
    // The classical interval of a median of 100: 40th and 61st.
    as_interval median = as_latency_interval(sorted, 100, 0.5, 0.025);
    assert_true(median.lo == 40 && median.hi == 61);
    as_interval p99 = as_latency_interval(sorted, 100, 0.99, 0.025);
    assert_true(p99.lo == 97 && isnan(p99.hi));
    assert_true(as_latency_rank(sorted, 100, 0.95) == 95);
    assert_true(as_latency_rank(sorted, 100, 1) == 100 && isnan(as_latency_rank(sorted, 0, 0.5)));
}

static void test_needed(void **state) {
    (void)state;
    // notes: 6.183 (psi - d^2) / d^2, psi 0.10, d 0.02 is 1,540 and 0.01 is 6,177.
    assert_int_equal((int)as_paired_needed(0.10 - 0.0004, 0.02), 1540);
    assert_int_equal((int)as_paired_needed(0.10 - 0.0001, 0.01), 6177);
    assert_true(fabs(as_paired_mde_binary(0.10, 1000) - 0.0248) < 1e-4);
    assert_true(fabs(as_paired_mde_binary(0.05, 200) - 0.0390) < 5e-4);
    assert_true(as_paired_needed(0.1, 0) == 0);
}

static void test_skewed_interval(void **state) {
    (void)state;
    double values[40], weights[40];
    uint32_t clusters[40];
    for (uint32_t i = 0; i < 40; i++)
        values[i] = i < 4 ? -3 - (double)i : 0.5, weights[i] = 1, clusters[i] = i;
    as_column column = column_of(values, weights, clusters, 40);
    as_mean mean = as_interval_mean(&column, NULL);
    as_column_free(&column);
    double sum3 = 0, sum2 = 0;
    for (size_t i = 0; i < 40; i++) {
        double d = values[i] - mean.value;
        sum2 += d * d / 40, sum3 += d * d * d / 40;
    }
    fixture_near(mean.skew, sum3 / pow(sum2, 1.5), 1e-12, "skewness");
    as_interval t = as_interval_t(&mean, 0.1), hall = as_interval_skewed(&mean, 0.1);
    // The end on the side of the tail is where Hall's statistic equals t's quantile; the other one
    // stays with t.
    double end = as_interval_unskewed((mean.value - hall.lo) / mean.stderr_, &mean);
    fixture_near(end, (mean.value - t.lo) / mean.stderr_, 1e-12, "Hall's end");
    assert_true(hall.lo < t.lo);
    fixture_near(hall.hi, t.hi, 1e-12, "the other end");
    for (size_t i = 0; i < 40; i++) values[i] = -values[i];
    column = column_of(values, weights, clusters, 40);
    mean = as_interval_mean(&column, NULL);
    as_column_free(&column);
    as_interval mirror = as_interval_skewed(&mean, 0.1);
    fixture_near(mirror.hi, -hall.lo, 1e-12, "mirrored");
    fixture_near(mirror.lo, -hall.hi, 1e-12, "mirrored");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_skewed_interval),  cmocka_unit_test(test_scipy),
        cmocka_unit_test(test_exp_log),          cmocka_unit_test(test_sum),
        cmocka_unit_test(test_statsmodels),      cmocka_unit_test(test_tango_published),
        cmocka_unit_test(test_mcnemar_size),     cmocka_unit_test(test_sign_flip_drawn),
        cmocka_unit_test(test_order_statistics), cmocka_unit_test(test_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
