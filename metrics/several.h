// SPDX-License-Identifier: Apache-2.0
// several.h - cases with several answers: their answers' rows become one; inside metrics only.
#ifndef AS_SEVERAL_H
#define AS_SEVERAL_H

#include "metrics/rows.h"
#include "metrics/versus/within.h"

// One row of the answers to a case, in their order; what it holds is in `arena` or theirs.
void as_several_merge(const as_scorer *scorer, as_arena *arena, const as_row *answers, size_t count,
                      as_row *out);

// How the scores by a MEAN metric spread within cases and between them. cases 0: no case of the
// slice has several answers, or the metric is no mean over answers.
as_within as_several_within(as_arena *arena, const as_scorer *scorer, const as_metric *metric,
                            uint32_t slice);

#endif
