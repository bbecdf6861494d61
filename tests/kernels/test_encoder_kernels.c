// SPDX-License-Identifier: Apache-2.0
// What encoders add to the kernels: LayerNorm and the GELU of erf, the same in all tables and near
// their formulas.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "kernels/kernels.h"
#include "tests/kernels/kernel_inputs.h"

enum { N_MAX = 80 };

static const as_kernels *tables[8];
static size_t table_count;

static void check_all(const float *x, const float *w, const float *b, size_t n) {
    float want[N_MAX], got[N_MAX], gelu[N_MAX];
    memcpy(gelu, x, n * sizeof *x);
    tables[0]->layer_norm(want, x, w, b, n, 1e-12f);
    tables[0]->gelu_erf(gelu, n);
    for (size_t t = 0; t < table_count; t++) {
        const char *name = tables[t]->name;
        tables[t]->layer_norm(got, x, w, b, n, 1e-12f);
        check_same(got, want, n, name, "layer_norm");
        memcpy(got, x, n * sizeof *x);
        tables[t]->layer_norm(got, got, w, b, n, 1e-12f);
        check_same(got, want, n, name, "layer_norm in place");
        memcpy(got, x, n * sizeof *x);
        tables[t]->gelu_erf(got, n);
        check_same(got, gelu, n, name, "gelu_erf");
    }
}

static void all_tables_are_the_same(void **state) {
    (void)state;
    const float odd[] = {NAN, -HUGE_VALF, HUGE_VALF, 16.0f, -16.0f, -0.0f, 3e38f, -15.99f};
    for (int i = 0; i < 6000; i++) {
        float x[N_MAX], w[N_MAX], b[N_MAX];
        size_t n = 1 + (size_t)i % N_MAX;
        fill(x, n, i % MODES);
        fill(w, n, i / 7 % MODES);
        fill(b, n, i / 11 % MODES);
        if (i % 5 == 0)
            for (size_t j = 0; j < 1 + random_below(3); j++)
                x[random_below(n)] = odd[random_below(8)];
        check_all(x, w, b, n);
    }
}

static void gelu_is_near_its_formula(void **state) {
    (void)state;
    double worst = 0.0, worst_relative = 0.0;
    for (int i = 0; i < 400000; i++) {
        float x = i % 3 ? 14.0f * random_unit() : random_float(80, 130), got = x;
        tables[0]->gelu_erf(&got, 1);
        long double want = (long double)x * erfcl(-(long double)x / sqrtl(2.0L)) / 2.0L;
        double off = (double)fabsl(got - want), size = (double)fabsl(want);
        if (off > worst) worst = off;
        if (x > -4.0f && size > 1e-30 && off / size > worst_relative) worst_relative = off / size;
    }
    print_message("gelu_erf off by %.2g, above -4 by %.2g of itself\n", worst, worst_relative);
    assert_true(worst < 1e-6); // of values up to 16: half a place of theirs is 4.8e-7
    assert_true(worst_relative < 2e-6);
    float ends[] = {HUGE_VALF, -HUGE_VALF, 0.0f, -0.0f, 100.0f, -100.0f};
    const float wanted[] = {HUGE_VALF, 0.0f, 0.0f, -0.0f, 100.0f, 0.0f};
    tables[0]->gelu_erf(ends, 6);
    for (size_t i = 0; i < 6; i++) assert_true(ends[i] == wanted[i]);
}

static void layer_norm_is_near_its_formula(void **state) {
    (void)state;
    double worst = 0.0;
    for (int i = 0; i < 4000; i++) {
        float x[N_MAX], w[N_MAX], b[N_MAX], y[N_MAX];
        size_t n = 2 + random_below(N_MAX - 1);
        fill(x, n, 0);
        fill(w, n, 0);
        fill(b, n, 0);
        tables[0]->layer_norm(y, x, w, b, n, 1e-5f);
        double mean = 0.0, variance = 0.0;
        for (size_t j = 0; j < n; j++) mean += (double)x[j] / (double)n;
        for (size_t j = 0; j < n; j++)
            variance += ((double)x[j] - mean) * ((double)x[j] - mean) / (double)n;
        for (size_t j = 0; j < n; j++) {
            double want =
                ((double)x[j] - mean) / sqrt(variance + 1e-5) * (double)w[j] + (double)b[j];
            double off = fabs((double)y[j] - want);
            if (off > worst) worst = off;
        }
    }
    print_message("layer_norm off by %.2g\n", worst);
    assert_true(worst <
                3e-5); // of values near 1; a small variance magnifies what the mean is off by
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_tables_are_the_same, seed),
        cmocka_unit_test_setup(gelu_is_near_its_formula, seed),
        cmocka_unit_test_setup(layer_norm_is_near_its_formula, seed),
    };
    table_count = as_kernels_available(tables);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
