// SPDX-License-Identifier: Apache-2.0
// bands.h - as_quantile_resample for many independent cases, in four bytes a case: the same numbers
// to the bit.
//
// A resampled quantile stays near the quantile. Of each case only this is kept: its time is below
// that neighbourhood, above it, or which of the values in it. A replicate counts these.
#ifndef AS_BANDS_H
#define AS_BANDS_H

#include "metrics/quantile.h"

enum { AS_BANDS_SEED = 0xa55a, AS_BANDS_STREAM = 4 };

// False, and nothing is known: a replicate left the neighbourhood (ten standard deviations wide to
// either side), or that has too many values.
bool as_bands_resample(const as_quantile_pairs *pairs, double q, size_t replicates, double *drawn,
                       double *swapped);

#endif
