// SPDX-License-Identifier: Apache-2.0
// experts.cu - a mixture of experts: which ones a row goes to, where its copies lie so that the
// rows of an expert are side by side, and what comes of their answers.
#include "kernels/cuda/dialect.h"

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/lanes.cuh"

AS_KERNEL(choose, as_cuda_route, 128) {
    AS_SHARED(lanes_shared, shared);
    float *odds = a.odds + (uint64_t)block_x() * a.experts;
    uint32_t *chosen = a.chosen + (uint64_t)block_x() * a.used;
    float *weights = a.weights + (uint64_t)block_x() * a.used, sum = 0.0f;
    if (a.bias) {
        for (uint32_t i = thread_index(); i < a.experts; i += 128) odds[i] += a.bias[i];
        sync_block();
    }
    block_softmax(shared, odds, a.experts, 128);
    for (uint32_t i = 0; i < a.used; i++) {
        float most = block_max(shared, odds, a.experts, 128);
        uint32_t best = block_find(shared, odds, a.experts, most, 128);
        if (thread_index() == 0) {
            chosen[i] = best;
            weights[i] = odds[best];
            sum += odds[best];
            odds[best] = -1.0f; // below every likelihood
        }
        sync_block();
    }
    if (thread_index() != 0) return;
    for (uint32_t i = 0; i < a.used; i++) {
        float weight = weights[i];
        if (a.normed) weight /= sum;
        weights[i] = weight * a.scale;
    }
}

enum { SORT_ITEMS = 1024 }; // that are in shared memory at once

typedef struct sort_shared {
    uint32_t starts[1024], ranks[1024], items[SORT_ITEMS];
} sort_shared;

// Items from.. of all into shared memory; how many a thread looks at: one without an expert at
// none.
AS_DEVICE uint32_t sort_some(const as_cuda_route *a, uint32_t from, sort_shared *shared) {
    const uint32_t left = a->count * a->used - from, n = left < SORT_ITEMS ? left : SORT_ITEMS;
    sync_block(); // nobody looks at those before any more
    if (thread_index() < n) shared->items[thread_index()] = a->chosen[from + thread_index()];
    sync_block();
    return thread_index() < a->experts ? n : 0;
}

// A thread an expert. Each expert's rows begin at a whole tile; experts that have any come first in
// `order`.
AS_KERNEL(sort, as_cuda_route, 1024) {
    AS_SHARED(sort_shared, shared);
    const uint32_t expert = thread_index(), items = a.count * a.used;
    uint32_t count = 0;
    for (uint32_t from = 0; from < items; from += SORT_ITEMS) {
        const uint32_t n = sort_some(&a, from, shared);
        AS_UNROLL_BY(16)
        for (uint32_t i = 0; i < n; i++) count += shared->items[i] == expert;
    }
    shared->starts[expert] = (count + AS_CUDA_TILE - 1) / AS_CUDA_TILE * AS_CUDA_TILE;
    sync_block();
    if (expert == 0) {
        uint32_t next = 0, rank = 0;
        for (uint32_t i = 0; i < a.experts; i++) {
            uint32_t room = shared->starts[i];
            shared->starts[i] = next;
            next += room;
            if (room) shared->ranks[i] = rank++;
        }
        for (uint32_t i = 0; i < a.experts; i++)
            if (shared->starts[i] == (i + 1 < a.experts ? shared->starts[i + 1] : next))
                shared->ranks[i] = rank++;
    }
    sync_block();
    uint32_t place = shared->starts[expert];
    if (expert < a.experts) {
        a.starts[expert] = place;
        a.counts[expert] = count;
        a.order[shared->ranks[expert]] = expert;
    }
    for (uint32_t from = 0; from < items; from += SORT_ITEMS) {
        const uint32_t n = sort_some(&a, from, shared);
        AS_UNROLL_BY(16)
        for (uint32_t i = 0; i < n; i++)
            if (shared->items[i] == expert) a.places[from + i] = place++;
    }
}

AS_KERNEL(combine, as_cuda_combine, 256) {
    AS_SHARED(lanes_shared, shared);
    const uint32_t m = block_x(), n = a.n;
    float *y = a.y + (uint64_t)m * n, open = 0.0f;
    if (a.shared_router) {
        float z = block_dot(shared, a.shared_router, a.h + (uint64_t)m * n, n, 256);
        open = 1.0f / (1.0f + exp_f32(-z));
    }
    for (uint32_t i = thread_index(); i < n; i += 256) {
        float sum = a.shared_router ? y[i] * open : 0.0f;
        for (uint32_t j = 0; j < a.used; j++) {
            uint32_t item = m * a.used + j;
            float part = a.parts[(uint64_t)a.places[item] * n + i];
            if (a.biases) part += a.biases[(uint64_t)a.chosen[item] * n + i];
            sum = fma_f32(a.weights[item], part, sum);
        }
        y[i] = sum;
    }
}
