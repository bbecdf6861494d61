// SPDX-License-Identifier: Apache-2.0
// pair.h - the cases that two runs share. a is the baseline, b the run that is judged.
#ifndef AS_PAIR_H
#define AS_PAIR_H

#include "metrics/rows.h"

typedef struct as_pair {
    const as_row *a, *b;
} as_pair;

typedef struct as_pairs {
    const as_scorer *a, *b;
    const as_pair *items; // [count] in the order of ids: every case that both runs hold
    size_t count;
    uint64_t only_a, only_b; // cases that the other run does not hold
    uint64_t missing;        // in both, an error in one or both
    uint64_t changed;        // in both, another expected value: not to be compared
} as_pairs;

// Pairs on a slice (empty: all cases), by the slices of b. Seals both.
as_pairs as_pair_list(as_arena *arena, as_scorer *a, as_scorer *b, as_str slice);

// Whether both sides can be compared on their answers, or one is missing that a stand-in could be
// used for.
bool as_pair_answered(const as_pair *pair);
bool as_pair_half(const as_pair *pair);

#endif
