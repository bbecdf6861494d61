// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/sampler.h"

#include <math.h>
#include <stdlib.h>

#include "harness/base/rng.h"

as_sampler as_sampler_new(size_t count) {
    size_t runs = (count + AS_SAMPLER_RUN - 1) / AS_SAMPLER_RUN;
    return (as_sampler){.count = count,
                        .runs = as_mem_new(as_size_mul(runs, sizeof(double))),
                        .odds = as_mem_new(as_size_mul(count, sizeof(float))),
                        .heap = as_mem_new(as_size_mul(count, sizeof(uint32_t))),
                        .taken = as_mem_new(as_size_mul(count, sizeof(uint32_t)))};
}

void as_sampler_free(as_sampler *sampler) {
    free(sampler->runs);
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

static bool too_small(const float *odds, const as_sampling *p, uint32_t token, uint32_t likeliest) {
    return (double)odds[token] < p->min_p * (double)odds[likeliest];
}

static size_t end_of_run(const as_sampler *s, size_t from) {
    return from + AS_SAMPLER_RUN < s->count ? from + AS_SAMPLER_RUN : s->count;
}

// What all tokens have together; s->runs is what each run has.
static double sum_up(as_sampler *s, const float *odds) {
    double all = 0.0;
    for (size_t from = 0; from < s->count; from += AS_SAMPLER_RUN) {
        double sum = 0.0;
        for (size_t i = from; i < end_of_run(s, from); i++)
            if (odds[i] > 0.0f) sum += (double)odds[i];
        s->runs[from / AS_SAMPLER_RUN] = sum;
        all += sum;
    }
    return all;
}

// Fills s->taken with what the filters leave; how many. *mass is what they have together.
static size_t filter(as_sampler *s, const as_sampling *p, const float *odds, double *mass) {
    size_t left = 0, taken = 0, most = p->top_k && p->top_k < s->count ? p->top_k : s->count;
    double all = sum_up(s, odds), have = 0.0;
    for (size_t i = 0; i < s->count; i++)
        if (odds[i] > 0.0f) s->heap[left++] = (uint32_t)i;
    for (size_t i = left / 2; i-- > 0;) sink(odds, s->heap, left, i);
    // top_p is a share of what top_k leaves, so all of that has to be known first.
    bool limited = most < s->count;
    while (left && taken < most && (limited || have < p->top_p * all)) {
        uint32_t best = s->heap[0];
        if (!limited && taken && too_small(odds, p, best, s->taken[0])) break;
        s->taken[taken++] = best;
        have += (double)odds[best];
        s->heap[0] = s->heap[--left];
        sink(odds, s->heap, left, 0);
    }
    size_t kept = 0;
    double whole = limited ? have : all;
    for (*mass = 0.0; kept < taken && *mass < p->top_p * whole; kept++) {
        if (kept && too_small(odds, p, s->taken[kept], s->taken[0])) break;
        *mass += (double)odds[s->taken[kept]];
    }
    return kept;
}

// The one of `tokens` in which the share `unit` of the mass ends.
static uint32_t draw(const float *odds, const uint32_t *tokens, size_t count, double goal) {
    double sum = 0.0;
    uint32_t last = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)odds[tokens[i]];
        last = tokens[i];
        if (sum > goal) break;
    }
    return last;
}

// The same of all tokens, whose runs are summed up: first the run, then the token in it.
static uint32_t draw_of_all(const as_sampler *s, const float *odds, double goal) {
    double all = 0.0, before = 0.0; // of the runs seen; of those before the run at `last_from`
    size_t last_from = 0;
    for (size_t from = 0; from < s->count; from += AS_SAMPLER_RUN) {
        double run = s->runs[from / AS_SAMPLER_RUN];
        if (!(run > 0.0)) continue;
        last_from = from;
        before = all;
        all += run;
        if (all > goal) break;
    }
    double sum = 0.0;
    uint32_t last = 0;
    for (size_t i = last_from; i < end_of_run(s, last_from); i++) {
        if (!(odds[i] > 0.0f)) continue;
        sum += (double)odds[i];
        last = (uint32_t)i;
        if (before + sum > goal) break;
    }
    return last;
}

double as_sampler_unit(const as_sampling *sampling, uint64_t step) {
    as_rng rng = as_rng_of(sampling->seed, sampling->stream);
    rng.index = step;
    return as_rng_unit(&rng);
}

uint32_t as_sampler_draw(as_sampler *sampler, const as_sampling *sampling, double unit,
                         const float *odds, uint32_t best) {
    as_sampler *s = sampler;
    double mass = 0.0;
    bool all = !sampling->top_k && sampling->top_p >= 1.0 && !(sampling->min_p > 0.0);
    if (!all) {
        size_t count = filter(s, sampling, odds, &mass);
        return count ? draw(odds, s->taken, count, unit * mass) : best;
    }
    mass = sum_up(s, odds);
    return mass > 0.0 ? draw_of_all(s, odds, unit * mass) : best;
}

uint32_t as_sampler_pick(as_sampler *sampler, const as_kernels *kernels,
                         const as_sampling *sampling, uint64_t step, const float *logits) {
    as_sampler *s = sampler;
    size_t best = kernels->argmax(logits, s->count);
    if (!sampling || !(sampling->temperature > 0.0)) return (uint32_t)best;
    float temperature = (float)sampling->temperature;
    for (size_t i = 0; i < s->count; i++) s->odds[i] = (logits[i] - logits[best]) / temperature;
    kernels->softmax(s->odds, s->count);
    return as_sampler_draw(s, sampling, as_sampler_unit(sampling, step), s->odds, (uint32_t)best);
}
