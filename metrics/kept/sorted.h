// SPDX-License-Identifier: Apache-2.0
// sorted.h - numbers in ascending order, in little memory however many they are: runs that fit are
// sorted there, spilled and merged. For percentiles, which need all values. A zeroed one is empty.
#ifndef AS_SORTED_H
#define AS_SORTED_H

#include <stdbool.h>

#include "harness/base/spill.h"

typedef struct as_sorted {
    double *run; // [run_size] not sorted yet
    size_t run_size, run_capacity, run_max;
    as_spill *runs; // [run_count]
    size_t run_count;
    as_spill all; // once sealed, where there are several runs
    size_t count;
} as_sorted;

void as_sorted_add(as_sorted *s, double value); // no NaN
void as_sorted_seal(as_sorted *s);              // nothing is added afterwards
double as_sorted_at(const as_sorted *s, size_t rank);
void as_sorted_free(as_sorted *s);

// From the least on, of a sealed one.
typedef struct as_sorted_reader {
    const as_sorted *of;
    as_spill_reader spill;
    size_t next;
} as_sorted_reader;
as_sorted_reader as_sorted_read(const as_sorted *s);
bool as_sorted_next(as_sorted_reader *r, double *out); // false at the end
void as_sorted_done(as_sorted_reader *r);

#endif
