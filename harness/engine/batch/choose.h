// SPDX-License-Identifier: Apache-2.0
// choose.h - the next token of a generation from the logits of its last row: what its constraint
// lets through, by chance or the likeliest, and how likely it and the likeliest ones were.
#ifndef AS_CHOOSE_H
#define AS_CHOOSE_H

#include "harness/engine/constrain/constraint.h"
#include "harness/engine/sampler.h"

// Whether it takes all logits to know; else the backend's own draw is enough.
bool as_choose_needs_logits(const as_work *work);

// Changes `logits` [vocabulary], which is the caller's. False: the constraint lets no token come.
bool as_choose_token(as_sampler *sampler, const as_kernels *kernels, as_work *work,
                     as_constrained *constrained, float *logits, uint32_t *out);

#endif
