// SPDX-License-Identifier: Apache-2.0
// What a judge's verdicts come to: agreement with people against scikit-learn, krippendorff and
// ppi-python.
#include "tests/metrics/fixture.h"

#include <math.h>

#include "metrics/judged/judged_sum.h"

static size_t numbers(as_arena *arena, as_str cell, double **out) {
    as_buf text = {0};
    for (size_t i = 0; i < cell.len; i++)
        as_buf_char(&text, cell.ptr[i] == ',' ? ' ' : cell.ptr[i]);
    as_str spaced = as_str_copy(arena, as_buf_view(&text));
    as_buf_free(&text);
    return as_str_is(cell, "-") ? 0 : fixture_numbers(arena, spaced, out);
}

static void test_vectors(void **state) {
    (void)state;
    as_arena arena = {0};
    fixture_row *rows;
    size_t count = fixture_read(&arena, "tests/metrics/judged.tsv", &rows), seen = 0;
    for (size_t i = 0; i < count; i++) {
        double *y = NULL, *f = NULL, *rest = NULL, *want = NULL;
        as_str kind = rows[i].cells[0];
        size_t n = numbers(&arena, rows[i].cells[1], &y);
        numbers(&arena, rows[i].cells[2], &f);
        size_t rest_count = numbers(&arena, rows[i].cells[3], &rest);
        numbers(&arena, rows[i].cells[4], &want);
        if (as_str_is(kind, "kappa"))
            fixture_near(as_judged_sum_kappa(y, f, n), want[0], 1e-12, "kappa");
        if (as_str_is(kind, "alpha"))
            fixture_near(as_judged_sum_alpha(y, f, n), want[0], 1e-12, "alpha");
        if (as_str_is(kind, "ppi")) {
            as_interval ci;
            double value = as_judged_sum_corrected(y, f, n, rest, rest_count, &ci);
            fixture_near(value, want[0], 1e-9, "value");
            fixture_near(ci.lo, want[1], 1e-9, "lo");
            fixture_near(ci.hi, want[2], 1e-9, "hi");
        }
        seen++;
    }
    assert_int_equal(seen, 14);
    as_arena_free(&arena);
}

static void test_undefined(void **state) {
    (void)state;
    const double ones[] = {1, 1, 1};
    as_interval ci;
    assert_true(isnan(as_judged_sum_kappa(ones, ones, 0)));
    assert_true(isnan(as_judged_sum_kappa(ones, ones, 3))); // chance alone explains it
    assert_true(isnan(as_judged_sum_alpha(ones, ones, 3)));
    assert_true(isnan(as_judged_sum_corrected(ones, ones, 1, ones, 3, &ci)) && isnan(ci.lo));
    // Without others it is the people's mean.
    const double y[] = {0, 1, 1}, f[] = {1, 1, 0};
    fixture_near(as_judged_sum_corrected(y, f, 3, NULL, 0, &ci), 2. / 3, 1e-12, "mean");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_undefined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
