// SPDX-License-Identifier: Apache-2.0
// attention.cu - scores of queries and keys, their softmax, and the mix of values: a score and a
// mixed value is one chain each, so every position of a text is worked on side by side, and every
// value of a head.
//
// Block z takes a span of rows, block y a head of keys and up to 16 of the query heads that share
// it. A query is a row times one of those heads. What a row does not see is not looked at.
#include "kernels/cuda/dialect.h"

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/lanes.cuh"

enum { STEP = 64, WARP_QUERIES = AS_CUDA_QUERIES / 4 }; // of a head at once; 4 warps

typedef struct scores_shared {
    float keys[AS_CUDA_SLOTS][STEP + 1];
    float queries[AS_CUDA_QUERIES][STEP];
} scores_shared;

typedef struct mix_shared {
    float values[STEP][AS_CUDA_DIMS];
    float weights[AS_CUDA_QUERIES][STEP];
} mix_shared;

// What a block works on.
typedef struct work {
    as_cuda_span span;
    uint32_t kv_head, head, heads; // query heads from `head` on
    uint32_t queries;              // span.count * heads
    const uint32_t *slots;         // of the view
    uint32_t first, end;           // positions that any row of the span sees
} work;

AS_DEVICE uint32_t first_of(const as_cuda_attention *a, uint32_t position) {
    return a->window && position + 1 > a->window ? position + 1 - a->window : 0;
}

AS_DEVICE work work_of(const as_cuda_attention *a) {
    work w;
    const uint32_t group = a->heads / a->kv_heads;
    const uint32_t parts = (group + AS_CUDA_QUERIES - 1) / AS_CUDA_QUERIES;
    const uint32_t before = block_y() % parts * AS_CUDA_QUERIES;
    w.span = a->spans[block_z()];
    w.kv_head = block_y() / parts;
    w.head = w.kv_head * group + before;
    w.heads = group - before < AS_CUDA_QUERIES ? group - before : AS_CUDA_QUERIES;
    w.queries = w.span.count * w.heads;
    const as_cuda_row *rows = a->rows + w.span.first;
    w.slots = a->slots + rows->view;
    w.first = UINT32_MAX;
    w.end = 0;
    for (uint32_t i = 0; i < w.span.count; i++) {
        uint32_t position = rows[i].position, first = first_of(a, position);
        w.first = first < w.first ? first : w.first;
        w.end = position + 1 > w.end ? position + 1 : w.end;
    }
    return w;
}

// Of query i: its row, and its head among all.
AS_DEVICE uint32_t row_of(const work *w, uint32_t i) {
    return w->span.first + i / w->heads;
}

AS_DEVICE uint64_t item_of(const as_cuda_attention *a, const work *w, uint32_t i) {
    return (uint64_t)row_of(w, i) * a->heads + w->head + i % w->heads;
}

AS_DEVICE float cached(const as_cuda_attention *a, const void *cache, const work *w,
                       uint32_t position, uint32_t i) {
    uint64_t at = ((uint64_t)w->kv_head * a->slot_count + w->slots[position]) * a->width + i;
    return a->half ? widen_half(((const uint16_t *)cache)[at]) : ((const float *)cache)[at];
}

// Block x takes 32 positions, a lane each; a warp 4 queries.
AS_KERNEL(scores, as_cuda_attention, 128) {
    AS_SHARED(scores_shared, shared);
    const work w = work_of(&a);
    const uint32_t warp = thread_index() / 32, lane = thread_index() % 32;
    const uint32_t from = block_x() * AS_CUDA_SLOTS;
    if (from >= w.end || from + AS_CUDA_SLOTS <= w.first) return;
    float acc[WARP_QUERIES] = {0.0f};
    for (uint32_t k = 0; k < a.width; k += STEP) {
        uint32_t depth = a.width - k < STEP ? a.width - k : STEP;
        for (uint32_t i = thread_index(); i < AS_CUDA_SLOTS * STEP; i += 128) {
            uint32_t position = from + i / STEP, deep = i % STEP;
            if (deep < depth && position < w.end && position >= w.first)
                shared->keys[i / STEP][deep] = cached(&a, a.keys, &w, position, k + deep);
        }
        for (uint32_t i = thread_index(); i < w.queries * STEP; i += 128)
            if (i % STEP < depth)
                shared->queries[i / STEP][i % STEP] =
                    a.q[item_of(&a, &w, i / STEP) * a.width + k + i % STEP] * a.scale;
        sync_block();
        for (uint32_t i = 0; i < depth; i++) {
            float key = shared->keys[lane][i];
            AS_UNROLL
            for (uint32_t j = 0; j < WARP_QUERIES; j++)
                acc[j] = fma_f32(key, shared->queries[warp * WARP_QUERIES + j][i], acc[j]);
        }
        sync_block();
    }
    AS_UNROLL
    for (uint32_t j = 0; j < WARP_QUERIES; j++) {
        uint32_t query = warp * WARP_QUERIES + j, position = from + lane;
        if (query >= w.queries) continue;
        uint32_t own = a.rows[row_of(&w, query)].position;
        if (position <= own && position >= first_of(&a, own))
            a.scores[item_of(&a, &w, query) * a.stride + position] = acc[j];
    }
}

// Block x is a row times a head.
AS_KERNEL(weigh, as_cuda_attention, 128) {
    AS_SHARED(lanes_shared, shared);
    const uint32_t position = a.rows[block_x() / a.heads].position, first = first_of(&a, position);
    const uint32_t n = position + 1 - first;
    float *x = a.scores + (uint64_t)block_x() * a.stride + first;
    if (a.cap > 0.0f)
        for (uint32_t i = thread_index(); i < n; i += 128) x[i] = a.cap * tanh_f32(x[i] / a.cap);
    block_softmax(shared, x, n, 128);
}

// Block x takes 32 values of a head, a lane each; a warp 4 queries.
AS_KERNEL(mix, as_cuda_attention, 128) {
    AS_SHARED(mix_shared, shared);
    const work w = work_of(&a);
    const uint32_t warp = thread_index() / 32, lane = thread_index() % 32;
    const uint32_t from = block_x() * AS_CUDA_DIMS;
    const uint32_t width = a.width - from < AS_CUDA_DIMS ? a.width - from : AS_CUDA_DIMS;
    float acc[WARP_QUERIES] = {0.0f};
    for (uint32_t at = w.first; at < w.end; at += STEP) {
        uint32_t count = w.end - at < STEP ? w.end - at : STEP;
        for (uint32_t i = thread_index(); i < count * AS_CUDA_DIMS; i += 128)
            if (i % AS_CUDA_DIMS < width)
                shared->values[i / AS_CUDA_DIMS][i % AS_CUDA_DIMS] =
                    cached(&a, a.values, &w, at + i / AS_CUDA_DIMS, from + i % AS_CUDA_DIMS);
        for (uint32_t i = thread_index(); i < w.queries * STEP; i += 128) {
            uint32_t query = i / STEP, position = at + i % STEP;
            uint32_t own = a.rows[row_of(&w, query)].position;
            bool seen = position <= own && position >= first_of(&a, own);
            shared->weights[query][i % STEP] =
                seen ? a.scores[item_of(&a, &w, query) * a.stride + position] : 0.0f;
        }
        sync_block();
        for (uint32_t i = 0; i < count; i++) {
            float value = shared->values[i][lane];
            AS_UNROLL
            for (uint32_t j = 0; j < WARP_QUERIES; j++)
                acc[j] = fma_f32(value, shared->weights[warp * WARP_QUERIES + j][i], acc[j]);
        }
        sync_block();
    }
    AS_UNROLL
    for (uint32_t j = 0; j < WARP_QUERIES; j++) {
        uint32_t query = warp * WARP_QUERIES + j;
        if (query >= w.queries) continue;
        // A weight of 0 adds +0, which turns a sum of -0 into +0; so every sum is taken there.
        float mixed = acc[j] + 0.0f;
        uint64_t item = item_of(&a, &w, query);
        if (lane < width) a.mixed[item * a.width + from + lane] = mixed;
        if (a.quantize)
            quantize_warp(&a.quantized, row_of(&w, query), a.heads * a.width,
                          (uint32_t)(item % a.heads * a.width + from) / 32, mixed);
    }
}
