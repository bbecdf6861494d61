// SPDX-License-Identifier: Apache-2.0
// Intended starts of an open loop, and the bounds of an SLO.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka needs the four above first
#include <cmocka.h>

#include <math.h>

#include "runner/bench/arrivals.h"
#include "runner/bench/bench.h"

static void test_rates(void **state) {
    (void)state;
    as_err err;
    double rate = 0;
    assert_int_equal(as_arrivals_rate(AS_STR("120/min"), &rate, &err), AS_OK);
    assert_true(rate == 2);
    assert_int_equal(as_arrivals_rate(AS_STR("0.5/s"), &rate, &err), AS_OK);
    assert_true(rate == 0.5);
    static const char *const bad[] = {"", "0", "-1", "x", "5/h", "inf", "/s", "1e9"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(as_arrivals_rate(as_str_of(bad[i]), &rate, &err), AS_INVALID);
}

static void test_constant(void **state) {
    (void)state;
    as_arrivals a = as_arrivals_of(1000, false, 1);
    for (uint64_t i = 0; i < 10000; i++)
        assert_in_range(as_arrivals_next(&a, 7000 + i), 7000 + i * 1000000 - 2,
                        7000 + i * 1000000 + 2);
    as_arrivals closed = as_arrivals_of(0, false, 1);
    assert_int_equal(as_arrivals_next(&closed, 5), 0);
}

// Gaps of a Poisson process: mean and standard deviation are both 1 / rate.
static void test_poisson(void **state) {
    (void)state;
    enum { N = 100000 };
    as_arrivals a = as_arrivals_of(50, true, 3);
    double before = 1e9, sum = 0, squares = 0;
    as_arrivals_next(&a, 1000000000);
    for (int i = 0; i < N; i++) {
        double now = (double)as_arrivals_next(&a, 0), gap = (now - before) / 1e9;
        before = now;
        sum += gap;
        squares += gap * gap;
    }
    double mean = sum / N, deviation = sqrt(squares / N - mean * mean);
    assert_true(fabs(mean - 0.02) < 5 * 0.02 / sqrt(N));
    assert_true(fabs(deviation - 0.02) < 0.001);
}

static void test_slo(void **state) {
    (void)state;
    as_slo slo;
    as_err err;
    assert_int_equal(as_slo_parse(AS_STR("ttft<=200ms, tpot <= 50 ms,e2e<2s"), &slo, &err), AS_OK);
    assert_int_equal(slo.count, 3);
    assert_true(slo.most_ms[0] == 200 && slo.most_ms[1] == 50 && slo.most_ms[2] == 2000);
    assert_int_equal(slo.time[2], AS_BENCH_E2E);
    static const char *const bad[] = {"",         "ttft", "ttft<=",  "ttft<=-1",
                                      "itl<=5ms", "x<=1", "ttft<=1,"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(as_slo_parse(as_str_of(bad[i]), &slo, &err), AS_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rates),
                                       cmocka_unit_test(test_constant),
                                       cmocka_unit_test(test_poisson), cmocka_unit_test(test_slo)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
