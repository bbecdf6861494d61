// SPDX-License-Identifier: Apache-2.0
// fast.cu - products with F16 and BF16 weights on the tensor cores: rows are rounded to the type of
// the weights (F16: and kept within its range) and summed up in steps of 16 columns, k ascending.
//
// Not the bits of kernels.h, and so a choice (device=cuda:N-fast). Against the exact sum S of w x,
//   |y - S| <= (2^-8 + cols 2^-21) sum |w x|         BF16
//   |y - S| <= (2^-11 + cols 2^-21) sum |w x| + 2^-25 sum |w|    F16, |x| <= 65504
// The steps are the same however many rows there are, so a row's bits do not depend on the others.
#include "kernels/cuda/dialect.h"

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/grid.cuh"

enum {
    STEP_COLS = 16,                // of one instruction
    STEP_BYTES = STEP_COLS * 32,   // of a panel
    FEW_STEPS = 4,                 // of a stage of a warp
    FEW_STAGES = 8,
    FAST_STEPS = 2, // of a stage of a block
    FAST_STAGES = 3,
    FAST_PANELS = 2,
    FAST_TILES = 8,
};

typedef struct fast_few_shared {
    uint8_t weights[AS_CUDA_FAST_FEW_PANELS][FEW_STAGES][FEW_STEPS][STEP_BYTES];
} fast_few_shared;

typedef struct fast_shared {
    uint8_t weights[FAST_STAGES][FAST_STEPS][AS_CUDA_MANY_PANELS][STEP_BYTES];
    uint32_t x[FAST_STAGES][FAST_STEPS][AS_CUDA_MANY_ROWS][STEP_COLS / 2];
} fast_shared;

// Where grain g of 16 bytes of a step lies: column g / 2, rows 8 (g % 2) .. of the panel. Eight
// columns' grains, which a warp reads at once, are in different banks.
AS_DEVICE uint32_t grain_at(uint32_t g) {
    return g / 2 * 32 + ((g ^ g / 8) & 1) * 16;
}

// The fragment of a step: lanes 8 i .. name the rows of its i-th matrix, of columns and halves.
AS_DEVICE void fast_fragment(const uint8_t *step, uint32_t lane, uint32_t a[4]) {
    const uint32_t column = lane % 8 + lane / 16 * 8, half = lane / 8 % 2;
    load_matrices(a, step + grain_at(column * 2 + half));
}

// Two neighbours of a row, the first below.
AS_DEVICE uint32_t fast_pair(const as_wtype type, float x, float y) {
    return type == AS_W_F16 ? pack_halves(x, y) : pack_bf16(x, y);
}

AS_DEVICE void fast_mma(const as_wtype type, float c[4], const uint32_t a[4], uint32_t b0,
                        uint32_t b1) {
    if (type == AS_W_F16)
        mma_halves(c, a, b0, b1);
    else
        mma_bf16(c, a, b0, b1);
}

// --- some rows ------------------------------------------------------------------------------

// A warp a panel, 8 rows a block. Each warp has stages of its own.
AS_DEVICE void fast_few_copy(const uint8_t *values, uint32_t steps, uint32_t stage,
                             uint8_t to[FEW_STEPS][STEP_BYTES]) {
    const uint32_t lane = thread_index() % 32;
    AS_UNROLL
    for (uint32_t i = 0; i < FEW_STEPS; i++) {
        const uint32_t step = stage * FEW_STEPS + i;
        if (step < steps)
            copy_16(to[i] + grain_at(lane), values + (uint64_t)step * STEP_BYTES + lane * 16);
    }
    commit_copies();
}

AS_DEVICE void fast_few(const as_wtype type, const as_cuda_product *a) {
    AS_SHARED(fast_few_shared, shared);
    uint32_t unit, from, count;
    const as_cuda_part *part = part_of(a, &unit);
    const uint32_t expert = expert_of(a, &from, &count), first = rows_unit(a) * AS_CUDA_TILE;
    const uint32_t warp = thread_index() / 32, lane = thread_index() % 32;
    const uint32_t panel = unit * AS_CUDA_FAST_FEW_PANELS + warp;
    const uint32_t steps = a->cols / STEP_COLS, stages = (steps + FEW_STEPS - 1) / FEW_STEPS;
    if (first >= count || panel * AS_PANEL >= part->rows) return; // a whole warp
    const uint8_t *values = part->values + expert * part->values_stride +
                            (uint64_t)panel * steps * STEP_BYTES;
    const uint32_t row = first + lane / 4;
    const bool there = row < count;
    const float *x = a->x + (uint64_t)(from + (there ? row : first)) * a->cols + lane % 4 * 2;
    float acc[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (uint32_t s = 0; s < FEW_STAGES - 1; s++)
        fast_few_copy(values, steps, s, shared->weights[warp][s]);
    for (uint32_t s = 0; s < stages; s++) {
        wait_copies(FEW_STAGES - 2);
        sync_warp(); // and the other lanes'; nobody reads the stage before any more
        fast_few_copy(values, steps, s + FEW_STAGES - 1,
                      shared->weights[warp][(s + FEW_STAGES - 1) % FEW_STAGES]);
        AS_UNROLL
        for (uint32_t i = 0; i < FEW_STEPS; i++) {
            const uint32_t step = s * FEW_STEPS + i;
            if (step >= steps) continue;
            uint32_t fragment[4], b[2];
            AS_UNROLL
            for (uint32_t half = 0; half < 2; half++) {
                words2 two = load_words2(x + step * STEP_COLS + half * 8);
                b[half] = fast_pair(type, bits_float(two.x), bits_float(two.y));
            }
            fast_fragment(shared->weights[warp][s % FEW_STAGES][i], lane, fragment);
            fast_mma(type, acc, fragment, b[0], b[1]);
        }
    }
    AS_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t out = panel * AS_PANEL + lane / 4 + i / 2 * 8;
        const uint32_t m = first + lane % 4 * 2 + i % 2;
        if (out < part->rows && m < count)
            part->y[(uint64_t)(from + m) * part->rows + out] = acc[i];
    }
}

// --- many rows ------------------------------------------------------------------------------

// 8 panels and 128 rows a block, 2 panels and 64 rows a warp. Weights come by copies, rows through
// registers, where they are rounded; both are stages of shared memory.
typedef struct fast_sources {
    const uint8_t *values; // of the first panel
    const float *x;        // of the expert's first row
    uint32_t panel, panels, row, rows, cols;
} fast_sources;

AS_DEVICE void fast_copy(const fast_sources *from, uint32_t stage, fast_shared *shared) {
    const uint32_t thread = thread_index(), steps = from->cols / STEP_COLS, p = thread / 32;
    const uint32_t panel = from->panel + p < from->panels ? from->panel + p : from->panels - 1;
    AS_UNROLL
    for (uint32_t i = 0; i < FAST_STEPS; i++) {
        const uint32_t step = stage * FAST_STEPS + i;
        if (step < steps)
            copy_16(shared->weights[stage % FAST_STAGES][i][p] + grain_at(thread % 32),
                    from->values + ((uint64_t)panel * steps + step) * STEP_BYTES +
                        thread % 32 * 16);
    }
    commit_copies();
}

// A row and half of a stage's columns a thread: STEP_COLS values.
AS_DEVICE void fast_fetch(const fast_sources *from, uint32_t stage, floats4 next[4]) {
    const uint32_t row = from->row + thread_index() / 2;
    const uint32_t column = (stage * FAST_STEPS + thread_index() % 2) * STEP_COLS;
    if (row >= from->rows || column >= from->cols) return;
    const float *x = from->x + (uint64_t)row * from->cols + column;
    AS_UNROLL
    for (uint32_t i = 0; i < 4; i++) next[i] = load_floats4(x + 4 * i);
}

// Pairs j and j + 4 of a step lie side by side: the two words of a lane.
AS_DEVICE void fast_put(const as_wtype type, const floats4 next[4], uint32_t stage,
                        fast_shared *shared) {
    uint32_t *x = shared->x[stage % FAST_STAGES][thread_index() % 2][thread_index() / 2];
    AS_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t pair = 2 * i;
        x[pair % 4 * 2 + pair / 4] = fast_pair(type, next[i].x, next[i].y);
        x[(pair + 1) % 4 * 2 + pair / 4] = fast_pair(type, next[i].z, next[i].w);
    }
}

AS_DEVICE void fast_work(const as_wtype type, const fast_shared *shared, uint32_t stage,
                         uint32_t step, uint32_t panel, uint32_t tile,
                         float acc[FAST_PANELS][FAST_TILES][4]) {
    const uint32_t lane = thread_index() % 32, which = stage % FAST_STAGES;
    uint32_t fragments[FAST_PANELS][4];
    AS_UNROLL
    for (uint32_t p = 0; p < FAST_PANELS; p++)
        fast_fragment(shared->weights[which][step][panel + p], lane, fragments[p]);
    AS_UNROLL
    for (uint32_t t = 0; t < FAST_TILES; t++) {
        words2 b = load_words2(
            &shared->x[which][step][(tile + t) * AS_CUDA_TILE + lane / 4][lane % 4 * 2]);
        AS_UNROLL
        for (uint32_t p = 0; p < FAST_PANELS; p++)
            fast_mma(type, acc[p][t], fragments[p], b.x, b.y);
    }
}

AS_DEVICE void fast_many(const as_wtype type, const as_cuda_product *a) {
    AS_SHARED(fast_shared, shared);
    uint32_t unit, first, count;
    const as_cuda_part *part = part_of(a, &unit);
    const uint32_t expert = expert_of(a, &first, &count), rows = rows_unit(a) * AS_CUDA_MANY_ROWS;
    const uint32_t warp = thread_index() / 32, lane = thread_index() % 32;
    const uint32_t panel = warp % 4 * FAST_PANELS, tile = warp / 4 * FAST_TILES;
    const uint32_t steps = a->cols / STEP_COLS, stages = (steps + FAST_STEPS - 1) / FAST_STEPS;
    if (rows >= count) return;
    const fast_sources from = {.values = part->values + expert * part->values_stride,
                               .x = a->x + (uint64_t)first * a->cols,
                               .panel = unit * AS_CUDA_MANY_PANELS,
                               .panels = (part->rows + AS_PANEL - 1) / AS_PANEL,
                               .row = rows,
                               .rows = count,
                               .cols = a->cols};
    floats4 next[4] = {{0.0f, 0.0f, 0.0f, 0.0f},
                       {0.0f, 0.0f, 0.0f, 0.0f},
                       {0.0f, 0.0f, 0.0f, 0.0f},
                       {0.0f, 0.0f, 0.0f, 0.0f}};
    float acc[FAST_PANELS][FAST_TILES][4];
    AS_UNROLL
    for (uint32_t p = 0; p < FAST_PANELS; p++) AS_UNROLL
    for (uint32_t t = 0; t < FAST_TILES; t++) AS_UNROLL
    for (uint32_t i = 0; i < 4; i++) acc[p][t][i] = 0.0f;
    fast_copy(&from, 0, shared);
    fast_copy(&from, 1, shared);
    fast_fetch(&from, 0, next);
    fast_put(type, next, 0, shared);
    fast_fetch(&from, 1, next);
    for (uint32_t s = 0; s < stages; s++) {
        wait_copies(1); // all but the next stage's
        sync_block();   // and everybody's; nobody works on the one before any more
        fast_copy(&from, s + 2, shared);
        fast_put(type, next, s + 1, shared);
        fast_fetch(&from, s + 2, next);
        AS_UNROLL
        for (uint32_t i = 0; i < FAST_STEPS; i++)
            if (s * FAST_STEPS + i < steps) fast_work(type, shared, s, i, panel, tile, acc);
    }
    AS_UNROLL
    for (uint32_t p = 0; p < FAST_PANELS; p++) AS_UNROLL
    for (uint32_t t = 0; t < FAST_TILES; t++) AS_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t out = (from.panel + panel + p) * AS_PANEL + lane / 4 + i / 2 * 8;
        const uint32_t m = rows + (tile + t) * AS_CUDA_TILE + lane % 4 * 2 + i % 2;
        if (out < part->rows && m < count)
            part->y[(uint64_t)(first + m) * part->rows + out] = acc[p][t][i];
    }
}

#define FAST_PRODUCTS(name, type)                                                                  \
    AS_KERNEL(fast_few_##name, as_cuda_product, 64) {                                              \
        fast_few(type, &a);                                                                        \
    }                                                                                              \
    AS_KERNEL_TWICE(fast_many_##name, as_cuda_product, 256) {                                      \
        fast_many(type, &a);                                                                       \
    }

FAST_PRODUCTS(f16, AS_W_F16)
FAST_PRODUCTS(bf16, AS_W_BF16)
