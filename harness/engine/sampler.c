// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/sampler.h"

#include <math.h>
#include <stdlib.h>

#include "harness/base/rng.h"

as_sampler as_sampler_new(size_t count) {
    return (as_sampler){.count = count,
                        .odds = as_mem_new(as_size_mul(count, sizeof(float))),
                        .heap = as_mem_new(as_size_mul(count, sizeof(uint32_t))),
                        .taken = as_mem_new(as_size_mul(count, sizeof(uint32_t)))};
}

void as_sampler_free(as_sampler *sampler) {
    free(sampler->odds);
    free(sampler->heap);
    free(sampler->taken);
    *sampler = (as_sampler){0};
}

static bool before(const float *odds, uint32_t a, uint32_t b) {
    return odds[a] != odds[b] ? odds[a] > odds[b] : a < b;
}

static void sink(const float *odds, uint32_t *heap, size_t count, size_t at) {
    uint32_t token = heap[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && before(odds, heap[child + 1], heap[child])) child++;
        if (!before(odds, heap[child], token)) break;
        heap[at] = heap[child];
    }
    heap[at] = token;
}

static bool too_small(const as_sampler *s, const as_sampling *p, uint32_t token) {
    return (double)s->odds[token] < p->min_p * (double)s->odds[s->taken[0]];
}

// Fills s->taken with what the filters leave; how many. *mass is what they have together.
static size_t filter(as_sampler *s, const as_sampling *p, double *mass) {
    const float *odds = s->odds;
    size_t left = 0, taken = 0, most = p->top_k && p->top_k < s->count ? p->top_k : s->count;
    double all = 0.0;
    for (size_t i = 0; i < s->count; i++) {
        if (!(odds[i] > 0.0f)) continue;
        all += (double)odds[i];
        s->heap[left++] = (uint32_t)i;
    }
    for (size_t i = left / 2; i-- > 0;) sink(odds, s->heap, left, i);
    // top_p is a share of what top_k leaves, so all of that has to be known first.
    bool limited = most < s->count;
    double have = 0.0;
    while (left && taken < most && (limited || have < p->top_p * all)) {
        uint32_t best = s->heap[0];
        if (!limited && taken && too_small(s, p, best)) break;
        s->taken[taken++] = best;
        have += (double)odds[best];
        s->heap[0] = s->heap[--left];
        sink(odds, s->heap, left, 0);
    }
    size_t kept = 0;
    double whole = limited ? have : all;
    for (*mass = 0.0; kept < taken && *mass < p->top_p * whole; kept++) {
        if (kept && too_small(s, p, s->taken[kept])) break;
        *mass += (double)odds[s->taken[kept]];
    }
    return kept;
}

// The one of `tokens` (NULL: all) in which the share `unit` of the mass ends.
static uint32_t draw(const as_sampler *s, const uint32_t *tokens, size_t count, double unit,
                     double mass) {
    double goal = unit * mass, sum = 0.0;
    uint32_t last = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t token = tokens ? tokens[i] : (uint32_t)i;
        if (!(s->odds[token] > 0.0f)) continue;
        sum += (double)s->odds[token];
        last = token;
        if (sum > goal) break;
    }
    return last;
}

uint32_t as_sampler_pick(as_sampler *sampler, const as_kernels *kernels,
                         const as_sampling *sampling, uint64_t step, const float *logits) {
    as_sampler *s = sampler;
    size_t best = kernels->argmax(logits, s->count);
    if (!sampling || !(sampling->temperature > 0.0)) return (uint32_t)best;
    float temperature = (float)sampling->temperature;
    for (size_t i = 0; i < s->count; i++) s->odds[i] = (logits[i] - logits[best]) / temperature;
    kernels->softmax(s->odds, s->count);
    as_rng rng = as_rng_of(sampling->seed, sampling->stream);
    rng.index = step;
    double unit = as_rng_unit(&rng), mass = 0.0;
    bool all = !sampling->top_k && sampling->top_p >= 1.0 && !(sampling->min_p > 0.0);
    if (!all) {
        size_t count = filter(s, sampling, &mass);
        return count ? draw(s, s->taken, count, unit, mass) : (uint32_t)best;
    }
    for (size_t i = 0; i < s->count; i++) mass += (double)s->odds[i];
    return mass > 0.0 ? draw(s, NULL, s->count, unit, mass) : (uint32_t)best;
}
