// SPDX-License-Identifier: Apache-2.0
// changepoint.h - at which run of a series the level moved.
//
// The segmentation that minimises the sum of squares around each segment's mean plus a penalty for
// each change is found exactly (optimal partitioning: Jackson et al. 2005, IEEE Signal Processing
// Letters 12(2); PELT, Killick et al. 2012, is the same minimum with pruning). The penalty is
// 3 s^2 log n, with s the noise between neighbours: the median absolute difference, scaled as for a
// normal distribution, so that a few steps do not count as noise. A segment has at least two runs,
// except the last: what the newest run changed is named at once.
//
// Each change is then tested by permutation of the runs of its two segments (exact up to 20,000
// arrangements, else that many seeded shuffles): p is two-sided, of the difference of the means.
// With few runs p cannot be small; it says how much the history backs the change, it does not
// select. Pure; any thread.
#ifndef AS_CHANGEPOINT_H
#define AS_CHANGEPOINT_H

#include <stddef.h>

enum { AS_CHANGEPOINT_VALUES_MAX = 1000, AS_CHANGEPOINT_MAX = 64 };

typedef struct as_changepoint {
    size_t at;            // first value of the new level
    double before, after; // means of the two neighbouring segments
    double p;
} as_changepoint;

// Changes of values[0..count), in order; NaN values are gaps. `resolution` is the smallest change
// that means anything (one case of the dataset; 0: none): noise is never taken to be less. Of more
// than AS_CHANGEPOINT_VALUES_MAX values the last ones are looked at. Returns the number of changes.
size_t as_changepoint_find(const double *values, size_t count, double resolution,
                           as_changepoint out[AS_CHANGEPOINT_MAX]);

// The noise s as defined above, for tests and for drawing.
double as_changepoint_noise(const double *values, size_t count, double resolution);

#endif
