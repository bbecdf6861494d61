// SPDX-License-Identifier: Apache-2.0
// products.cu - products with quantized weights, on the tensor cores. The dot of a group of weights
// is one instruction, exact in int32; scales and sums are float, in the order of kernels.h.
#include "kernels/cuda/dialect.h"

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/fragments.cuh"
#include "kernels/cuda/grid.cuh"

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
        int32_t c[4];
        if (groups == 1)
            mma_32(c, fragment, b0, b1, SUM_ZERO);
        else
            mma_16(c, fragment[2 * g], fragment[2 * g + 1], g ? b1 : b0, SUM_ZERO);
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
    uint32_t panel, from, count;
    const as_cuda_part *part = part_of(a, &panel);
    const uint32_t blocks = a->cols / 32, at = thread_index() / 32 * ahead;
    const uint32_t first = rows_unit(a) * AS_CUDA_TILE;
    const uint8_t *values = part->values, *scales = part->scales;
    words w[GROUPS_AT_ONCE / WARPS];
    // Weights were there before; but of experts only those that are asked are read.
    if (!a->order) few_read(type, a, values, panel, at, ahead, w);
    wait_for_earlier();
    const uint32_t expert = expert_of(a, &from, &count);
    if (first >= count) return;
    values += expert * part->values_stride;
    scales += expert * part->scales_stride;
    if (a->order) few_read(type, a, values, panel, at, ahead, w);
    from += first;
    count -= first;
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

// 8 panels and 128 rows a block, 2 panels and 64 rows a warp, whose sums are in registers. Weights,
// rows and scales of DEEP times 32 columns are a stage of shared memory: STAGES - 1 of them are on
// their way while one is worked on. Scales become floats one stage ahead, each once for the block.
enum {
    PANELS = 2,
    TILES = 8,
    MANY_TILES = AS_CUDA_MANY_ROWS / AS_CUDA_TILE,
    MANY_OUT = AS_CUDA_MANY_PANELS * AS_PANEL,
    MANY_THREADS = 256,
    DEEP = 2,
    STAGES = 3,
};

// The grains of a panel lie so that the words that a warp reads at once are in different banks:
// grain_of. `beside` is d[16], m[16], and 32 bytes of the groups of these columns.
typedef struct many_slice {
    uint8_t planes[AS_CUDA_MANY_PANELS][8 * PLANE];
    int8_t q[MANY_TILES][256];
    float d[MANY_TILES][8];
    union {
        float sums[MANY_TILES][8];
        int32_t halves[MANY_TILES][2][8];
    } sum;
    uint8_t beside[AS_CUDA_MANY_PANELS][6 * GRAIN];
} many_slice;

enum {
    MANY_Q_AT = AS_CUDA_MANY_PANELS * 8 * PLANE,
    MANY_D_AT = MANY_Q_AT + MANY_TILES * 256,
    MANY_SUMS_AT = MANY_D_AT + MANY_TILES * 32,
    MANY_BESIDE_AT = MANY_SUMS_AT + MANY_TILES * 64,
};

typedef struct many_scale {
    float s[2][MANY_OUT], m[2][MANY_OUT]; // of each group and row
} many_scale;

typedef struct many_shared {
    many_slice slices[STAGES][DEEP];
    many_scale scales[2][DEEP];
} many_shared;

// What a thread copies of every slice: a grain of weights, one of rows, and one of the little things
// beside them. Those of columns 32 kb .. are `planes` + kb * planes_size, `q` + kb * 256, and
// `little` + kb / inner * outer_step + kb % inner * inner_step, inner the 32s of a block of the file.
typedef struct many_copies {
    const uint8_t *planes, *q, *little; // NULL: none
    uint32_t planes_to, little_to;      // bytes into the slice
    uint32_t outer_step, inner_step;
} many_copies;

AS_DEVICE uint32_t at_most(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

// Of the panels from `panel` and the tiles from `tile` on; what is past the last one is the last
// one: nothing comes of it.
AS_DEVICE many_copies many_plan(const as_wtype type, const as_cuda_product *a,
                                const uint8_t *values, const uint8_t *scales, uint32_t panel,
                                uint32_t last_panel, uint32_t tile, uint32_t last_tile) {
    const wfacts facts = wfacts_of(type);
    const uint32_t thread = thread_index(), blocks = a->cols / 32, inner = facts.block / 32u;
    const uint32_t grains = (uint32_t)planes_size(facts) / GRAIN, grain = thread % grains;
    many_copies c = {0};
    if (thread < AS_CUDA_MANY_PANELS * grains) {
        uint32_t p = thread / grains;
        c.planes = planes_at(type, values, a->cols, at_most(panel + p, last_panel), 0) +
                   grain * GRAIN;
        c.planes_to = (uint32_t)(p * 8 * PLANE) + grain_of(grain);
    }
    uint64_t block = (uint64_t)at_most(tile + thread / 16, last_tile) * blocks;
    c.q = (const uint8_t *)a->quantized.q + block * 256 + thread % 16 * GRAIN;
    // Some threads each: d, sums or halves, what stands beside the weights.
    const uint32_t t = thread % 64 / 2, half = thread % 2 * GRAIN;
    block = (uint64_t)at_most(tile + t % MANY_TILES, last_tile) * blocks;
    if (thread < 32) {
        c.little = (const uint8_t *)(a->quantized.d + block * 8) + half;
        c.little_to = MANY_D_AT + t * 32 + half;
        c.inner_step = 32;
    } else if (facts.mins && facts.group == 32 && thread >= 64 && thread < 96) {
        c.little = (const uint8_t *)(a->quantized.sums + block * 8) + half;
        c.little_to = MANY_SUMS_AT + t * 32 + half;
        c.inner_step = 32;
    } else if (facts.mins && facts.group == 16 && thread >= 64 && thread < 128) {
        c.little = (const uint8_t *)(a->quantized.halves + block * 16 + t / MANY_TILES * 8) + half;
        c.little_to = MANY_SUMS_AT + t % MANY_TILES * 64 + t / MANY_TILES * 32 + half;
        c.inner_step = 64;
    }
    c.outer_step = c.inner_step * inner;
    if (thread >= 128 && thread < 192) {
        const uint32_t p = thread % 64 / 8, place = thread % 8;
        const uint32_t heads = facts.mins ? 4 : 2; // grains of d and m
        const uint32_t more = 32u / facts.group * (uint32_t)group_size(facts);
        if (place < heads || (place >= 4 && place < 4 + more / GRAIN)) {
            c.little = beside_at(type, scales, a->cols, at_most(panel + p, last_panel), 0) +
                       (place < heads ? place : heads + place - 4) * GRAIN;
            c.little_to = (uint32_t)(MANY_BESIDE_AT + p * 6 * GRAIN + place * GRAIN);
            c.outer_step = (uint32_t)beside_size(facts);
            c.inner_step = place < heads ? 0 : more;
        }
    }
    return c;
}

AS_DEVICE void copy_slice(const as_wtype type, const many_copies *c, uint32_t kb,
                          many_slice *slice) {
    const wfacts facts = wfacts_of(type);
    const uint32_t inner = facts.block / 32u;
    uint8_t *to = (uint8_t *)slice;
    if (c->planes) copy_16(to + c->planes_to, c->planes + (uint64_t)kb * planes_size(facts));
    copy_16(to + MANY_Q_AT + thread_index() * GRAIN, c->q + (uint64_t)kb * 256);
    if (c->little)
        copy_16(to + c->little_to, c->little + (uint64_t)(kb / inner) * c->outer_step +
                                       kb % inner * c->inner_step);
}

// Slices kb.., those there are, into stage `which`; a group of copies in any case.
AS_DEVICE void many_copy(const as_wtype type, const many_copies *c, uint32_t kb, uint32_t blocks,
                         many_shared *shared, uint32_t which) {
    AS_UNROLL
    for (uint32_t u = 0; u < DEEP; u++)
        if (kb + u < blocks) copy_slice(type, c, kb + u, &shared->slices[which][u]);
    commit_copies();
}

// The scales of a stage as floats, by all threads: of a slice, a row and a group each.
AS_DEVICE void many_scales(const as_wtype type, uint32_t left, many_shared *shared, uint32_t which,
                           uint32_t turn) {
    const wfacts facts = wfacts_of(type);
    const uint32_t groups = 32u / facts.group, row = thread_index() % MANY_OUT, r = row % AS_PANEL;
    AS_UNROLL
    for (uint32_t i = 0; i < DEEP * groups; i += MANY_THREADS / MANY_OUT) {
        const uint32_t item = i + thread_index() / MANY_OUT, u = item / groups, g = item % groups;
        if (u >= left) continue;
        const uint8_t *beside = shared->slices[which][u].beside[row / AS_PANEL];
        const uint8_t *group = beside + 4 * GRAIN + g * (uint32_t)group_size(facts);
        const uint16_t *halves = (const uint16_t *)(const void *)beside;
        many_scale *out = &shared->scales[turn][u];
        uint8_t scale = 0, min = 0;
        group_bytes(type, group, r, &scale, &min);
        out->s[g][row] = group_scale(type, halves[r], (int8_t)scale);
        if (facts.mins) out->m[g][row] = group_min(type, halves[AS_PANEL + r], min);
    }
}

// Adds the dots of one group to the sums.
AS_DEVICE void many_add(const as_wtype type, const float s[2], const float m[2],
                        const int32_t c[4], const float d[2], const float sums[2], float acc[4]) {
    const wfacts facts = wfacts_of(type);
    AS_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        acc[i] = fma_f32(s[i / 2] * d[i % 2], float_of_sum(c[i]), acc[i]);
        if (facts.mins) acc[i] = fma_f32(m[i / 2], sums[i % 2], acc[i]);
    }
}

// A warp's share of a slice: its panels, from `panel` of the block on, and its tiles.
AS_DEVICE void many_work(const as_wtype type, const many_slice *slice, const many_scale *scale,
                         uint32_t panel, uint32_t tile, float acc[PANELS][TILES][4]) {
    const wfacts facts = wfacts_of(type);
    const uint32_t groups = 32u / facts.group, lane = thread_index() % 32;
    const uint32_t row = panel * AS_PANEL + lane / 4, column = lane % 4 * 2;
    uint32_t fragments[PANELS][4];
    AS_UNROLL
    for (uint32_t p = 0; p < PANELS; p++) {
        words w = staged_words(type, slice->planes[panel + p], lane);
        take_fragment(type, &w, lane, fragments[p]);
    }
    AS_UNROLL
    for (uint32_t g = 0; g < groups; g++) {
        float s[PANELS][2], m[PANELS][2];
        AS_UNROLL
        for (uint32_t i = 0; i < 2 * PANELS; i++) {
            s[i / 2][i % 2] = scale->s[g][row + i * 8];
            m[i / 2][i % 2] = facts.mins ? scale->m[g][row + i * 8] : 0.0f;
        }
        AS_UNROLL
        for (uint32_t t = 0; t < TILES; t++) {
            words2 b = load_words2(slice->q[tile + t] + lane * 8);
            words2 two = load_words2(slice->d[tile + t] + column);
            float d[2] = {bits_float(two.x), bits_float(two.y)}, sums[2] = {0.0f, 0.0f};
            if (facts.mins && groups == 1) {
                two = load_words2(slice->sum.sums[tile + t] + column);
                sums[0] = bits_float(two.x);
                sums[1] = bits_float(two.y);
            } else if (facts.mins) {
                two = load_words2(slice->sum.halves[tile + t][g] + column);
                sums[0] = d[0] * (float)(int32_t)two.x;
                sums[1] = d[1] * (float)(int32_t)two.y;
            }
            AS_UNROLL
            for (uint32_t p = 0; p < PANELS; p++) {
                int32_t c[4];
                if (groups == 1)
                    mma_32(c, fragments[p], b.x, b.y, SUM_ZERO);
                else
                    mma_16(c, fragments[p][2 * g], fragments[p][2 * g + 1], g ? b.y : b.x,
                           SUM_ZERO);
                many_add(type, s[p], m[p], c, d, sums, acc[p][t]);
            }
            // Registers are short: the compiler is not to fetch further ahead than this.
            if ((facts.mins || groups == 2) && t % 4 == 3) sync_warp();
        }
    }
}

AS_DEVICE void many(const as_wtype type, const as_cuda_product *a) {
    AS_SHARED(many_shared, shared);
    uint32_t unit, first, count;
    const as_cuda_part *part = part_of(a, &unit);
    const uint32_t expert = expert_of(a, &first, &count);
    const uint32_t warp = thread_index() / 32, lane = thread_index() % 32;
    const uint32_t panels = (part->rows + AS_PANEL - 1) / AS_PANEL, blocks = a->cols / 32;
    const uint32_t panel = warp % 4 * PANELS, tile = warp / 4 * TILES; // of the block
    const uint32_t rows = rows_unit(a) * AS_CUDA_MANY_ROWS;
    if (rows >= count) return;
    const uint32_t from = unit * AS_CUDA_MANY_PANELS;
    const many_copies copies =
        many_plan(type, a, part->values + expert * part->values_stride,
                  part->scales + expert * part->scales_stride, from, panels - 1,
                  (first + rows) / AS_CUDA_TILE, (first + count - 1) / AS_CUDA_TILE);
    const bool works = from + panel < panels && rows + tile * AS_CUDA_TILE < count;
    float acc[PANELS][TILES][4];
    AS_UNROLL
    for (uint32_t p = 0; p < PANELS; p++) AS_UNROLL
    for (uint32_t t = 0; t < TILES; t++) AS_UNROLL
    for (uint32_t i = 0; i < 4; i++) acc[p][t][i] = 0.0f;
    for (uint32_t i = 0; i < STAGES - 1; i++)
        many_copy(type, &copies, i * DEEP, blocks, shared, i);
    wait_copies(STAGES - 2);
    sync_block();
    many_scales(type, blocks, shared, 0, 0);
    uint32_t stage = 0, turn = 0;
    for (uint32_t kb = 0; kb < blocks; kb += DEEP, turn ^= 1) {
        const uint32_t next = stage + 1 < STAGES ? stage + 1 : 0;
        const uint32_t free_one = next + 1 < STAGES ? next + 1 : 0; // of the stage before
        wait_copies(STAGES - 3); // all but what is not asked for yet: the next stage is there
        sync_block();            // and everybody's; nobody works on the one before any more
        many_copy(type, &copies, kb + (STAGES - 1) * DEEP, blocks, shared, free_one);
        if (kb + DEEP < blocks) many_scales(type, blocks - kb - DEEP, shared, next, turn ^ 1);
        AS_UNROLL_BY(1)
        for (uint32_t u = 0; u < DEEP; u++)
            if (works && kb + u < blocks)
                many_work(type, &shared->slices[stage][u], &shared->scales[turn][u], panel, tile,
                          acc);
        stage = next;
    }
    if (!works) return;
    AS_UNROLL
    for (uint32_t p = 0; p < PANELS; p++) AS_UNROLL
    for (uint32_t t = 0; t < TILES; t++) AS_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t out = (from + panel + p) * AS_PANEL + lane / 4 + i / 2 * 8;
        uint32_t m = rows + (tile + t) * AS_CUDA_TILE + lane % 4 * 2 + i % 2;
        if (out < part->rows && m < count)
            part->y[(uint64_t)(first + m) * part->rows + out] = acc[p][t][i];
    }
}

#define PRODUCTS(name, type)                                                                       \
    AS_KERNEL_EAGER(few_##name, as_cuda_product, 512) {                                            \
        few(type, &a);                                                                             \
    }                                                                                              \
    AS_KERNEL_TWICE(many_##name, as_cuda_product, 256) {                                                 \
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
PRODUCTS(q8_16, AS_W_Q8_16)
