// SPDX-License-Identifier: Apache-2.0
// attention.cu - scores of queries and keys, their softmax, and the mix of values: a score and a
// mixed value is one chain each, so every position of a text is worked on side by side, and every
// value of a head.
//
// Block z takes a span of rows, block y a head of keys and up to 32 of the query heads that share
// it. A query is a row times one of those heads; warps take them in turn. What a row does not see
// is not looked at. Operands come from shared memory four at a time along the chain: else reading
// them would take longer than the sums.
#include "kernels/cuda/dialect.h"

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/lanes.cuh"

enum { STEP = 64, ROW = STEP + 4, ATTEND_WARPS = 4, PER_WARP = AS_CUDA_QUERIES / ATTEND_WARPS };

typedef struct scores_shared {
    float keys[AS_CUDA_SLOTS][ROW]; // eight lanes read 16 bytes each of different banks
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

// A row sees positions first..end-1.
typedef struct seen {
    uint32_t first, end;
} seen;

AS_DEVICE seen seen_by(const as_cuda_attention *a, const as_cuda_row *row) {
    seen s;
    s.first = 0;
    s.end = row->end;
    if (a->around && a->window) {
        const uint32_t reach = a->window / 2;
        if (row->position > reach) s.first = row->position - reach;
        if (row->position + reach + 1 < s.end) s.end = row->position + reach + 1;
    } else if (a->window && s.end > a->window) {
        s.first = s.end - a->window;
    }
    return s;
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
    w.first = seen_by(a, rows).first;
    w.end = seen_by(a, rows + w.span.count - 1).end;
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
    uint64_t slot = (uint64_t)w->kv_head * a->slot_count + w->slots[position];
    uint64_t at = slot * a->width + i;
    if (a->kv == AS_KV_F16) return widen_half(((const uint16_t *)cache)[at]);
    if (a->kv == AS_KV_F32) return ((const float *)cache)[at];
    const int8_t *codes = (const int8_t *)cache;
    const uint8_t *scales = (const uint8_t *)codes + a->kv_heads * a->slot_count * a->width;
    uint64_t block = slot * ((a->width + 31) / 32) + i / 32;
    return widen_half(((const uint16_t *)(const void *)scales)[block]) * (float)codes[at];
}

// acc[j] += chain of depth products of this lane's key with query warp + 4 j, j < per.
AS_DEVICE void add_scores(const scores_shared *shared, uint32_t depth, const uint32_t per,
                          float acc[PER_WARP]) {
    const uint32_t warp = thread_index() / 32;
    const float *key = shared->keys[thread_index() % 32];
    uint32_t i = 0;
    for (; i + 4 <= depth; i += 4) {
        const floats4 k = load_floats4(key + i);
        AS_UNROLL
        for (uint32_t j = 0; j < per; j++) {
            const floats4 q = load_floats4(shared->queries[warp + ATTEND_WARPS * j] + i);
            acc[j] = fma_f32(k.x, q.x, acc[j]);
            acc[j] = fma_f32(k.y, q.y, acc[j]);
            acc[j] = fma_f32(k.z, q.z, acc[j]);
            acc[j] = fma_f32(k.w, q.w, acc[j]);
        }
    }
    for (; i < depth; i++) AS_UNROLL
    for (uint32_t j = 0; j < per; j++)
        acc[j] = fma_f32(key[i], shared->queries[warp + ATTEND_WARPS * j][i], acc[j]);
}

// Block x takes 32 positions, a lane each.
AS_KERNEL(scores, as_cuda_attention, 128) {
    AS_SHARED(scores_shared, shared);
    const work w = work_of(&a);
    const uint32_t warp = thread_index() / 32, lane = thread_index() % 32;
    const uint32_t from = block_x() * AS_CUDA_SLOTS;
    if (from >= w.end || from + AS_CUDA_SLOTS <= w.first) return;
    float acc[PER_WARP] = {0.0f};
    for (uint32_t k = 0; k < a.width; k += STEP) {
        uint32_t depth = a.width - k < STEP ? a.width - k : STEP;
        AS_UNROLL_BY(8)
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
        if (w.queries <= ATTEND_WARPS)
            add_scores(shared, depth, 1, acc);
        else
            add_scores(shared, depth, PER_WARP, acc);
        sync_block();
    }
    AS_UNROLL
    for (uint32_t j = 0; j < PER_WARP; j++) {
        uint32_t query = warp + ATTEND_WARPS * j, position = from + lane;
        if (query >= w.queries) continue;
        // Also those that others of the span see alone: nobody looks at them.
        if (position < w.end && position >= w.first)
            a.scores[item_of(&a, &w, query) * a.stride + position] = acc[j];
    }
}

// Block x is a row times a head.
AS_KERNEL(weigh, as_cuda_attention, 128) {
    AS_SHARED(lanes_shared, shared);
    const seen own = seen_by(&a, &a.rows[block_x() / a.heads]);
    const uint32_t n = own.end - own.first;
    float *x = a.scores + (uint64_t)block_x() * a.stride + own.first;
    if (a.cap > 0.0f)
        for (uint32_t i = thread_index(); i < n; i += 128) x[i] = a.cap * tanh_f32(x[i] / a.cap);
    if (a.sinks && thread_index() == 0) x[n] = a.sinks[block_x() % a.heads];
    sync_block();
    block_softmax(shared, x, a.sinks ? n + 1 : n, 128);
}

// acc[j] += chain over `count` positions of this lane's value times the weight of query warp + 4 j.
AS_DEVICE void add_values(const mix_shared *shared, uint32_t count, const uint32_t per,
                          float acc[PER_WARP]) {
    const uint32_t warp = thread_index() / 32, lane = thread_index() % 32;
    uint32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        float v[4];
        AS_UNROLL
        for (uint32_t j = 0; j < 4; j++) v[j] = shared->values[i + j][lane];
        AS_UNROLL
        for (uint32_t j = 0; j < per; j++) {
            const floats4 w = load_floats4(shared->weights[warp + ATTEND_WARPS * j] + i);
            acc[j] = fma_f32(v[0], w.x, acc[j]);
            acc[j] = fma_f32(v[1], w.y, acc[j]);
            acc[j] = fma_f32(v[2], w.z, acc[j]);
            acc[j] = fma_f32(v[3], w.w, acc[j]);
        }
    }
    for (; i < count; i++) AS_UNROLL
    for (uint32_t j = 0; j < per; j++)
        acc[j] = fma_f32(shared->values[i][lane],
                         shared->weights[warp + ATTEND_WARPS * j][i], acc[j]);
}

// Block x takes 32 values of a head, a lane each.
AS_KERNEL(mix, as_cuda_attention, 128) {
    AS_SHARED(mix_shared, shared);
    const work w = work_of(&a);
    const uint32_t warp = thread_index() / 32, lane = thread_index() % 32;
    const uint32_t from = block_x() * AS_CUDA_DIMS;
    const uint32_t width = a.width - from < AS_CUDA_DIMS ? a.width - from : AS_CUDA_DIMS;
    float acc[PER_WARP] = {0.0f};
    for (uint32_t at = w.first; at < w.end; at += STEP) {
        uint32_t count = w.end - at < STEP ? w.end - at : STEP;
        AS_UNROLL_BY(8)
        for (uint32_t i = thread_index(); i < count * AS_CUDA_DIMS; i += 128)
            if (i % AS_CUDA_DIMS < width)
                shared->values[i / AS_CUDA_DIMS][i % AS_CUDA_DIMS] =
                    cached(&a, a.values, &w, at + i / AS_CUDA_DIMS, from + i % AS_CUDA_DIMS);
        for (uint32_t i = thread_index(); i < w.queries * STEP; i += 128) {
            uint32_t query = i / STEP, position = at + i % STEP;
            const seen own = seen_by(&a, &a.rows[row_of(&w, query)]);
            shared->weights[query][i % STEP] =
                position < own.end && position >= own.first ? a.scores[item_of(&a, &w, query) * a.stride + position] : 0.0f;
        }
        sync_block();
        if (w.queries <= ATTEND_WARPS)
            add_values(shared, count, 1, acc);
        else
            add_values(shared, count, PER_WARP, acc);
        sync_block();
    }
    AS_UNROLL
    for (uint32_t j = 0; j < PER_WARP; j++) {
        uint32_t query = warp + ATTEND_WARPS * j;
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
