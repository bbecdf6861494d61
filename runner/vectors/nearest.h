// SPDX-License-Identifier: Apache-2.0
// nearest.h - task `embed`: the documents of a suite as vectors, and which of them are nearest to a
// query, by cosine. Vectors come from the target that is evaluated. Ties go to the document that is
// listed first; a document without a direction (a zero vector) comes last.
#ifndef AS_NEAREST_H
#define AS_NEAREST_H

#include "runner/plan.h"

typedef struct as_documents {
    const as_str *ids;
    const float *vectors; // [count][width]
    size_t count, width;
} as_documents;

// Embeds the documents that all cases of a plan share; *out is zero when there are none. Memory
// from `arena`. AS_UNMEASURED when the target does not answer, AS_INTERRUPTED after a signal.
as_rc as_nearest_embed(as_arena *arena, const as_plan *plan, const as_target_ops *ops,
                       as_target *target, size_t workers, as_documents *out,
                       as_err *err) AS_MUST_USE;

// Ids of the nearest documents, the nearest first; at most AS_PLAN_RANKING_MAX.
const as_str *as_nearest_rank(as_arena *arena, const float *query, const as_documents *documents,
                              size_t *count);

// a.b / (|a| |b|) in -1..1; NaN for a zero vector.
double as_nearest_cosine(const float *a, const float *b, size_t n);

// "f32[384] sha256:HEX": what is recorded of a vector.
as_str as_nearest_name(as_arena *arena, const float *vector, size_t width);

#endif
