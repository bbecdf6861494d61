// SPDX-License-Identifier: Apache-2.0
#include "metrics/paired.h"

#include <math.h>

#include "harness/base/rng.h"
#include "metrics/special.h"

enum { FLIPS_EXACT_MAX = 16, FLIPS_DRAWN = 9999 };

double as_paired_mcnemar(double gains, double losses) {
    double n = gains + losses;
    double at = as_special_binomial_pmf(losses, n, 0.5);
    return as_special_binomial_upper(losses + 1, n, 0.5) + at / 2;
}

double as_paired_mcnemar_two_sided(double gains, double losses) {
    if (gains == losses) return 1;
    return 2 * as_paired_mcnemar(fmin(gains, losses), fmax(gains, losses));
}

// Tango's statistic for the hypothesis that the true difference is `delta`; falls with delta.
static double tango_score(double gains, double losses, double n, double delta) {
    double a = 2 * n, b = -gains - losses + (2 * n - gains + losses) * delta;
    double c = -losses * delta * (1 - delta);
    double root = sqrt(fmax(b * b - 4 * a * c, 0));
    // The root of a q^2 + b q + c, written so that b > 0 does not cancel.
    double q = b > 0 ? -2 * c / (root + b) : (root - b) / (2 * a);
    if (b > 0 && c == 0) q = 0;
    double variance = n * (2 * q + delta * (1 - delta));
    double excess = gains - losses - n * delta;
    if (variance <= 0) return excess > 0 ? INFINITY : excess < 0 ? -INFINITY : 0;
    return excess / sqrt(variance);
}

static double tango_bound(double gains, double losses, double n, double target, double lo,
                          double hi) {
    for (int i = 0; i < 200; i++) {
        double mid = lo + (hi - lo) / 2;
        if (mid <= lo || mid >= hi) break;
        if (tango_score(gains, losses, n, mid) > target)
            lo = mid;
        else
            hi = mid;
    }
    return lo + (hi - lo) / 2;
}

as_interval as_paired_tango(double gains, double losses, double n, double z) {
    if (!(n > 0)) return AS_INTERVAL_NONE;
    double at = (gains - losses) / n;
    as_interval out = {-1, 1};
    if (losses < n) out.lo = tango_bound(gains, losses, n, z, -1, at);
    if (gains < n) out.hi = tango_bound(gains, losses, n, -z, at, 1);
    return out;
}

// All 2^m signs in Gray code order, so that each step changes one sign.
static as_flip_p flip_exactly(const double *sums, unsigned m, double slack) {
    double total = 0, observed;
    signed char sign[FLIPS_EXACT_MAX];
    for (unsigned i = 0; i < m; i++) total += sums[i], sign[i] = 1;
    observed = total;
    double low = 0, far = 0;
    uint32_t ways = (uint32_t)1 << m;
    for (uint32_t way = 1;; way++) {
        low += total <= observed + slack;
        far += fabs(total) >= fabs(observed) - slack;
        if (way == ways) break;
        unsigned bit = 0;
        while (!(way >> bit & 1)) bit++;
        sign[bit] = (signed char)-sign[bit];
        total += 2 * sign[bit] * sums[bit];
    }
    return (as_flip_p){low / ways, far / ways};
}

static as_flip_p flip_drawn(const double *sums, size_t count, double slack) {
    double observed = 0, low = 0, far = 0;
    for (size_t i = 0; i < count; i++) observed += sums[i];
    as_rng rng = as_rng_of(0x5167, 1);
    for (int draw = 0; draw < FLIPS_DRAWN; draw++) {
        double total = 0;
        uint64_t bits = 0;
        for (size_t i = 0; i < count; i++, bits >>= 1) {
            if (i % 64 == 0) bits = as_rng_u64(&rng);
            total += bits & 1 ? sums[i] : -sums[i];
        }
        low += total <= observed + slack;
        far += fabs(total) >= fabs(observed) - slack;
    }
    return (as_flip_p){(1 + low) / (1 + FLIPS_DRAWN), (1 + far) / (1 + FLIPS_DRAWN)};
}

as_flip_p as_paired_sign_flip(const double *sums, size_t count) {
    double nonzero[FLIPS_EXACT_MAX], size = 0;
    unsigned m = 0;
    for (size_t i = 0; i < count; i++) {
        size += fabs(sums[i]);
        if (sums[i] == 0) continue;
        if (m < FLIPS_EXACT_MAX) nonzero[m] = sums[i];
        m++;
    }
    double slack = 1e-12 * size; // ties are ties whatever the order of the sum
    if (m <= FLIPS_EXACT_MAX) return flip_exactly(nonzero, m, slack);
    return flip_drawn(sums, count, slack);
}

double as_paired_mde_binary(double discordant, double n) {
    double k = AS_PAIRED_POWER * AS_PAIRED_POWER;
    // Four losses and no gain are the least that mid-p calls proven; 5.515 expected ones give four
    // or more 8 times in 10 (Poisson).
    return fmin(1, fmax(sqrt(k * discordant / (n + k)), 5.515 / n));
}

double as_paired_needed(double variance, double drop) {
    if (!(drop > 0) || !(variance >= 0)) return 0;
    return ceil(AS_PAIRED_POWER * AS_PAIRED_POWER * variance / (drop * drop));
}

void as_paired_holm(double *p, size_t count) {
    size_t tests = 0;
    for (size_t i = 0; i < count; i++) tests += isnan(p[i]) ? 0 : 1;
    double floor_p = 0;
    for (size_t rank = 0; rank < tests; rank++) {
        size_t best = count;
        for (size_t i = 0; i < count; i++)
            if (!isnan(p[i]) && p[i] >= 0 && (best == count || p[i] < p[best])) best = i;
        floor_p = fmax(floor_p, fmin(1, p[best] * (double)(tests - rank)));
        p[best] = -1 - floor_p; // done: kept below 0 until all are
    }
    for (size_t i = 0; i < count; i++)
        if (p[i] < 0) p[i] = -1 - p[i];
}
