// SPDX-License-Identifier: Apache-2.0
// agreeing.h - how alike two runs answer, case by case: the share of equal predictions, and the
// Kullback-Leibler divergence of what they thought of the choices,
//   KL(A || B) = sum over the choices of p_A ln(p_A / p_B),   p from the softmax of the scores.
// A choice that B holds impossible and A does not makes it infinite; such cases are left out of the
// mean and are the largest. Independent cases are assumed for its interval unless they have
// clusters.
#ifndef AS_AGREEING_H
#define AS_AGREEING_H

#include "harness/record/versus.h"

typedef struct as_agreeing as_agreeing;

as_agreeing *as_agreeing_new(void);
void as_agreeing_free(as_agreeing *agreeing);

// All samples of the baseline first, then those of the other run. Kept: id, prediction, scores.
void as_agreeing_base(as_agreeing *agreeing, const as_sample *sample);
void as_agreeing_add(as_agreeing *agreeing, const as_sample *sample);

as_agreement as_agreeing_result(as_agreeing *agreeing, as_arena *arena);

// KL over `count` choices from their log-scores; INFINITY where B excludes what A does not, NaN
// where a side has none.
double as_agreeing_kl(const double *a, const double *b, size_t count);

#endif
