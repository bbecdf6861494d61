// SPDX-License-Identifier: Apache-2.0
// paired.h - tests of a change over cases that both runs answered. Pure functions.
#ifndef AS_PAIRED_H
#define AS_PAIRED_H

#include "metrics/interval.h"

// McNemar's test by its mid-p (Fagerland, Lydersen, Laake 2013). gains: wrong to right; losses:
// right to wrong. One-sided: small when there are more losses than chance would give.
double as_paired_mcnemar(double gains, double losses);
double as_paired_mcnemar_two_sided(double gains, double losses);

// Score interval of a difference of paired shares, (gains - losses) / n (Tango 1998). No flips at
// all give -+ z^2 / (n + z^2): never certainty.
as_interval as_paired_tango(double gains, double losses, double n, double z);

// Sign-flip test over the sums of clusters: each keeps or turns its sign. All 2^m ways for m <= 16
// sums that are not 0, else 9,999 drawn ways. One-sided p of a sum this low; and of one this far.
typedef struct as_flip_p {
    double low, far;
} as_flip_p;
as_flip_p as_paired_sign_flip(const double *sums, size_t count);

// The smallest drop that `n` pairs would show 8 times in 10 at one-sided 0.05, when a share
// `discordant` of them flips.
double as_paired_mde_binary(double discordant, double n);

// Pairs needed so that a drop of `drop` would be shown, or ruled out, 8 times in 10. `variance` is
// that of one pair's difference. 0 when nothing would be enough.
double as_paired_needed(double variance, double drop);

// (z(0.95) + z(0.80)): what a true effect must be in standard errors.
#define AS_PAIRED_POWER 2.48647486

// Holm's step-down adjustment (1979), in place; NaN entries take no part.
void as_paired_holm(double *p, size_t count);

#endif
