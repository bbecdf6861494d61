// SPDX-License-Identifier: Apache-2.0
// draw.cu - tokens drawn by chance from rows of logits, as harness/engine/sampler.c draws them: the
// row stays on the device. Filters look at the AS_CUDA_DRAWN likeliest tokens in order; a row whose
// filters leave more is left to the host.
#include "kernels/cuda/dialect.h"

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/lanes.cuh"

// Bins of floats of 0 to 1 by the upper bits of their patterns, which are in their order.
enum { DRAW_THREADS = 512, BIN_SHIFT = 19, BINS = 0x3f880000u >> BIN_SHIFT };

typedef struct draw_shared {
    lanes_shared lanes;
    uint32_t bins[BINS];
    float odds[AS_CUDA_DRAWN];
    uint32_t tokens[AS_CUDA_DRAWN];
    uint32_t count, lowest, positive; // candidates; the first bin of theirs; tokens that have any
    double all;
} draw_shared;

// Whether candidate a comes before b: the likelier, then the lower token.
AS_DEVICE bool comes_before(const draw_shared *shared, uint32_t a, uint32_t b) {
    float x = shared->odds[a], y = shared->odds[b];
    return x != y ? x > y : shared->tokens[a] < shared->tokens[b];
}

// The odds of all tokens at the row's temperature, in place of their logits.
AS_DEVICE void make_odds(draw_shared *shared, float *x, uint32_t n, uint32_t best,
                         float temperature) {
    const float top = x[best];
    sync_block();
    for (uint32_t i = thread_index(); i < n; i += DRAW_THREADS) x[i] = (x[i] - top) / temperature;
    sync_block();
    block_softmax(&shared->lanes, x, n, DRAW_THREADS);
}

// What each run of tokens has, a thread a run, and all of them.
AS_DEVICE void sum_runs(draw_shared *shared, const float *x, uint32_t n, double *runs) {
    const uint32_t count = (n + AS_CUDA_RUN - 1) / AS_CUDA_RUN;
    for (uint32_t r = thread_index(); r < count; r += DRAW_THREADS) {
        double sum = 0.0;
        for (uint32_t i = r * AS_CUDA_RUN; i < n && i < (r + 1) * AS_CUDA_RUN; i++)
            if (x[i] > 0.0f) sum += (double)x[i];
        runs[r] = sum;
    }
    sync_block();
    if (thread_index() == 0) {
        double all = 0.0;
        for (uint32_t r = 0; r < count; r++) all += runs[r];
        shared->all = all;
    }
    sync_block();
}

// The token of all in which `goal` ends; by one thread.
AS_DEVICE uint32_t draw_of_all(const float *x, uint32_t n, const double *runs, double goal) {
    double all = 0.0, before = 0.0;
    uint32_t at = 0, last = 0;
    for (uint32_t r = 0; r < (n + AS_CUDA_RUN - 1) / AS_CUDA_RUN; r++) {
        if (!(runs[r] > 0.0)) continue;
        at = r;
        before = all;
        all += runs[r];
        if (all > goal) break;
    }
    double sum = 0.0;
    for (uint32_t i = at * AS_CUDA_RUN; i < n && i < (at + 1) * AS_CUDA_RUN; i++) {
        if (!(x[i] > 0.0f)) continue;
        sum += (double)x[i];
        last = i;
        if (before + sum > goal) break;
    }
    return last;
}

// Puts the likeliest tokens into shared memory: as many whole bins as there is room for.
AS_DEVICE void gather(draw_shared *shared, const float *x, uint32_t n) {
    const uint32_t thread = thread_index();
    for (uint32_t i = thread; i < BINS; i += DRAW_THREADS) shared->bins[i] = 0;
    if (thread == 0) shared->positive = shared->count = 0;
    sync_block();
    for (uint32_t i = thread; i < n; i += DRAW_THREADS)
        if (x[i] > 0.0f) add_shared(&shared->bins[float_bits(x[i]) >> BIN_SHIFT], 1);
    sync_block();
    if (thread == 0) {
        uint32_t lowest = BINS, count = 0;
        while (lowest > 0 && count + shared->bins[lowest - 1] <= AS_CUDA_DRAWN)
            count += shared->bins[--lowest];
        for (uint32_t i = 0; i < BINS; i++) shared->positive += shared->bins[i];
        shared->lowest = lowest;
    }
    sync_block();
    for (uint32_t i = thread; i < n; i += DRAW_THREADS)
        if (x[i] > 0.0f && float_bits(x[i]) >> BIN_SHIFT >= shared->lowest) {
            uint32_t at = add_shared(&shared->count, 1);
            shared->odds[at] = x[i];
            shared->tokens[at] = i;
        }
    sync_block();
    for (uint32_t i = shared->count + thread; i < AS_CUDA_DRAWN; i += DRAW_THREADS) {
        shared->odds[i] = -1.0f; // behind all others
        shared->tokens[i] = i;
    }
    sync_block();
}

// Bitonic: whatever order they were gathered in, the result is one.
AS_DEVICE void sort_candidates(draw_shared *shared) {
    for (uint32_t size = 2; size <= AS_CUDA_DRAWN; size *= 2)
        for (uint32_t step = size / 2; step > 0; step /= 2) {
            for (uint32_t i = thread_index(); i < AS_CUDA_DRAWN; i += DRAW_THREADS) {
                const uint32_t other = i ^ step;
                if (other < i) continue;
                const bool forward = (i & size) == 0;
                if (comes_before(shared, other, i) == forward) {
                    float odds = shared->odds[i];
                    uint32_t token = shared->tokens[i];
                    shared->odds[i] = shared->odds[other];
                    shared->tokens[i] = shared->tokens[other];
                    shared->odds[other] = odds;
                    shared->tokens[other] = token;
                }
            }
            sync_block();
        }
}

// The token that the filters and chance leave, by one thread.
AS_DEVICE uint32_t choose_candidate(const draw_shared *shared, const as_cuda_drawing *p, uint32_t n,
                                    uint32_t best) {
    const float *odds = shared->odds;
    const bool limited = p->top_k && p->top_k < n;
    const uint32_t most = limited ? p->top_k : n;
    const double least = p->min_p * (double)odds[0];
    uint32_t taken = 0, kept = 0;
    double have = 0.0, mass = 0.0;
    while (taken < shared->positive && taken < most && (limited || have < p->top_p * shared->all)) {
        if (taken == shared->count) return AS_CUDA_UNDECIDED;
        if (!limited && taken && (double)odds[taken] < least) break;
        have += (double)odds[taken++];
    }
    const double whole = limited ? have : shared->all;
    for (; kept < taken && mass < p->top_p * whole; kept++) {
        if (kept && (double)odds[kept] < least) break;
        mass += (double)odds[kept];
    }
    if (!kept) return best;
    const double goal = p->unit * mass;
    double sum = 0.0;
    uint32_t last = 0;
    for (uint32_t i = 0; i < kept; i++) {
        sum += (double)odds[i];
        last = shared->tokens[i];
        if (sum > goal) break;
    }
    return last;
}

AS_KERNEL(draw, as_cuda_draw, 512) {
    AS_SHARED(draw_shared, shared);
    const as_cuda_drawing p = a.drawings[block_x()];
    const uint32_t n = a.n, best = a.facts[p.row].best;
    float *x = a.logits + (uint64_t)p.row * n;
    double *runs = a.runs + (uint64_t)block_x() * ((n + AS_CUDA_RUN - 1) / AS_CUDA_RUN);
    make_odds(shared, x, n, best, p.temperature);
    sum_runs(shared, x, n, runs);
    if (!p.all) {
        gather(shared, x, n);
        sort_candidates(shared);
    }
    if (thread_index() != 0) return;
    uint32_t token = best;
    if (!p.all)
        token = choose_candidate(shared, &p, n, best);
    else if (shared->all > 0.0)
        token = draw_of_all(x, n, runs, p.unit * shared->all);
    a.tokens[block_x()] = token;
}
