// SPDX-License-Identifier: Apache-2.0
// test_numeric.c - the scalar functions: halves exhaustively, the others against libm.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/kernels.h"
#include "tests/base/draws.h"
#include "tests/kernels/kernel_inputs.h"

// --- halves -----------------------------------------------------------------------------------

static void halves_widen_exactly(void **state) {
    (void)state;
    for (uint32_t bits = 0; bits < 65536; bits++) {
        int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
        float got = as_half_to_float((uint16_t)bits), want;
        if (exponent == 31) {
            want = fraction ? NAN : HUGE_VALF;
        } else {
            want =
                ldexpf((float)(fraction + (exponent ? 1024 : 0)), (exponent ? exponent : 1) - 25);
        }
        want = bits & 0x8000 ? -want : want;
        check_same(&got, &want, 1, "numeric", "as_half_to_float");
        if (!isnan(got)) {
            assert_int_equal(as_float_to_half(got), bits);
        } else {
            assert_int_equal(as_float_to_half(got), bits | 0x200);
        }
    }
}

static void floats_round_to_the_nearest_half(void **state) {
    (void)state;
    for (uint32_t bits = 0; bits < 0x7c00; bits++) {
        // The last step ends at 65536, which is where infinity begins.
        float low = as_half_to_float((uint16_t)bits);
        float high = bits == 0x7bff ? 65536.0f : as_half_to_float((uint16_t)(bits + 1));
        float middle = (low + high) / 2;
        uint32_t even = bits + (bits & 1);
        assert_int_equal(as_float_to_half(middle), even);
        assert_int_equal(as_float_to_half(-middle), even | 0x8000);
        assert_int_equal(as_float_to_half(nextafterf(middle, 0.0f)), bits);
        assert_int_equal(as_float_to_half(nextafterf(middle, HUGE_VALF)), bits + 1);
    }
    assert_int_equal(as_float_to_half(3e38f), 0x7c00);
    assert_int_equal(as_float_to_half(-HUGE_VALF), 0xfc00);
    assert_int_equal(as_float_to_half(1e-44f), 0);
}

// --- numeric functions against libm's long double
// -------------------------------------------------

static double error_ulp(long double got, long double want, int digits, int min_exponent) {
    int exponent;
    frexpl(want, &exponent);
    if (exponent < min_exponent) exponent = min_exponent;
    return (double)(fabsl(got - want) / ldexpl(1.0L, exponent - digits));
}

static void keep_worst(double *worst, double error) {
    if (!(error <= *worst)) *worst = error; // a NaN stays
}

static void exp_f32_is_within_its_bound(void **state) {
    (void)state;
    double worst = 0;
    for (int i = 0; i < AS_DRAWS(1000000); i++) {
        float x = i % 2 ? -0.6f + 88.0f * random_unit() : random_float(80, 132);
        if (x < -87.3f || x > 88.7f) continue;
        keep_worst(&worst, error_ulp((long double)as_exp_f32(x), expl((long double)x), 24, -125));
    }
    print_message("as_exp_f32: %.4f ulp\n", worst);
    assert_true(worst <= 1.01); // over all floats between the limits: 1.00857
    assert_true(as_exp_f32(-87.31f) == 0.0f && as_exp_f32(-HUGE_VALF) == 0.0f);
    assert_true(as_exp_f32(88.71f) == HUGE_VALF && as_exp_f32(HUGE_VALF) == HUGE_VALF);
    assert_true(as_exp_f32(-87.3f) > 0.0f && as_exp_f32(88.7f) < HUGE_VALF);
    assert_true(as_exp_f32(0.0f) == 1.0f && as_exp_f32(-0.0f) == 1.0f && isnan(as_exp_f32(NAN)));
}

static void exp_f64_is_within_1_ulp(void **state) {
    (void)state;
    double worst = 0;
    for (int i = 0; i < AS_DRAWS(300000); i++) {
        double scale = i % 3 ? 740.0 : 1.0;
        double x = scale * (double)random_unit() + 1e-9 * (double)random_unit();
        if (x > 709.78) continue;
        keep_worst(&worst, error_ulp((long double)as_exp_f64(x), expl((long double)x), 53, -1021));
    }
    print_message("as_exp_f64: %.4f ulp\n", worst);
    assert_true(worst <= 1.0);
    assert_true(as_exp_f64(0.0) == 1.0 && as_exp_f64(710.0) == HUGE_VAL);
    assert_true(as_exp_f64(-746.0) == 0.0 && as_exp_f64(-HUGE_VAL) == 0.0 &&
                isnan(as_exp_f64(NAN)));
}

static void log_f64_is_within_1_ulp(void **state) {
    (void)state;
    double worst = 0;
    for (int i = 0; i < AS_DRAWS(600000); i++) {
        double x = double_of(random_bits() & 0x7fffffffffffffffu);
        if (i % 3 == 1) x = 1.0 + 0.5 * (double)random_unit();
        if (i % 3 == 2) x = 1.0 + ldexp((double)random_unit(), -(int)random_below(50));
        if (!isfinite(x) || x == 0.0 || x == 1.0) continue;
        keep_worst(&worst, error_ulp((long double)as_log_f64(x), logl((long double)x), 53, -1021));
    }
    print_message("as_log_f64: %.4f ulp\n", worst);
    assert_true(worst <= 1.0);
    assert_true(as_log_f64(1.0) == 0.0 && as_log_f64(0.0) == -HUGE_VAL);
    assert_true(isnan(as_log_f64(-1.0)) && as_log_f64(HUGE_VAL) == HUGE_VAL);
}

static void sincos_f64_is_within_its_bound(void **state) {
    (void)state;
    double worst = 0;
    for (int i = 0; i < AS_DRAWS(400000); i++) {
        double x = (double)random_unit() * (i % 2 ? 10.0 : 0x1p30);
        // Next to multiples of pi/2, where the reduction cancels most.
        if (i % 4 == 0) x = rint(x) * 0x1.921fb54442d18p+0;
        if (fabs(x) > 0x1p30) x /= 2;
        double s, c;
        as_sincos_f64(x, &s, &c);
        keep_worst(&worst, (double)fabsl((long double)s - sinl((long double)x)));
        keep_worst(&worst, (double)fabsl((long double)c - cosl((long double)x)));
    }
    print_message("as_sincos_f64: %.3g\n", worst);
    assert_true(worst <= 2e-16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(halves_widen_exactly, seed),
        cmocka_unit_test_setup(floats_round_to_the_nearest_half, seed),
        cmocka_unit_test_setup(exp_f32_is_within_its_bound, seed),
        cmocka_unit_test_setup(exp_f64_is_within_1_ulp, seed),
        cmocka_unit_test_setup(log_f64_is_within_1_ulp, seed),
        cmocka_unit_test_setup(sincos_f64_is_within_its_bound, seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
