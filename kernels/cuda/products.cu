// SPDX-License-Identifier: Apache-2.0
// products.cu - products with quantized weights, on the tensor cores. The dot of a group of weights
// is one instruction, exact in int32; scales and sums are float, in the order of kernels.h.
#include "kernels/cuda/dialect.h"

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/fragments.cuh"

// The part that block y works on.
AS_DEVICE const as_cuda_part *part_of(const as_cuda_product *a) {
    uint32_t i = 0;
    while (i + 1 < a->part_count && block_y() >= a->parts[i + 1].first_block) i++;
    return &a->parts[i];
}

// The rows that the block is to look at: all, or those of its expert.
AS_DEVICE void rows_of(const as_cuda_product *a, uint32_t *from, uint32_t *count) {
    *from = a->starts ? a->starts[block_z()] : 0;
    *count = a->starts ? a->counts[block_z()] : a->count;
}

// --- some rows ------------------------------------------------------------------------------

// One panel and 8 rows a block. The warps take blocks of 32 along k, GROUPS_AT_ONCE groups of
// weights at a time, and put dots and scales into shared memory; then a thread for each output adds
// them up in order, while the weights of the next are on their way.
enum { WARPS = 16, GROUPS_AT_ONCE = 64 };

typedef struct few_shared {
    float s[2][GROUPS_AT_ONCE][AS_PANEL], m[2][GROUPS_AT_ONCE][AS_PANEL];
    float d[2][GROUPS_AT_ONCE][AS_CUDA_TILE], sums[2][GROUPS_AT_ONCE][AS_CUDA_TILE];
    float dots[]; // [2][GROUPS_AT_ONCE][AS_PANEL][count]
} few_shared;

AS_DEVICE uint32_t dots_at(uint32_t buffer, uint32_t group, uint32_t count) {
    return (buffer * GROUPS_AT_ONCE + group) * AS_PANEL * count;
}

// Block kb of the panel times the 8 rows, into groups `at`.. of the buffer.
AS_DEVICE void few_dots(const as_wtype type, const as_cuda_product *a, const words *w,
                        const uint8_t *beside, uint32_t tile, uint32_t count, uint32_t kb,
                        few_shared *shared, uint32_t buffer, uint32_t at) {
    const wfacts facts = wfacts_of(type);
    const uint32_t groups = 32u / facts.group, lane = thread_index() % 32;
    const uint32_t row = lane / 4, column = lane % 4 * 2;
    uint64_t block = (uint64_t)tile * (a->cols / 32) + kb;
    uint32_t fragment[4], b0 = 0, b1 = 0;
    if (row < count) {
        words2 b = load_words2(a->quantized.q + block * 256 + lane * 8);
        b0 = b.x;
        b1 = b.y;
    }
    take_fragment(type, w, lane, fragment);
    AS_UNROLL
    for (uint32_t g = 0; g < groups; g++) {
        int32_t c[4] = {SUM_ZERO, SUM_ZERO, SUM_ZERO, SUM_ZERO};
        if (groups == 1)
            mma_32(c, fragment, b0, b1);
        else
            mma_16(c, fragment[2 * g], fragment[2 * g + 1], g ? b1 : b0);
        float *dots = shared->dots + dots_at(buffer, at + g, count);
        AS_UNROLL
        for (uint32_t i = 0; i < 4; i++) {
            uint32_t r = row + i / 2 * 8, n = column + i % 2;
            if (n < count) dots[r * count + n] = float_of_sum(c[i]);
        }
        if (lane % 4 < 2) {
            uint32_t r = row + lane % 4 * 8;
            float s, m;
            read_scales(type, beside, kb, g, r, &s, &m);
            shared->s[buffer][at + g][r] = s;
            if (facts.mins) shared->m[buffer][at + g][r] = m;
        }
        if (lane < count) {
            float d = a->quantized.d[block * 8 + lane];
            shared->d[buffer][at + g][lane] = d;
            if (facts.mins)
                shared->sums[buffer][at + g][lane] =
                    groups == 1 ? a->quantized.sums[block * 8 + lane]
                                : d * (float)a->quantized.halves[block * 16 + g * 8 + lane];
        }
    }
}

AS_DEVICE float few_chain(const as_wtype type, const few_shared *shared, uint32_t buffer,
                          uint32_t groups, uint32_t count, float acc) {
    const wfacts facts = wfacts_of(type);
    const uint32_t output = thread_index(), r = output / count, n = output % count;
    const float *dots = shared->dots + dots_at(buffer, 0, count) + output;
    AS_UNROLL_BY(4)
    for (uint32_t g = 0; g < groups; g++) {
        float scale = shared->s[buffer][g][r] * shared->d[buffer][g][n];
        acc = fma_f32(scale, dots[g * AS_PANEL * count], acc);
        if (facts.mins) acc = fma_f32(shared->m[buffer][g][r], shared->sums[buffer][g][n], acc);
    }
    return acc;
}

// Blocks kb.. of the panel, those there are.
AS_DEVICE void few_read(const as_wtype type, const as_cuda_product *a, const uint8_t *values,
                        uint32_t panel, uint32_t kb, const uint32_t blocks, words *w) {
    AS_UNROLL
    for (uint32_t i = 0; i < blocks; i++)
        if (kb + i < a->cols / 32)
            w[i] = read_words(type, planes_at(type, values, a->cols, panel, kb + i),
                              thread_index() % 32);
}

AS_DEVICE void few(const as_wtype type, const as_cuda_product *a) {
    AS_SHARED(few_shared, shared);
    const wfacts facts = wfacts_of(type);
    const uint32_t groups = 32u / facts.group, slab = GROUPS_AT_ONCE / groups;
    const uint32_t ahead = slab / WARPS; // blocks of a warp
    const as_cuda_part *part = part_of(a);
    const uint32_t panel = block_y() - part->first_block, blocks = a->cols / 32;
    const uint32_t at = thread_index() / 32 * ahead;
    const uint8_t *values = part->values + block_z() * part->values_stride;
    const uint8_t *scales = part->scales + block_z() * part->scales_stride;
    words w[GROUPS_AT_ONCE / WARPS];
    // Weights were there before; but of experts only those that are asked are read.
    if (!a->starts) few_read(type, a, values, panel, at, ahead, w);
    wait_for_earlier();
    uint32_t from, count;
    rows_of(a, &from, &count);
    if (block_x() * AS_CUDA_TILE >= count) return;
    if (a->starts) few_read(type, a, values, panel, at, ahead, w);
    from += block_x() * AS_CUDA_TILE;
    count -= block_x() * AS_CUDA_TILE;
    if (count > AS_CUDA_TILE) count = AS_CUDA_TILE;
    float acc = 0.0f;
    uint32_t buffer = 0;
    for (uint32_t begin = 0; begin < blocks; begin += slab, buffer ^= 1) {
        AS_UNROLL
        for (uint32_t i = 0; i < ahead; i++) {
            uint32_t kb = begin + at + i;
            if (kb < blocks)
                few_dots(type, a, &w[i], beside_at(type, scales, a->cols, panel, kb),
                         from / AS_CUDA_TILE, count, kb, shared, buffer, (at + i) * groups);
        }
        few_read(type, a, values, panel, begin + slab + at, ahead, w);
        sync_block();
        uint32_t left = blocks - begin < slab ? blocks - begin : slab;
        if (thread_index() < AS_PANEL * count)
            acc = few_chain(type, shared, buffer, left * groups, count, acc);
    }
    uint32_t row = panel * AS_PANEL + thread_index() / count;
    if (thread_index() < AS_PANEL * count && row < part->rows)
        part->y[(uint64_t)(from + thread_index() % count) * part->rows + row] = acc;
}

// --- many rows ------------------------------------------------------------------------------

// 8 panels and 128 rows a block, 2 panels and 64 rows a warp. A warp goes along k alone, its sums
// in registers; that warps of a block read the same is left to the cache.
enum { PANELS = 2, TILES = 8 };

typedef struct many_scales {
    float s[PANELS][2], m[PANELS][2]; // of rows i and i + 8
} many_scales;

// Adds the dots of one group to the sums.
AS_DEVICE void many_add(const as_wtype type, const many_scales *scales, uint32_t panel,
                        const int32_t c[4], const float d[2], const float sums[2], float acc[4]) {
    const wfacts facts = wfacts_of(type);
    AS_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        acc[i] = fma_f32(scales->s[panel][i / 2] * d[i % 2], float_of_sum(c[i]), acc[i]);
        if (facts.mins) acc[i] = fma_f32(scales->m[panel][i / 2], sums[i % 2], acc[i]);
    }
}

AS_DEVICE void many(const as_wtype type, const as_cuda_product *a) {
    const wfacts facts = wfacts_of(type);
    const uint32_t groups = 32u / facts.group, blocks = a->cols / 32;
    const as_cuda_part *part = part_of(a);
    const uint32_t warp = thread_index() / 32, lane = thread_index() % 32;
    const uint32_t panels = (part->rows + AS_PANEL - 1) / AS_PANEL;
    uint32_t panel = (block_y() - part->first_block) * AS_CUDA_MANY_PANELS + warp % 4 * PANELS;
    uint32_t from, count, row = block_x() * AS_CUDA_MANY_ROWS + warp / 4 * TILES * AS_CUDA_TILE;
    rows_of(a, &from, &count);
    if (panel >= panels || row >= count) return;
    const uint32_t tile = (from + row) / AS_CUDA_TILE;
    const uint32_t tiles = (count - row + AS_CUDA_TILE - 1) / AS_CUDA_TILE;
    const uint32_t here = panels - panel < PANELS ? panels - panel : PANELS;
    const uint8_t *values = part->values + block_z() * part->values_stride;
    const uint8_t *scales = part->scales + block_z() * part->scales_stride;
    float acc[PANELS][TILES][4];
    AS_UNROLL
    for (uint32_t p = 0; p < PANELS; p++) AS_UNROLL
    for (uint32_t t = 0; t < TILES; t++) AS_UNROLL
    for (uint32_t i = 0; i < 4; i++) acc[p][t][i] = 0.0f;
    for (uint32_t kb = 0; kb < blocks; kb++) {
        uint32_t fragments[PANELS][4];
        AS_UNROLL
        for (uint32_t p = 0; p < PANELS; p++) {
            uint32_t which = panel + (p < here ? p : 0);
            words w = read_words(type, planes_at(type, values, a->cols, which, kb), lane);
            take_fragment(type, &w, lane, fragments[p]);
        }
        AS_UNROLL
        for (uint32_t g = 0; g < groups; g++) {
            many_scales s;
            AS_UNROLL
            for (uint32_t i = 0; i < 2 * PANELS; i++) {
                uint32_t which = panel + (i / 2 < here ? i / 2 : 0);
                read_scales(type, beside_at(type, scales, a->cols, which, kb), kb, g,
                            lane / 4 + i % 2 * 8, &s.s[i / 2][i % 2], &s.m[i / 2][i % 2]);
            }
            AS_UNROLL
            for (uint32_t t = 0; t < TILES; t++) {
                if (t >= tiles) continue;
                uint64_t block = (uint64_t)(tile + t) * blocks + kb;
                uint64_t column = block * 8 + lane % 4 * 2;
                words2 b = load_words2(a->quantized.q + block * 256 + lane * 8);
                words2 two = load_words2(a->quantized.d + column);
                float d[2] = {bits_float(two.x), bits_float(two.y)}, sums[2] = {0.0f, 0.0f};
                if (facts.mins && groups == 1) {
                    two = load_words2(a->quantized.sums + column);
                    sums[0] = bits_float(two.x);
                    sums[1] = bits_float(two.y);
                } else if (facts.mins) {
                    two = load_words2(a->quantized.halves + block * 16 + g * 8 + lane % 4 * 2);
                    sums[0] = d[0] * (float)(int32_t)two.x;
                    sums[1] = d[1] * (float)(int32_t)two.y;
                }
                AS_UNROLL
                for (uint32_t p = 0; p < PANELS; p++) {
                    int32_t c[4] = {SUM_ZERO, SUM_ZERO, SUM_ZERO, SUM_ZERO};
                    if (groups == 1)
                        mma_32(c, fragments[p], b.x, b.y);
                    else
                        mma_16(c, fragments[p][2 * g], fragments[p][2 * g + 1], g ? b.y : b.x);
                    many_add(type, &s, p, c, d, sums, acc[p][t]);
                }
            }
        }
    }
    AS_UNROLL
    for (uint32_t p = 0; p < PANELS; p++) AS_UNROLL
    for (uint32_t t = 0; t < TILES; t++) AS_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t out = (panel + p) * AS_PANEL + lane / 4 + i / 2 * 8;
        uint32_t m = row + t * AS_CUDA_TILE + lane % 4 * 2 + i % 2;
        if (p < here && out < part->rows && m < count)
            part->y[(uint64_t)(from + m) * part->rows + out] = acc[p][t][i];
    }
}

#define PRODUCTS(name, type)                                                                       \
    AS_KERNEL_EAGER(few_##name, as_cuda_product, 512) {                                            \
        few(type, &a);                                                                             \
    }                                                                                              \
    AS_KERNEL(many_##name, as_cuda_product, 256) {                                                 \
        many(type, &a);                                                                            \
    }

PRODUCTS(q8_0, AS_W_Q8_0)
PRODUCTS(q4_0, AS_W_Q4_0)
PRODUCTS(q4_1, AS_W_Q4_1)
PRODUCTS(q5_0, AS_W_Q5_0)
PRODUCTS(q5_1, AS_W_Q5_1)
PRODUCTS(q2_k, AS_W_Q2_K)
PRODUCTS(q3_k, AS_W_Q3_K)
PRODUCTS(q4_k, AS_W_Q4_K)
PRODUCTS(q5_k, AS_W_Q5_K)
PRODUCTS(q6_k, AS_W_Q6_K)
PRODUCTS(iq4_nl, AS_W_IQ4_NL)
PRODUCTS(iq4_xs, AS_W_IQ4_XS)
PRODUCTS(mxfp4, AS_W_MXFP4)
