// SPDX-License-Identifier: Apache-2.0
#include "metrics/num.h"

#include <math.h>
#include <stdlib.h>

// ln 2 in two parts: the first has 21 zero bits at its end, so that k times it is exact.
#define LN2_HI 6.93147180369123816490e-01
#define LN2_LO 1.90821492927058770002e-10

double as_num_exp(double x) {
    if (isnan(x)) return x;
    if (x == 0) return 1;
    if (x > 709.7) return INFINITY;
    if (x < -745.0) return 0;
    double k = floor(x / (LN2_HI + LN2_LO) + 0.5);
    double r = (x - k * LN2_HI) - k * LN2_LO; // |r| <= 0.35
    double sum = 1;
    for (int i = 14; i > 0; i--) sum = 1 + sum * r / i;
    return ldexp(sum, (int)k);
}

double as_num_log(double x) {
    if (isnan(x) || x < 0) return NAN;
    if (x == 0) return -INFINITY;
    if (isinf(x)) return x;
    int exponent;
    double m = frexp(x, &exponent);
    if (m < 0.70710678118654752440) {
        m *= 2;
        exponent--;
    }
    double s = (m - 1) / (m + 1), s2 = s * s, sum = 0; // |s| <= 0.172
    for (int i = 23; i >= 3; i -= 2) sum = sum * s2 + 1.0 / i;
    double tail = 2 * s * s2 * sum + exponent * LN2_LO;
    return exponent * LN2_HI + (2 * s + tail);
}

static int order(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void as_num_sort(double *values, size_t count) {
    if (count) qsort(values, count, sizeof *values, order);
}
