// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/batch/choose.h"

bool as_choose_needs_logits(const as_work *work) {
    return work->kind == AS_WORK_GENERATE && (work->constraint || work->odds);
}

static double log_sum_of(const as_kernels *kernels, const float *logits, size_t count) {
    float max, sum;
    kernels->exp_sum(logits, count, &max, &sum);
    return (double)max + as_log_f64((double)sum);
}

// The likeliest tokens in order, the lower id first where two are alike.
static void find_top(const float *logits, size_t count, as_token_odds *odds) {
    size_t found = 0;
    for (size_t t = 0; t < count; t++) {
        float value = logits[t];
        if (found == odds->wanted && !(value > logits[odds->tokens[found - 1]])) continue;
        size_t at = found < odds->wanted ? found++ : found - 1;
        for (; at && value > logits[odds->tokens[at - 1]]; at--)
            odds->tokens[at] = odds->tokens[at - 1];
        odds->tokens[at] = (uint32_t)t;
    }
    odds->count = found;
}

bool as_choose_token(as_sampler *sampler, const as_kernels *kernels, as_work *work,
                     as_constrained *constrained, float *logits, uint32_t *out) {
    as_token_odds *odds = work->odds;
    double log_sum = 0.0;
    size_t count = sampler->count;
    if (odds) {
        log_sum = log_sum_of(kernels, logits, count);
        if (odds->wanted) find_top(logits, count, odds);
        for (size_t i = 0; i < odds->count; i++)
            odds->logprobs[i] = (double)logits[odds->tokens[i]] - log_sum;
    }
    if (work->constraint && !as_constrained_mask(constrained, logits)) return false;
    *out = as_sampler_pick(sampler, kernels, work->sampling, work->count, logits);
    if (odds) odds->logprob = (double)logits[*out] - log_sum;
    return true;
}
