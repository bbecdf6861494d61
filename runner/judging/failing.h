// SPDX-License-Identifier: Apache-2.0
// failing.h - the failing cases of a run that its page shows: the first of them in the byte order
// of their ids, and how many there are. Samples may come in any order, from a journal or while a
// run goes on: then nothing has to be read again at its end. One thread.
#ifndef AS_FAILING_H
#define AS_FAILING_H

#include "harness/base/keyset.h"
#include "harness/record/findings.h"
#include "metrics/scorer.h"

enum { AS_FAILING_MAX = 200, AS_FAILING_TEXT_MAX = 4000 };

// A zeroed one is empty.
typedef struct as_failing {
    as_arena arena;     // texts of the items
    as_failure *items;  // [count] sorted by id; inputs and places are not known here
    size_t count, left; // left: texts of items that fell off the end, still in the arena
    uint64_t total;     // cases that fail
    as_keyset several;  // ids of failing cases that have several answers
    bool any_several;   // a case had
} as_failing;

// By its first score. Of several answers to a case the first that failed is shown, with what
// `scorer` makes of them all; NULL while that is not known: any_several says that the list is of no
// use then.
void as_failing_look(as_failing *failing, as_scorer *scorer, const as_sample *sample);
void as_failing_free(as_failing *failing);

// The first score, NaN without one; and whether it is that of a right answer.
double as_failing_score(const as_sample *sample);
bool as_failing_right(double score);

// Texts as a page shows them, in `arena`.
as_str as_failing_expected(as_arena *arena, const as_sample *sample);
as_str as_failing_prediction(as_arena *arena, const as_sample *sample);

// Copies of the items, in `arena`.
as_failure *as_failing_items(const as_failing *failing, as_arena *arena);

#endif
