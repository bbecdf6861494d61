// SPDX-License-Identifier: Apache-2.0
// Comparison of many: corrections, rankings, fronts, and how alike two runs answer.
#include "tests/metrics/fixture.h"

#include <math.h>
#include <string.h>

#include "harness/base/rng.h"
#include "metrics/versus/agreeing.h"
#include "metrics/versus/rank.h"
#include "metrics/versus/within.h"

static void test_bh(void **state) {
    (void)state;
    as_arena arena = {0};
    fixture_row *rows;
    size_t count = fixture_read(&arena, "tests/metrics/versus.tsv", &rows), seen = 0;
    for (size_t i = 0; i < count; i++) {
        if (!as_str_is(rows[i].cells[0], "bh")) continue;
        double *p, *want;
        size_t n = fixture_numbers(&arena, rows[i].cells[1], &p);
        fixture_numbers(&arena, rows[i].cells[2], &want);
        as_rank_bh(p, n);
        for (size_t k = 0; k < n; k++) fixture_near(p[k], want[k], 1e-12, "bh");
        seen++;
    }
    assert_int_equal(seen, 3);
    double with_gaps[] = {0.04, NAN, 0.01, 0.5};
    as_rank_bh(with_gaps, 4);
    fixture_near(with_gaps[0], 0.06, 1e-12, "gap");
    fixture_near(with_gaps[2], 0.03, 1e-12, "gap");
    assert_true(isnan(with_gaps[1]) && with_gaps[3] == 0.5);
    as_arena_free(&arena);
}

static void test_kl(void **state) {
    (void)state;
    as_arena arena = {0};
    fixture_row *rows;
    size_t count = fixture_read(&arena, "tests/metrics/versus.tsv", &rows), seen = 0;
    for (size_t i = 0; i < count; i++) {
        if (!as_str_is(rows[i].cells[0], "kl")) continue;
        double *a, *b;
        size_t n = fixture_numbers(&arena, rows[i].cells[1], &a);
        fixture_numbers(&arena, rows[i].cells[2], &b);
        fixture_near(as_agreeing_kl(a, b, n), fixture_number(rows[i].cells[3]), 1e-12, "kl");
        seen++;
    }
    assert_int_equal(seen, 4);
    double even[] = {-1, -1}, sure[] = {0, -INFINITY}, none[] = {NAN, NAN};
    assert_true(as_agreeing_kl(even, even, 2) == 0);
    assert_true(as_agreeing_kl(even, sure, 2) == INFINITY);
    fixture_near(as_agreeing_kl(sure, even, 2), log(2), 1e-14, "sure against even");
    assert_true(isnan(as_agreeing_kl(even, none, 2)));
    as_arena_free(&arena);
}

static as_sample choice(as_arena *arena, const char *id, const char *prediction,
                        const as_str *names, const double *logs) {
    as_sample out = fixture_sample(arena, id, "\"x\"", prediction);
    out.choices = names;
    out.choice_logprobs = logs;
    out.choice_count = 2;
    return out;
}

static void test_agreement(void **state) {
    (void)state;
    as_arena arena = {0};
    static const as_str xy[] = {{"x", 1}, {"y", 1}}, yx[] = {{"y", 1}, {"x", 1}};
    static const as_str xz[] = {{"x", 1}, {"z", 1}};
    static const double even[] = {-1, -1}, lean[] = {-1, -2}, naely[] = {-2, -1};
    as_agreeing *g = as_agreeing_new();
    as_sample base[] = {choice(&arena, "a", "x", xy, even), choice(&arena, "b", "x", xy, lean),
                        choice(&arena, "c", "x", xy, lean), choice(&arena, "d", "x", xy, lean),
                        choice(&arena, "e", "x", xy, lean)};
    as_sample now[] = {choice(&arena, "a", "y", xy, lean),
                       choice(&arena, "b", "x", yx, naely), // the same, in another order
                       choice(&arena, "c", "x", xz, lean),  // other choices: no divergence
                       choice(&arena, "d", "x", xy, lean), choice(&arena, "f", "x", xy, lean)};
    now[3].outcome = AS_OUT_TIMEOUT;
    for (size_t i = 0; i < 5; i++) as_agreeing_base(g, &base[i]);
    for (size_t i = 0; i < 5; i++) as_agreeing_add(g, &now[i]);
    as_agreement out = as_agreeing_result(g, &arena);
    assert_int_equal(out.cases, 3);
    assert_int_equal(out.same, 2);
    assert_int_equal(out.kl_cases, 2);
    double p = exp(-1) / (exp(-1) + exp(-2)), kl = 0.5 * log(0.5 / p) + 0.5 * log(0.5 / (1 - p));
    fixture_near(out.kl_mean, kl / 2, 1e-12, "mean");
    fixture_near(out.kl_max, kl, 1e-12, "max");
    assert_true(as_str_is(out.kl_worst, "a"));
    as_agreeing_free(g);
    as_arena_free(&arena);
}

static void test_front(void **state) {
    (void)state;
    bool on[5];
    // Quality, minus time, minus cost (not known of one: left out).
    double values[5][3] = {{0, 0, 0}, {1, -1, NAN}, {0, -1, 0}, {1, -2, 0}, {-1, 5, 0}};
    as_rank_front(&values[0][0], 5, 3, on);
    assert_true(on[0] && on[1] && !on[2] && !on[3] && on[4]);
    double equal[2][1] = {{3}, {3}};
    as_rank_front(&equal[0][0], 2, 1, on);
    assert_true(on[0] && on[1]);
}

static void test_regressed(void **state) {
    (void)state;
    as_arena arena = {0};
    as_delta deltas[] = {
        {.name = AS_STR("m"), .slice = AS_STR(""), .p_drop = 0.0001},
        {.name = AS_STR("m"), .slice = AS_STR("s=a"), .p_drop = 0.04},
        {.name = AS_STR("m"), .slice = AS_STR("s=b"), .p_drop = 0.001},
        {.name = AS_STR("m"), .slice = AS_STR("s=c"), .p_drop = 0.5},
        {.name = AS_STR("m"), .slice = AS_STR("s=d"), .p_drop = NAN},
    };
    const as_delta *const *list;
    size_t count;
    as_rank_regressed(&arena, deltas, 5, &list, &count);
    assert_int_equal(count, 2);
    assert_true(as_str_is(list[0]->slice, "s=b") && as_str_is(list[1]->slice, "s=a"));
    fixture_near(list[0]->q, 0.003, 1e-12, "q");
    fixture_near(list[1]->q, 0.06, 1e-12, "q");
    assert_true(isnan(deltas[0].q) && isnan(deltas[4].q));
    as_arena_free(&arena);
}

static void test_within(void **state) {
    (void)state;
    // By hand: means 0.5, 1, 0, 0.5; squares 0.5, 0, 0, 0.75 with 1 + 2 + 1 + 3 degrees of freedom.
    static const double a[] = {1, 0}, b[] = {1, 1, 1}, c[] = {0, 0}, d[] = {1, 0, 0.25, 0.75};
    static const double *const scores[] = {a, b, c, d};
    static const size_t counts[] = {2, 3, 2, 4};
    as_within w = as_within_of(scores, counts, 4);
    assert_int_equal(w.answers, 11);
    fixture_near(w.mean, 0.5, 1e-15, "mean");
    fixture_near(w.within, (0.5 + 0.625) / 7, 1e-14, "within");
    double variance = 0.5 / 3;
    fixture_near(w.stderr_, sqrt(variance / 4), 1e-14, "stderr");
    double inverse = (1 / 2. + 1 / 3. + 1 / 2. + 1 / 4.) / 4;
    fixture_near(w.between, variance - w.within * inverse, 1e-14, "between");
    assert_int_equal(w.flaky, 2); // a: 2 * 0.25 * 2 = 1, d: 2 * (1/4)(3/4) * 4/3 = 1/2
    fixture_near(as_within_flake(1, 3), 4. / 9 * 1.5, 1e-14, "flake");
    assert_true(isnan(as_within_flake(1, 1)));
    // One answer a case: nothing tells the two apart.
    static const size_t ones[] = {1, 1, 1, 1};
    w = as_within_of(scores, ones, 4);
    assert_true(isnan(w.within) && isnan(w.between));
    fixture_near(w.stderr_, sqrt(0.25 / 4), 1e-14, "stderr of one answer each");
}

// Cases of which half are coins and half are sure: within 1/8, between 1/8.
static void test_within_is_unbiased(void **state) {
    (void)state;
    as_rng rng = as_rng_of(8, 8);
    double within = 0, between = 0, error = 0, spread = 0;
    enum { RUNS = 400, CASES = 60, ANSWERS = 3 };
    for (int run = 0; run < RUNS; run++) {
        double values[CASES][ANSWERS];
        const double *scores[CASES];
        size_t counts[CASES];
        for (int i = 0; i < CASES; i++) {
            double way = as_rng_unit(&rng), p = way < 0.5 ? 0.5 : way < 0.75;
            for (int k = 0; k < ANSWERS; k++) values[i][k] = as_rng_unit(&rng) < p;
            scores[i] = values[i];
            counts[i] = ANSWERS;
        }
        as_within w = as_within_of(scores, counts, CASES);
        within += w.within / RUNS;
        between += w.between / RUNS;
        error += as_within_error(&w, ANSWERS, CASES) * as_within_error(&w, ANSWERS, CASES) / RUNS;
        spread += (w.mean - 0.5) * (w.mean - 0.5) / RUNS;
    }
    fixture_near(within, 0.125, 0.03, "within");
    fixture_near(between, 0.125, 0.05, "between");
    fixture_near(error, (0.125 + 0.125 / ANSWERS) / CASES, 0.05, "error");
    fixture_near(spread, error, 0.25, "the error is that of the mean");
    as_within one = {.within = 1. / 6, .between = 1. / 9};
    // Miller's table: 969 at no sampling noise, 3,876 at one answer, two-sided; one-sided here.
    assert_true(as_within_needed(1. / 9, &one, 1, &one, 1, 0.03) ==
                ceil(6.182556738 * (1. / 9 + 1. / 3) / 0.0009));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bh),
        cmocka_unit_test(test_kl),
        cmocka_unit_test(test_agreement),
        cmocka_unit_test(test_front),
        cmocka_unit_test(test_regressed),
        cmocka_unit_test(test_within),
        cmocka_unit_test(test_within_is_unbiased),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
