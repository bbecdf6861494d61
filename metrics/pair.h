// SPDX-License-Identifier: Apache-2.0
// pair.h - the cases that two runs share. a is the baseline, b the run that is judged.
#ifndef AS_PAIR_H
#define AS_PAIR_H

#include "metrics/rows.h"

typedef struct as_pair {
    const as_row *a, *b;
} as_pair;

// The cases that both runs hold, of a slice; read through a cursor, in the order of ids.
typedef struct as_pairs {
    const as_scorer *a, *b;
    as_str slice; // not owned
    size_t count;
    uint64_t only_a, only_b; // cases that the other run does not hold
    uint64_t missing;        // in both, an error in one or both
    uint64_t changed;        // in both, another expected value: not to be compared
} as_pairs;

// Pairs on a slice (empty: all cases), by the slices of b. Seals both.
as_pairs as_pair_list(as_scorer *a, as_scorer *b, as_str slice);

// Both runs' rows side by side.
typedef struct as_pair_cursor {
    as_rows_cursor a_rows, b_rows;
    const as_row *left, *right; // at hand
    int way;                    // where the last was: below 0 in a, above in b, 0 in both
    uint32_t b_slice;
    bool in_b;
} as_pair_cursor;
as_pair_cursor as_pair_read(const as_pairs *pairs);
bool as_pair_next(as_pair_cursor *cursor,
                  as_pair *out);           // the next pair; at the end false, and done
void as_pair_done(as_pair_cursor *cursor); // where it is left early

// Whether both sides can be compared on their answers, or one is missing that a stand-in could be
// used for.
bool as_pair_answered(const as_pair *pair);
bool as_pair_half(const as_pair *pair);

#endif
