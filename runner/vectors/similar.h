// SPDX-License-Identifier: Apache-2.0
// similar.h - the cosines of semantic_similarity, which metrics cannot get themselves: embeds the
// answers and references of samples with the model that each such metric names.
//
// A text is embedded once: vectors are kept, up to a limit of memory. Texts of several samples go
// out together. A text longer than the model's context has no vector, and its sample no cosine.
// What is made of a text does not depend on what it is embedded with. One thread at a time.
#ifndef AS_SIMILAR_H
#define AS_SIMILAR_H

#include "metrics/scorer.h"

enum { AS_SIMILAR_BATCH = 16 }; // samples that are worth waiting for

typedef struct as_similar as_similar;

// Opens the models; paths are relative to base_dir. *out is NULL when no metric needs one.
as_rc as_similar_new(const as_metric_spec *specs, size_t count, as_str base_dir, as_similar **out,
                     as_err *err) AS_MUST_USE;
void as_similar_free(as_similar *similar);

// Sets `similarities` of samples that are no errors; memory from `arena`. AS_UNMEASURED when a
// model does not answer.
as_rc as_similar_fill(as_similar *similar, as_arena *arena, as_sample *const *samples, size_t count,
                      as_err *err) AS_MUST_USE;

#endif
