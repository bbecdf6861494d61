// SPDX-License-Identifier: Apache-2.0
// Change points against every possible segmentation, every permutation, and simulated noise.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "harness/base/rng.h"
#include "metrics/changepoint.h"

enum { BRUTE_MAX = 11 };

static double normal(as_rng *rng) { // Box-Muller
    double radius = sqrt(-2 * log(1 - as_rng_unit(rng)));
    return radius * cos(6.283185307179586 * as_rng_unit(rng));
}

static double spread(const double *v, size_t n) {
    double mean = 0, sum = 0;
    for (size_t i = 0; i < n; i++) mean += v[i] / (double)n;
    for (size_t i = 0; i < n; i++) sum += (v[i] - mean) * (v[i] - mean);
    return sum;
}

// Bit i of the mask: a segment begins at i + 1. Only the last segment may be a single value.
static bool allowed(unsigned mask, size_t n) {
    size_t from = 0;
    for (size_t i = 1; i < n; i++) {
        if (!(mask >> (i - 1) & 1)) continue;
        if (i - from < 2) return false;
        from = i;
    }
    return true;
}

static unsigned brute_force(const double *v, size_t n, double penalty) {
    double best = INFINITY;
    unsigned choice = 0;
    for (unsigned mask = 0; mask < 1u << (n - 1); mask++) {
        if (!allowed(mask, n)) continue;
        double cost = 0;
        size_t from = 0;
        for (size_t i = 1; i <= n; i++) {
            if (i < n && !(mask >> (i - 1) & 1)) continue;
            cost += spread(v + from, i - from) + (i < n ? penalty : 0);
            from = i;
        }
        if (cost < best - 1e-12) {
            best = cost;
            choice = mask;
        }
    }
    return choice;
}

static void test_equals_every_segmentation_tried(void **state) {
    (void)state;
    as_changepoint found[AS_CHANGEPOINT_MAX];
    size_t changes = 0;
    for (uint64_t trial = 0; trial < 400; trial++) {
        double v[BRUTE_MAX];
        as_rng rng = as_rng_of(7, trial);
        size_t n = 3 + as_rng_below(&rng, BRUTE_MAX - 2);
        double level = 0;
        for (size_t i = 0; i < n; i++) {
            if (as_rng_below(&rng, 4) == 0) level += 6 * normal(&rng);
            v[i] = level + normal(&rng);
        }
        double noise = as_changepoint_noise(v, n, 0);
        unsigned want = brute_force(v, n, 3 * noise * noise * log((double)n)), got = 0;
        size_t count = as_changepoint_find(v, n, 0, found);
        for (size_t i = 0; i < count; i++) got |= 1u << (found[i].at - 1);
        assert_int_equal(got, want);
        changes += count;
    }
    assert_true(changes > 200); // the series do hold changes
}

static void test_names_the_run_the_levels_and_p(void **state) {
    (void)state;
    as_changepoint found[AS_CHANGEPOINT_MAX];
    const double steps[] = {.90, .91, .90, NAN, .91, .90, .84, .85, .84, .85, .84};
    assert_int_equal(as_changepoint_find(steps, 11, 0.001, found), 1);
    assert_int_equal(found[0].at, 6);
    assert_float_equal(found[0].before, .904, 1e-9);
    assert_float_equal(found[0].after, .844, 1e-9);
    assert_float_equal(found[0].p, 2.0 / 252, 1e-9); // both ends of 10 over 5 arrangements
    // The newest run alone, and a step up and down again.
    const double newest[] = {.9, .9, .91, .9, .91, .9, .5};
    assert_int_equal(as_changepoint_find(newest, 7, 0.001, found), 1);
    assert_int_equal(found[0].at, 6);
    assert_float_equal(found[0].p, 1.0 / 7, 1e-9);
    const double dip[] = {5, 5.1, 5, 5.1, 2, 2.1, 2, 5, 5.1, 5.1};
    assert_int_equal(as_changepoint_find(dip, 10, 0, found), 2);
    assert_int_equal(found[0].at, 4);
    assert_int_equal(found[1].at, 7);
}

static void test_what_is_no_change(void **state) {
    (void)state;
    as_changepoint found[AS_CHANGEPOINT_MAX];
    const double flat[] = {.9, .9, .9, .9, .9, .9}, one[] = {1}, gaps[] = {NAN, NAN, 3, NAN};
    assert_int_equal(as_changepoint_find(flat, 6, 0, found), 0);
    assert_int_equal(as_changepoint_find(one, 1, 0, found), 0);
    assert_int_equal(as_changepoint_find(gaps, 4, 0, found), 0);
    assert_int_equal(as_changepoint_find(NULL, 0, 0, found), 0);
    // Less than the resolution apart: one case out of a hundred is no news.
    const double one_case[] = {.90, .90, .90, .90, .91, .91, .91};
    assert_int_equal(as_changepoint_find(one_case, 7, 0.01, found), 0);
    assert_int_equal(as_changepoint_find(one_case, 7, 0, found), 1);
}

static void test_false_alarms_are_rare_and_real_steps_are_found(void **state) {
    (void)state;
    enum { SERIES = 400, RUNS = 40 };
    as_changepoint found[AS_CHANGEPOINT_MAX];
    size_t alarms = 0, hits = 0;
    for (uint64_t trial = 0; trial < SERIES; trial++) {
        double v[RUNS];
        as_rng rng = as_rng_of(11, trial);
        for (size_t i = 0; i < RUNS; i++) v[i] = normal(&rng);
        alarms += as_changepoint_find(v, RUNS, 0, found) > 0;
        for (size_t i = RUNS / 2; i < RUNS; i++) v[i] += 3;
        size_t count = as_changepoint_find(v, RUNS, 0, found);
        bool hit = false;
        for (size_t i = 0; i < count; i++)
            hit |= found[i].at >= RUNS / 2 - 1 && found[i].at <= RUNS / 2 + 1 && found[i].p < 0.01;
        if (hit) hits++;
    }
    print_message("false alarms %zu of %d series, steps of 3 sigma found %zu\n", alarms, SERIES,
                  hits);
    assert_true(alarms <= SERIES / 10);
    assert_true(hits >= SERIES * 95 / 100);
}

static void test_long_series(void **state) {
    (void)state;
    enum { RUNS = 2500 };
    static double v[RUNS];
    as_changepoint found[AS_CHANGEPOINT_MAX];
    as_rng rng = as_rng_of(13, 0);
    for (size_t i = 0; i < RUNS; i++) v[i] = (i < 2000 ? 0 : 10) + normal(&rng);
    assert_int_equal(as_changepoint_find(v, RUNS, 0, found), 1);
    assert_int_equal(found[0].at, 2000);
    assert_true(found[0].p < 0.001);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_every_segmentation_tried),
        cmocka_unit_test(test_names_the_run_the_levels_and_p),
        cmocka_unit_test(test_what_is_no_change),
        cmocka_unit_test(test_false_alarms_are_rare_and_real_steps_are_found),
        cmocka_unit_test(test_long_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
