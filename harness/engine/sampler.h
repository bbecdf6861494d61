// SPDX-License-Identifier: Apache-2.0
// sampler.h - one token from the logits of a row, by chance or, at temperature 0, the likeliest.
//
// The filters work on the distribution at that temperature, in this order: the top_k likeliest, of
// those the likeliest that together have top_p, of those the ones that have at least min_p times
// what the likeliest has. Equally likely tokens are in the order of their ids. What all tokens have
// together is summed up in runs of AS_SAMPLER_RUN, each in order, and then over the runs, so that
// many may sum up side by side (kernels/cuda/draw.cu does).
//
// Chance is by counter: which token is drawn depends on logits, settings, seed, stream and step
// alone, not on what was drawn before or beside.
#ifndef AS_SAMPLER_H
#define AS_SAMPLER_H

#include "harness/engine/engine.h"
#include "kernels/kernels.h"

enum { AS_SAMPLER_RUN = 256 };

// Scratch for vocabularies of one size; one thread at a time.
typedef struct as_sampler {
    size_t count;    // tokens
    double *runs;    // [count / AS_SAMPLER_RUN, rounded up]
    float *odds;     // [count]
    uint32_t *heap;  // [count] tokens, the likeliest on top
    uint32_t *taken; // [count] in the order of their odds
} as_sampler;

as_sampler as_sampler_new(size_t count);
void as_sampler_free(as_sampler *sampler); // also for a zeroed one

// The token for step `step` (from 0) of an answer. `logits` [count] stay as they are.
uint32_t as_sampler_pick(as_sampler *sampler, const as_kernels *kernels,
                         const as_sampling *sampling, uint64_t step, const float *logits);

// What chance says for a step of an answer: [0, 1).
double as_sampler_unit(const as_sampling *sampling, uint64_t step);

// The last part of it: the token from odds[count], what the tokens have at that temperature; `best`
// when none has anything.
uint32_t as_sampler_draw(as_sampler *sampler, const as_sampling *sampling, double unit,
                         const float *odds, uint32_t best);

#endif
