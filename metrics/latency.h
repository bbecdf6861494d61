// SPDX-License-Identifier: Apache-2.0
// latency.h - quantiles as promises are made: by nearest rank, so that each is a time that was
// measured, with intervals from order statistics (no assumption about the distribution).
#ifndef AS_LATENCY_H
#define AS_LATENCY_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/record/summary.h"
#include "metrics/kept/sorted.h"

// sorted[max(ceil(q n), 1) - 1]; NaN when empty.
double as_latency_rank(const double *sorted, size_t count, double q);

// Whether one value of so many lies beyond the quantile q: with fewer its rank is that of the
// largest, whatever its name.
bool as_latency_holds(size_t count, double q);

// The rank; of p99 NaN where so few cannot hold it.
double as_latency_quantile_sorted(const as_sorted *sorted, double q);

// The interval whose ends are measured times, each wrong with at most `tail`; NaN where so few
// cannot hold one.
as_interval as_latency_interval(const double *sorted, size_t count, double q, double tail);

// The same of numbers that need not fit into memory.
double as_latency_rank_sorted(const as_sorted *sorted, double q);
as_interval as_latency_interval_sorted(const as_sorted *sorted, double q, double tail);
as_latency as_latency_of(const as_sorted *sorted);

#endif
