// SPDX-License-Identifier: Apache-2.0
// test_cuda_fast.c - the products of device=cuda:N-fast under the emulator, against exact sums:
// every type within the bound that fast.cu and fast_blocks.cu state, and the bits of a row the
// same whatever other rows there are. Nothing here needs a GPU.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/blocks.h"
#include "tests/kernels/cuda_launch.h"

enum { EXPERTS = 5 };

// Matrices of one shape, one an expert, `stride` bytes apart; their weights as numbers, and what
// the bound takes for their size: |w|, or |s v| + |m| where both are rounded.
typedef struct matrices {
    as_wtype type;
    size_t rows, cols, count, stride, scales_at;
    unsigned char *memory;
    float *weights, *sizes; // [count][rows][cols]
} matrices;

static bool rounds_scales(as_wtype type) {
    wfacts facts = wfacts_of(type);
    return facts.block == SUPER || facts.bf16;
}

static void read_block(as_wtype type, const unsigned char *from, float *weights, float *sizes) {
    wfacts facts = wfacts_of(type);
    wblock block;
    as_block_read(type, from, &block);
    as_block_values(type, &block, weights);
    for (size_t k = 0; k < facts.block; k++) {
        size_t g = facts.block == SUPER ? k / facts.group : 0;
        float m = facts.mins ? group_min(type, block.m, block.mins[g]) : 0.0f;
        float v = (float)code_value(type, block.codes[k]);
        float s = group_scale(type, block.d, block.scales[g]);
        sizes[k] = rounds_scales(type) ? fabsf(s * v) + fabsf(m) : fabsf(weights[k]);
    }
}

static matrices make(as_wtype type, size_t rows, size_t cols, size_t count, int mode) {
    size_t n = rows * cols, values = as_matrix_values_size(type, rows, cols);
    size_t block = as_wtype_block(type), size = as_wtype_size(type, block);
    matrices w = {.type = type, .rows = rows, .cols = cols, .count = count};
    w.scales_at = (values + 63) / 64 * 64;
    w.stride = w.scales_at + (as_matrix_scales_size(type, rows, cols) + 127) / 64 * 64;
    w.memory = take(count * w.stride);
    w.weights = floats(count * n, -1);
    w.sizes = floats(count * n, -1);
    unsigned char *file = take(as_wtype_size(type, n));
    for (size_t e = 0; e < count; e++) {
        as_matrix matrix = {.type = type, .rows = rows, .cols = cols};
        fill_weights(type, file, n, mode);
        matrix.values = w.memory + e * w.stride;
        matrix.scales = w.memory + e * w.stride + w.scales_at;
        as_matrix_pack(&matrix, file);
        if (block == 1) {
            as_wtype_decode(type, file, n, w.weights + e * n);
            for (size_t i = 0; i < n; i++) w.sizes[e * n + i] = fabsf(w.weights[e * n + i]);
        }
        for (size_t b = 0; block > 1 && b < n / block; b++)
            read_block(type, file + b * size, w.weights + e * n + b * block,
                       w.sizes + e * n + b * block);
    }
    give(file);
    return w;
}

static void drop(matrices *w) {
    give(w->memory), give(w->weights), give(w->sizes);
}

// y of `places` rows of x: those of expert e are starts[e] .. + counts[e]; without starts all.
static void multiply(const matrices *w, bool few, const float *x, size_t places,
                     const uint32_t *starts, const uint32_t *counts, uint32_t most, float *y) {
    as_cuda_product args = {
        .part_count = 1, .cols = (uint32_t)w->cols, .count = most, .fast = 1, .x = x};
    uint32_t order[EXPERTS], grid[3];
    void *copies[] = {NULL, NULL, NULL};
    for (uint32_t e = 0; e < EXPERTS; e++) order[e] = (e + 2) % EXPERTS;
    if (starts) {
        args.starts = copies[0] = copied(starts, EXPERTS * sizeof *starts);
        args.counts = copies[1] = copied(counts, EXPERTS * sizeof *counts);
        args.order = copies[2] = copied(order, sizeof order);
    }
    args.parts[0] = (as_cuda_part){.values = w->memory,
                                   .scales = w->memory + w->scales_at,
                                   .values_stride = w->stride,
                                   .scales_stride = w->stride,
                                   .rows = (uint32_t)w->rows,
                                   .y = y};
    if (as_wtype_quantized(w->type)) {
        args.quantized.x = take((places + 7) / 8 * 8 * w->cols * sizeof(uint16_t));
        as_cuda_quantize rows = {
            .x = x, .per = 1, .n = (uint32_t)w->cols, .quantized = args.quantized};
        launch(AS_CUDA_K_quantize, (uint32_t)places, 1, 1, &rows);
    }
    as_cuda_kernel kernel = as_cuda_plan_as(&args, w->type, few, most, (uint32_t)w->count, grid);
    const char *name = as_cuda_name(kernel);
    assert_memory_equal(name, few ? "as_fast_few_" : "as_fast_many_", 12);
    assert_string_equal(name + (few ? 12 : 13), type_names[w->type]);
    launch_of(kernel, grid, most, &args);
    if (as_wtype_quantized(w->type)) give(args.quantized.x);
    for (size_t i = 0; i < 3; i++) give(copies[i]);
}

static void check_row(const matrices *w, size_t expert, const float *x, const float *y) {
    for (size_t r = 0; r < w->rows; r++) {
        const size_t at = (expert * w->rows + r) * w->cols;
        double exact = 0.0, size = 0.0, weight = 0.0, row = 0.0, cols = (double)w->cols, bound;
        for (size_t k = 0; k < w->cols; k++) {
            exact += (double)w->weights[at + k] * (double)x[k];
            size += (double)w->sizes[at + k] * fabs((double)x[k]);
            weight += (double)w->sizes[at + k];
            row += fabs((double)x[k]);
        }
        if (w->type == AS_W_BF16)
            bound = (0x1p-8 + cols * 0x1p-21) * size;
        else if (w->type == AS_W_F16)
            bound = (0x1p-11 + cols * 0x1p-21) * size + 0x1p-25 * weight;
        else if (!rounds_scales(w->type))
            bound = (0x1p-10 + cols * 0x1p-21) * size + 0x1p-25 * weight;
        else
            bound = (0x3p-11 + cols * 0x1p-21) * size + 0x1p-25 * weight + 0x1p-24 * row;
        if (!(fabs((double)y[r] - exact) <= bound))
            fail_msg("%s, row %zu: %a is not %a, off by more than %a", type_names[w->type], r,
                     (double)y[r], exact, bound);
    }
}

static size_t some_cols(as_wtype type, size_t most) {
    size_t block = as_wtype_block(type);
    if (block == 1) block = 16;
    return block * (1 + random_below(most / block));
}

// Weights of one, small scales, codes at one end; rows of one and of many sizes.
static void products_keep_their_bound(void **state) {
    (void)state;
    static const int modes[] = {6, 2, 5};
    for (as_wtype type = AS_W_F16; type <= AS_W_Q8_16; type++) {
        for (int i = AS_SLOWED ? 6 : 0; i < 9; i++) { // the last three are large
            uint32_t count = 1 + (uint32_t)random_below(i % 3 ? 12 : 90);
            size_t rows = 1 + random_below(i == 6 ? 300 : 60);
            size_t cols = some_cols(type, i == 7 ? 4000 : 700);
            if (i == 7) count = 3, rows = 20;
            if (i == 8) count = 70, rows = 20, cols = 2560;
            matrices w = make(type, rows, cols, 1, as_wtype_quantized(type) ? modes[i % 3] : 0);
            float *x = floats(count * cols, i % 4 ? 0 : 4), *y = floats(count * rows, -1);
            float *alone = floats(rows, -1);
            as_emulator_set_order((uint64_t)i % 4);
            multiply(&w, i % 3, x, count, NULL, NULL, count, y);
            for (size_t m = 0; m < count; m++) check_row(&w, 0, x + m * cols, y + m * rows);
            // The bits of a row that is alone are the same, by either kernel.
            size_t m = random_below(count);
            multiply(&w, i % 2, x + m * cols, 1, NULL, NULL, 1, alone);
            check_same(alone, y + m * rows, rows, "fast", type_names[type]);
            drop(&w);
            give(x), give(y), give(alone);
        }
    }
}

static void products_of_experts_keep_their_bound(void **state) {
    (void)state;
    for (as_wtype type = AS_W_F16; type <= AS_W_Q8_16; type++) {
        for (int i = 0; i < 2; i++) {
            uint32_t starts[EXPERTS], counts[EXPERTS], most = i ? 70 : 20, places = 0;
            for (size_t e = 0; e < EXPERTS; e++) {
                counts[e] = e == 1 ? most : e == 3 ? 0 : (uint32_t)random_below(most);
                starts[e] = places;
                places += (counts[e] + 7) / 8 * 8;
            }
            size_t rows = 1 + random_below(40), cols = some_cols(type, 600);
            matrices w = make(type, rows, cols, EXPERTS, as_wtype_quantized(type) ? 6 : 0);
            float *x = floats(places * cols, 0), *y = floats(places * rows, -1);
            as_emulator_set_order(random_below(4));
            multiply(&w, !i, x, places, starts, counts, most, y);
            for (size_t e = 0; e < EXPERTS; e++)
                for (size_t m = starts[e]; m < starts[e] + counts[e]; m++)
                    check_row(&w, e, x + m * cols, y + m * rows);
            drop(&w);
            give(x), give(y);
        }
    }
}

// What is infinite or no number in a row makes its products no number, and those of no other row.
static void what_is_no_number_stays_so(void **state) {
    (void)state;
    enum { COUNT = 40, ROWS = 20, COLS = 512 };
    static const float wrong[] = {NAN, HUGE_VALF, -HUGE_VALF};
    for (as_wtype type = AS_W_Q8_0; type <= AS_W_Q8_16; type++) {
        matrices w = make(type, ROWS, COLS, 1, 6);
        float *x = floats(COUNT * COLS, 0), *y = floats(COUNT * ROWS, -1);
        x[COLS * 9 + random_below(COLS)] = wrong[type % 3];
        for (uint32_t count = COUNT; count; count = count > 10 ? 10 : 0) {
            multiply(&w, count != COUNT, x, count, NULL, NULL, count, y);
            for (size_t i = 0; i < count * ROWS; i++) assert_int_equal(isnan(y[i]), i / ROWS == 9);
        }
        drop(&w);
        give(x), give(y);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(products_keep_their_bound, seed),
        cmocka_unit_test_setup(products_of_experts_keep_their_bound, seed),
        cmocka_unit_test_setup(what_is_no_number_stays_so, seed),
    };
    portable = as_kernels_select("portable");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
