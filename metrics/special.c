// SPDX-License-Identifier: Apache-2.0
#include "metrics/special.h"

#include <float.h>
#include <math.h>

#define LN_SQRT_2PI 0.91893853320467274178
#define SQRT_2PI 2.50662827463100050242
#define TWO_PI 6.28318530717958647693

// ln Gamma(x + 1) - (x + 1/2) ln x + x - ln sqrt(2 pi) for x >= 15: Stirling's series.
static double stirling_series(double x) {
    double i2 = 1 / (x * x);
    return (1.0 / 12 -
            (1.0 / 360 - (1.0 / 1260 - (1.0 / 1680 - (1.0 / 1188) * i2) * i2) * i2) * i2) /
           x;
}

double as_special_lgamma(double x) {
    double product = 1, shift = 0;
    for (; x < 16; x += 1) { // below the series' reach: step up with Gamma(x + 1) = x Gamma(x)
        product *= x;
        if (product < 1e200) continue;
        shift += log(product);
        product = 1;
    }
    return (x - 0.5) * log(x) - x + LN_SQRT_2PI + stirling_series(x) - shift - log(product);
}

// The error of Stirling's formula for ln x!. Loader (2000), "Fast and accurate computation of
// binomial probabilities": subtracting large logarithms of Gamma would lose their digits.
static double stirling_error(double x) {
    if (x >= 16) return stirling_series(x);
    if (x <= 0) return 0;
    return as_special_lgamma(x + 1) - (x + 0.5) * log(x) + x - LN_SQRT_2PI;
}

// x ln(x / m) + m - x, without cancellation where x is near m (Loader's bd0).
static double deviance(double x, double m) {
    if (fabs(x - m) >= 0.1 * (x + m)) return x * log(x / m) + m - x;
    double v = (x - m) / (x + m), sum = (x - m) * v, term = 2 * x * v;
    for (int i = 1; i < 1000; i++) {
        term *= v * v;
        double next = sum + term / (2 * i + 1);
        if (next == sum) break;
        sum = next;
    }
    return sum;
}

double as_special_binomial_pmf(double k, double n, double p) {
    double q = 1 - p;
    if (k < 0 || k > n) return 0;
    if (p <= 0) return k == 0;
    if (q <= 0) return k == n;
    if (k == 0) return exp(n * log1p(-p));
    if (k == n) return exp(n * log(p));
    double exponent = stirling_error(n) - stirling_error(k) - stirling_error(n - k) -
                      deviance(k, n * p) - deviance(n - k, n * q);
    return sqrt(n / (TWO_PI * k * (n - k))) * exp(exponent);
}

// Continued fraction of the incomplete beta function, by Lentz's method.
static double beta_fraction(double a, double b, double x) {
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    if (fabs(d) < tiny) d = tiny;
    d = 1 / d;
    double h = d;
    for (int m = 1; m < 100000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 + even * d;
        c = 1 + even / c;
        if (fabs(d) < tiny) d = tiny;
        if (fabs(c) < tiny) c = tiny;
        d = 1 / d;
        h *= d * c;
        d = 1 + odd * d;
        c = 1 + odd / c;
        if (fabs(d) < tiny) d = tiny;
        if (fabs(c) < tiny) c = tiny;
        d = 1 / d;
        h *= d * c;
        if (fabs(d * c - 1) < DBL_EPSILON) break;
    }
    return h;
}

double as_special_beta(double a, double b, double x) {
    if (isnan(x) || x <= 0) return isnan(x) ? x : 0;
    if (x >= 1) return 1;
    // x^a (1-x)^b / B(a, b), from the binomial probability of a in a + b.
    double front = a * b / (a + b) * as_special_binomial_pmf(a, a + b, x);
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double as_special_beta_quantile(double a, double b, double p) {
    double lo = 0, hi = 1;
    for (int i = 0; i < 200 && lo < hi; i++) {
        double mid = lo + (hi - lo) / 2;
        if (mid <= lo || mid >= hi) break;
        if (as_special_beta(a, b, mid) < p)
            lo = mid;
        else
            hi = mid;
    }
    return lo + (hi - lo) / 2;
}

double as_special_normal(double z) {
    return 0.5 * erfc(-z / 1.41421356237309504880);
}

double as_special_normal_quantile(double p) {
    if (isnan(p) || p < 0 || p > 1) return NAN;
    if (p == 0 || p == 1) return p == 0 ? -INFINITY : INFINITY;
    if (p == 0.5) return 0;
    double tail = p < 0.5 ? p : 1 - p, t = sqrt(-2 * log(tail));
    // Abramowitz & Stegun 26.2.23 to start, then Halley's steps on the upper tail.
    double z = t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                       (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
    for (int i = 0; i < 4; i++) {
        double error = (as_special_normal(-z) - tail) * SQRT_2PI * exp(z * z / 2);
        z += error / (1 - z * error / 2);
    }
    return p < 0.5 ? -z : z;
}

double as_special_t(double t, double df) {
    if (isnan(t) || isnan(df) || df <= 0) return NAN;
    double t2 = t * t, tail;
    // Both forms are the same number; the one with the small argument keeps its digits.
    if (t2 < df)
        tail = 0.5 - 0.5 * as_special_beta(0.5, df / 2, t2 / (df + t2));
    else
        tail = 0.5 * as_special_beta(df / 2, 0.5, df / (df + t2));
    return t > 0 ? 1 - tail : tail;
}

static double t_density(double t, double df) {
    double log_norm = as_special_lgamma((df + 1) / 2) - as_special_lgamma(df / 2);
    return exp(log_norm - (df + 1) / 2 * log1p(t * t / df)) / sqrt(df * TWO_PI / 2);
}

double as_special_t_quantile(double p, double df) {
    if (isnan(p) || isnan(df) || df <= 0 || p < 0 || p > 1) return NAN;
    if (p == 0 || p == 1) return p == 0 ? -INFINITY : INFINITY;
    if (p == 0.5) return 0;
    double tail = p < 0.5 ? p : 1 - p, lo = 0, hi = 1;
    while (as_special_t(-hi, df) > tail && hi < 1e300) lo = hi, hi *= 2;
    double t = lo + (hi - lo) / 2;
    for (int i = 0; i < 200; i++) { // Newton, kept inside the bracket
        double error = as_special_t(-t, df) - tail;
        if (error > 0)
            lo = t;
        else
            hi = t;
        double next = t + error / t_density(t, df);
        if (!(next > lo && next < hi)) next = lo + (hi - lo) / 2;
        if (fabs(next - t) <= 1e-15 * t || next <= lo || next >= hi) {
            t = next;
            break;
        }
        t = next;
    }
    return p < 0.5 ? -t : t;
}

double as_special_binomial_upper(double k, double n, double p) {
    if (k <= 0) return 1;
    if (k > n) return 0;
    return as_special_beta(k, n - k + 1, p);
}
