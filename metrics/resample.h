// SPDX-License-Identifier: Apache-2.0
// resample.h - bootstrap, jackknife and randomisation of corpus metrics. Clusters are the units:
// one resampling serves all metrics. Draws depend on a constant seed only.
#ifndef AS_RESAMPLE_H
#define AS_RESAMPLE_H

#include "metrics/rows.h"

// What draws come from.
enum { AS_RESAMPLE_SEED = 0xa55a };
enum { AS_RESAMPLE_BOOTSTRAP = 1, AS_RESAMPLE_PAIRED, AS_RESAMPLE_SWAPS };

// What clusters add to a tally.
typedef struct as_units {
    const as_stat *items; // sorted by unit
    const size_t *starts; // [count + 1]
    size_t count, width, label_count;
    const double *dense; // instead of the items where most would not be zero; by as_resample_at
} as_units;

// Room for dense units, zeros, and where in it a unit has its place `at`: columns of several
// places, [columns][count][several].
double *as_resample_dense(as_arena *arena, const as_units *units);
size_t as_resample_at(const as_units *units, size_t unit, size_t at);

// A metric and where in the tally its statistics begin.
typedef struct as_functional {
    const as_metric *metric;
    size_t at;
} as_functional;

void as_resample_tally(const as_units *units, double *tally); // [width]
double as_resample_value(const as_functional *functional, const as_units *units,
                         const double *tally);

// out[functional][replicate]
void as_resample_bootstrap(const as_units *units, const as_functional *functionals, size_t count,
                           size_t replicates, double *out);
// out[functional][unit]: the value without that unit
void as_resample_jackknife(const as_units *units, const as_functional *functionals, size_t count,
                           double *out);

// How many units differ between two runs.
size_t as_resample_changed(const as_units *a, const as_units *b);

// The value of b minus that of a, [functional][replicate]: units drawn anew, the same for both; or
// each unit's two sides swapped or not (approximate randomisation).
void as_resample_paired(const as_units *a, const as_units *b, const as_functional *functionals,
                        size_t count, size_t replicates, double *out);
void as_resample_swaps(const as_units *a, const as_units *b, const as_functional *functionals,
                       size_t count, size_t replicates, double *out);

#endif
