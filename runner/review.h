// SPDX-License-Identifier: Apache-2.0
// review.h - builds the findings of a run: reads its samples and its baseline's, keeps the failing
// and the flipped cases, and fetches their inputs from the dataset if that is still at hand.
#ifndef AS_REVIEW_H
#define AS_REVIEW_H

#include "harness/base/map.h"
#include "harness/record/findings.h"
#include "runner/plan.h"
#include "runner/source.h"

enum { AS_REVIEW_FLIPS_MAX = 500 };

// What the dataset says of a case: its last user turn and where it stands.
typedef struct as_review_case {
    as_str input, file; // from the top of its repository
    size_t line;
} as_review_case;

// Of the cases that are wanted (id -> index in `out`).
as_rc as_review_cases(as_arena *arena, const as_plan *plan, const as_map *wanted,
                      as_review_case *out, as_err *err) AS_MUST_USE;

// `now` and `base` are the scorers filled from the two sources; base and base_source may be NULL.
// `plan` may be NULL: then inputs stay empty.
as_rc as_review(as_arena *arena, const as_source *source, as_scorer *now,
                const as_source *base_source, as_scorer *base, const as_plan *plan,
                as_findings *out, as_err *err) AS_MUST_USE;

#endif
