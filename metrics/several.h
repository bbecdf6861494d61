// SPDX-License-Identifier: Apache-2.0
// several.h - cases with several answers: their answers' rows become one; inside metrics only.
#ifndef AS_SEVERAL_H
#define AS_SEVERAL_H

#include "metrics/rows.h"
#include "metrics/versus/within.h"

// Makes scorer->rows, in its `sealed` arena, of the sorted answers.
void as_several_merge(as_scorer *scorer);

// Gives the answers of a row its cluster.
void as_several_number(as_scorer *scorer, const as_row *row);

// How the scores by a MEAN metric spread within cases and between them. cases 0: no case of the
// slice has several answers, or the metric is no mean over answers.
as_within as_several_within(as_arena *arena, const as_scorer *scorer, const as_metric *metric,
                            uint32_t slice);

#endif
