// SPDX-License-Identifier: Apache-2.0
// floats.cu - products with F32, F16 and BF16 weights: chains of fma, k ascending, as kernels.h
// has them. The order rules the tensor cores out.
#include "kernels/cuda/dialect.h"

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/grid.cuh"

AS_DEVICE float widen(const as_wtype type, const void *weights, uint32_t at) {
    if (type == AS_W_F32) return ((const float *)weights)[at];
    uint16_t bits = ((const uint16_t *)weights)[at];
    return type == AS_W_F16 ? widen_half(bits) : bf16_to_float(bits);
}

// --- some rows ------------------------------------------------------------------------------

// One panel and 8 rows a block: the panel's values come through shared memory in slabs of 8 KiB,
// the next one on its way while a thread for each output takes this one.
enum { SLAB_BYTES = 8192, SLAB_VALUES = 256, THREADS = 256 };

typedef struct slab_shared {
    words4 weights[2][SLAB_BYTES / 16];
    float x[2][AS_CUDA_TILE][SLAB_VALUES];
} slab_shared;

// The pieces of 16 bytes of a slab that are this thread's, of those there are.
AS_DEVICE void read_slab(const uint8_t *values, uint64_t first, uint64_t pieces, words4 next[2]) {
    AS_UNROLL
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t piece = first + thread_index() + i * THREADS;
        if (piece < pieces) next[i] = read_words4(values + piece * 16);
    }
}

AS_DEVICE void few_floats(const as_wtype type, const as_cuda_product *a) {
    AS_SHARED(slab_shared, shared);
    const uint32_t size = type == AS_W_F32 ? 4 : 2, depth = SLAB_BYTES / (AS_PANEL * size);
    uint32_t panel, from, count;
    const as_cuda_part *part = part_of(a, &panel);
    const uint32_t thread = thread_index(), first = rows_unit(a) * AS_CUDA_TILE;
    const uint8_t *values = part->values + (uint64_t)panel * a->cols * AS_PANEL * size;
    const uint64_t pieces = (uint64_t)a->cols * AS_PANEL * size / 16;
    words4 next[2] = {{0, 0, 0, 0}, {0, 0, 0, 0}};
    // Weights were there before; but of experts only those that are asked are read.
    if (!a->order) read_slab(values, 0, pieces, next);
    wait_for_earlier();
    const uint32_t expert = expert_of(a, &from, &count);
    if (first >= count) return;
    values += expert * part->values_stride;
    if (a->order) read_slab(values, 0, pieces, next);
    from += first;
    count -= first;
    if (count > AS_CUDA_TILE) count = AS_CUDA_TILE;
    const float *x = a->x + (uint64_t)from * a->cols;
    float acc = 0.0f;
    const uint32_t r = thread / count, n = thread % count;
    uint32_t buffer = 0;
    for (uint32_t k = 0; k < a->cols; k += depth, buffer ^= 1) {
        uint32_t left = a->cols - k < depth ? a->cols - k : depth;
        AS_UNROLL
        for (uint32_t i = 0; i < 2; i++)
            if (thread + i * THREADS < left * AS_PANEL * size / 16)
                shared->weights[buffer][thread + i * THREADS] = next[i];
        for (uint32_t m = 0; m < count; m++)
            if (thread < left) shared->x[buffer][m][thread] = x[(uint64_t)m * a->cols + k + thread];
        sync_block();
        read_slab(values, (uint64_t)(k + depth) * AS_PANEL * size / 16, pieces, next);
        if (thread >= AS_PANEL * count) continue;
        AS_UNROLL_BY(16)
        for (uint32_t i = 0; i < left; i++)
            acc = fma_f32(widen(type, shared->weights[buffer], i * AS_PANEL + r),
                          shared->x[buffer][n][i], acc);
    }
    uint32_t row = panel * AS_PANEL + r;
    if (thread < AS_PANEL * count && row < part->rows)
        part->y[(uint64_t)(from + n) * part->rows + row] = acc;
}

// --- many rows ------------------------------------------------------------------------------

// 8 panels and 128 rows a block, 16 deep, 8 by 8 outputs a thread: of rows and weights two runs of
// four each, 64 apart, so that a warp reads 16 bytes a lane without a conflict. The next operands
// are on their way to registers while these are worked on.
enum { SIDE = 128, DEPTH = 16, RUN_OF = 4, SHARE = SIDE * DEPTH / THREADS };

typedef struct many_floats_shared {
    float w[2][DEPTH][SIDE], x[2][DEPTH][SIDE + 4];
} many_floats_shared;

// What a thread fetches: 8 weights of one column, 8 values of one row.
typedef struct operands {
    words4 w[2];
    float x[SHARE];
} operands;

typedef struct float_sources {
    const uint8_t *values; // of the expert
    const float *x;        // of its first row
    uint32_t panel, panels, row, rows;
} float_sources;

AS_DEVICE void fetch(const as_wtype type, const float_sources *from, uint32_t cols, uint32_t k,
                     operands *out) {
    const uint32_t size = type == AS_W_F32 ? 4 : 2, thread = thread_index();
    const uint32_t panel = from->panel + thread / 32, deep = k + thread % 32 / 2;
    const uint32_t row = from->row + thread / 2, first = k + thread % 2 * SHARE;
    if (panel < from->panels && deep < cols) {
        const uint8_t *at = from->values + (((uint64_t)panel * cols + deep) * AS_PANEL +
                                            thread % 2 * SHARE) * size;
        out->w[0] = read_words4(at);
        if (type == AS_W_F32) out->w[1] = read_words4(at + 16);
    }
    if (row >= from->rows) return;
    AS_UNROLL
    for (uint32_t i = 0; i < SHARE; i++)
        if (first + i < cols) out->x[i] = from->x[(uint64_t)row * cols + first + i];
}

AS_DEVICE void put_down(const as_wtype type, const operands *in, many_floats_shared *shared,
                        uint32_t which) {
    const uint32_t thread = thread_index();
    float *w = &shared->w[which][thread % 32 / 2][thread / 32 * AS_PANEL + thread % 2 * SHARE];
    AS_UNROLL
    for (uint32_t i = 0; i < SHARE; i++) w[i] = widen(type, in->w, i);
    AS_UNROLL
    for (uint32_t i = 0; i < SHARE; i++)
        shared->x[which][thread % 2 * SHARE + i][thread / 2] = in->x[i];
}

AS_DEVICE void add_products(const many_floats_shared *shared, uint32_t which, uint32_t deep,
                            float acc[SHARE][SHARE]) {
    const uint32_t out = thread_index() % 16 * RUN_OF, in = thread_index() / 16 * RUN_OF;
    float w[SHARE], x[SHARE];
    AS_UNROLL
    for (uint32_t half = 0; half < 2; half++) {
        const floats4 a = load_floats4(&shared->w[which][deep][half * SIDE / 2 + out]);
        const floats4 b = load_floats4(&shared->x[which][deep][half * SIDE / 2 + in]);
        const float both[2][RUN_OF] = {{a.x, a.y, a.z, a.w}, {b.x, b.y, b.z, b.w}};
        AS_UNROLL
        for (uint32_t i = 0; i < RUN_OF; i++) {
            w[half * RUN_OF + i] = both[0][i];
            x[half * RUN_OF + i] = both[1][i];
        }
    }
    AS_UNROLL
    for (uint32_t j = 0; j < SHARE; j++) AS_UNROLL
    for (uint32_t i = 0; i < SHARE; i++) acc[j][i] = fma_f32(w[i], x[j], acc[j][i]);
}

AS_DEVICE void many_floats(const as_wtype type, const as_cuda_product *a) {
    AS_SHARED(many_floats_shared, shared);
    uint32_t unit, first, count;
    const as_cuda_part *part = part_of(a, &unit);
    const uint32_t expert = expert_of(a, &first, &count), m = rows_unit(a) * SIDE;
    if (m >= count) return;
    const float_sources from = {.values = part->values + expert * part->values_stride,
                                .x = a->x + (uint64_t)first * a->cols,
                                .panel = unit * (SIDE / AS_PANEL),
                                .panels = (part->rows + AS_PANEL - 1) / AS_PANEL,
                                .row = m,
                                .rows = count};
    operands next = {{{0, 0, 0, 0}, {0, 0, 0, 0}}, {0.0f}};
    float acc[SHARE][SHARE];
    AS_UNROLL
    for (uint32_t j = 0; j < SHARE; j++) AS_UNROLL
    for (uint32_t i = 0; i < SHARE; i++) acc[j][i] = 0.0f;
    fetch(type, &from, a->cols, 0, &next);
    uint32_t which = 0;
    for (uint32_t k = 0; k < a->cols; k += DEPTH, which ^= 1) {
        put_down(type, &next, shared, which);
        sync_block(); // and nobody reads the other one any more
        fetch(type, &from, a->cols, k + DEPTH, &next);
        if (k + DEPTH <= a->cols) {
            AS_UNROLL
            for (uint32_t i = 0; i < DEPTH; i++) add_products(shared, which, i, acc);
        } else {
            for (uint32_t i = 0; k + i < a->cols; i++) add_products(shared, which, i, acc);
        }
    }
    AS_UNROLL
    for (uint32_t j = 0; j < SHARE; j++) AS_UNROLL
    for (uint32_t i = 0; i < SHARE; i++) {
        uint32_t in = m + j / RUN_OF * (SIDE / 2) + thread_index() / 16 * RUN_OF + j % RUN_OF;
        uint32_t out = unit * SIDE + i / RUN_OF * (SIDE / 2) + thread_index() % 16 * RUN_OF +
                       i % RUN_OF;
        if (out < part->rows && in < count)
            part->y[(uint64_t)(first + in) * part->rows + out] = acc[j][i];
    }
}

#define FLOAT_PRODUCTS(name, type)                                                                 \
    AS_KERNEL_EAGER(few_##name, as_cuda_product, 256) {                                            \
        few_floats(type, &a);                                                                      \
    }                                                                                              \
    AS_KERNEL_TWICE(many_##name, as_cuda_product, 256) {                                                 \
        many_floats(type, &a);                                                                     \
    }

FLOAT_PRODUCTS(f32, AS_W_F32)
FLOAT_PRODUCTS(f16, AS_W_F16)
FLOAT_PRODUCTS(bf16, AS_W_BF16)
