// SPDX-License-Identifier: Apache-2.0
// twins.h - the units of two runs, resampled together: see as_resample_paired and
// as_resample_swaps, whose numbers these are to the bit.
//
// With many units most are like others (right in both runs, this label for that one). Where all
// statistics are whole numbers, sums are exact in any order; then a unit is two bytes, the number
// of its kind, and a resampling counts kinds. Others are held in memory whole.
#ifndef AS_TWINS_H
#define AS_TWINS_H

#include "metrics/tally.h"

// drawn and swapped: [functional][replicate]. Returns how many units differ between the runs.
size_t as_twins_resample(const as_unit_list *a, const as_unit_list *b,
                         const as_functional *functionals, size_t count, size_t replicates,
                         double *drawn, double *swapped);

#endif
