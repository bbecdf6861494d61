// SPDX-License-Identifier: Apache-2.0
// floats.cu - products with F32, F16 and BF16 weights: chains of fma, k ascending, as kernels.h
// has them. The order rules the tensor cores out.
#include "kernels/cuda/dialect.h"

#include "kernels/cuda/cuda.h"

AS_DEVICE float widen(const as_wtype type, const void *weights, uint32_t at) {
    if (type == AS_W_F32) return ((const float *)weights)[at];
    uint16_t bits = ((const uint16_t *)weights)[at];
    return type == AS_W_F16 ? widen_half(bits) : bf16_to_float(bits);
}

AS_DEVICE const as_cuda_part *float_part(const as_cuda_product *a) {
    uint32_t i = 0;
    while (i + 1 < a->part_count && block_y() >= a->parts[i + 1].first_block) i++;
    return &a->parts[i];
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
    const as_cuda_part *part = float_part(a);
    const uint32_t panel = block_y() - part->first_block, thread = thread_index();
    const uint8_t *values = part->values + block_z() * part->values_stride +
                            (uint64_t)panel * a->cols * AS_PANEL * size;
    const uint64_t pieces = (uint64_t)a->cols * AS_PANEL * size / 16;
    words4 next[2] = {{0, 0, 0, 0}, {0, 0, 0, 0}};
    // Weights were there before; but of experts only those that are asked are read.
    if (!a->starts) read_slab(values, 0, pieces, next);
    wait_for_earlier();
    uint32_t from = a->starts ? a->starts[block_z()] : 0;
    uint32_t count = a->starts ? a->counts[block_z()] : a->count;
    if (block_x() * AS_CUDA_TILE >= count) return;
    if (a->starts) read_slab(values, 0, pieces, next);
    from += block_x() * AS_CUDA_TILE;
    count -= block_x() * AS_CUDA_TILE;
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
        for (uint32_t i = 0; i < left; i++)
            acc = fma_f32(widen(type, shared->weights[buffer], i * AS_PANEL + r),
                          shared->x[buffer][n][i], acc);
    }
    uint32_t row = panel * AS_PANEL + r;
    if (thread < AS_PANEL * count && row < part->rows)
        part->y[(uint64_t)(from + n) * part->rows + row] = acc;
}

// --- many rows ------------------------------------------------------------------------------

// 4 panels and 64 rows a block, 16 deep; 4 by 4 outputs a thread.
enum { SIDE = 64, DEPTH = 16 };

typedef struct many_floats_shared {
    float w[DEPTH][SIDE], x[DEPTH][SIDE + 4];
} many_floats_shared;

AS_DEVICE void many_floats(const as_wtype type, const as_cuda_product *a) {
    AS_SHARED(many_floats_shared, shared);
    const uint32_t size = type == AS_W_F32 ? 4 : 2, thread = thread_index();
    const as_cuda_part *part = float_part(a);
    const uint32_t row = (block_y() - part->first_block) * SIDE, panels = (part->rows + 15) / 16;
    uint32_t from = a->starts ? a->starts[block_z()] : 0;
    uint32_t count = a->starts ? a->counts[block_z()] : a->count, m = block_x() * SIDE;
    if (m >= count) return;
    const uint8_t *values = part->values + block_z() * part->values_stride;
    const float *x = a->x + (uint64_t)from * a->cols;
    const uint32_t out = thread % 16 * 4, in = thread / 16 * 4;
    float acc[4][4] = {{0.0f}};
    for (uint32_t k = 0; k < a->cols; k += DEPTH) {
        uint32_t depth = a->cols - k < DEPTH ? a->cols - k : DEPTH;
        AS_UNROLL
        for (uint32_t i = 0; i < SIDE * DEPTH / THREADS; i++) {
            uint32_t at = thread + i * THREADS;
            uint32_t panel = row / 16 + at / (16 * DEPTH), deep = at / 16 % DEPTH;
            if (panel < panels && deep < depth)
                shared->w[deep][at / (16 * DEPTH) * 16 + at % 16] = widen(
                    type, values + ((uint64_t)panel * a->cols + k) * 16 * size, at % (16 * DEPTH));
            uint32_t deep_x = at % DEPTH, row_x = at / DEPTH;
            if (m + row_x < count && deep_x < depth)
                shared->x[deep_x][row_x] = x[(uint64_t)(m + row_x) * a->cols + k + deep_x];
        }
        sync_block();
        for (uint32_t i = 0; i < depth; i++) {
            float w[4], v[4];
            AS_UNROLL
            for (uint32_t j = 0; j < 4; j++) {
                w[j] = shared->w[i][out + j];
                v[j] = shared->x[i][in + j];
            }
            AS_UNROLL
            for (uint32_t j = 0; j < 16; j++)
                acc[j / 4][j % 4] = fma_f32(w[j % 4], v[j / 4], acc[j / 4][j % 4]);
        }
        sync_block();
    }
    AS_UNROLL
    for (uint32_t j = 0; j < 16; j++)
        if (row + out + j % 4 < part->rows && m + in + j / 4 < count)
            part->y[(uint64_t)(from + m + in + j / 4) * part->rows + row + out + j % 4] =
                acc[j / 4][j % 4];
}

#define FLOAT_PRODUCTS(name, type)                                                                 \
    AS_KERNEL_EAGER(few_##name, as_cuda_product, 256) {                                            \
        few_floats(type, &a);                                                                      \
    }                                                                                              \
    AS_KERNEL(many_##name, as_cuda_product, 256) {                                                 \
        many_floats(type, &a);                                                                     \
    }

FLOAT_PRODUCTS(f32, AS_W_F32)
FLOAT_PRODUCTS(f16, AS_W_F16)
FLOAT_PRODUCTS(bf16, AS_W_BF16)
