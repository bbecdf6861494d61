// SPDX-License-Identifier: Apache-2.0
// test_cuda.c - every kernel of the GPU under the emulator, against the portable table, bit for
// bit: all types, odd shapes, threads in several orders. Nothing here needs a GPU.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/kernels/cuda_launch.h"

static as_cuda_qrows qrows(size_t count, size_t cols) {
    size_t blocks = (count + 7) / 8 * (cols / 32);
    return (as_cuda_qrows){.q = take(blocks * 256),
                           .d = take(blocks * 8 * sizeof(float)),
                           .sums = take(blocks * 8 * sizeof(float)),
                           .halves = take(blocks * 16 * sizeof(int32_t))};
}

static void qrows_free(as_cuda_qrows *q) {
    give(q->q), give(q->d), give(q->sums), give(q->halves);
}

static as_qrows host_qrows(const float *x, size_t count, size_t cols) {
    size_t blocks = count * cols / 32;
    as_qrows q = {.q = take(count * cols),
                  .d = take(blocks * 4),
                  .sums = take(blocks * 4),
                  .offsets = take(blocks * 4),
                  .halves = take(blocks * 8),
                  .cols = cols};
    for (size_t m = 0; m < count; m++) portable->quantize_row(&q, m, x + m * cols);
    return q;
}

static void host_qrows_free(as_qrows *q) {
    give(q->q), give(q->d), give(q->sums), give(q->offsets), give(q->halves);
}

static void quantize(const as_cuda_qrows *q, const float *x, size_t count, size_t cols) {
    as_cuda_quantize args = {.x = x, .per = 1, .n = (uint32_t)cols, .quantized = *q};
    launch(AS_CUDA_K_quantize, (uint32_t)count, 1, 1, &args);
}

static void quantized_rows_are_those_of_the_table(void **state) {
    (void)state;
    for (int i = 0; i < AS_DRAWS(60); i++) {
        size_t count = 1 + random_below(11), cols = 32 * (1 + random_below(20));
        float *x = floats(count * cols, i % MODES);
        if (i % 5 == 0) x[random_below(cols)] = i % 2 ? NAN : HUGE_VALF;
        as_qrows want = host_qrows(x, count, cols);
        as_cuda_qrows got = qrows(count, cols);
        quantize(&got, x, count, cols);
        for (size_t m = 0; m < count; m++)
            for (size_t k = 0; k < cols; k++) {
                size_t block = m / 8 * (cols / 32) + k / 32, lane = m % 8 * 4 + k % 16 / 4;
                size_t host = m * (cols / 32) + k / 32, half = k % 32 / 16;
                assert_int_equal(got.q[(block * 32 + lane) * 8 + half * 4 + k % 4],
                                 want.q[m * cols + k]);
                check_same(&got.d[block * 8 + m % 8], &want.d[host], 1, "cuda", "d");
                check_same(&got.sums[block * 8 + m % 8], &want.sums[host], 1, "cuda", "sums");
                assert_int_equal(-128 * got.halves[block * 16 + half * 8 + m % 8],
                                 want.halves[2 * host + half]);
            }
        host_qrows_free(&want);
        qrows_free(&got);
        give(x);
    }
}

// --- products -------------------------------------------------------------------------------

// Experts of one mixture; without one, one of them.
typedef struct problem {
    as_wtype type;
    size_t rows[AS_CUDA_PARTS], parts, cols, experts;
    uint32_t counts[8], starts[8]; // rows that each expert takes
    size_t places;                 // rows of x and y
} problem;

static void multiply_host(const as_matrix *w, const float *x, size_t count, float *y) {
    size_t panels = (w->rows + AS_PANEL - 1) / AS_PANEL;
    if (as_wtype_quantized(w->type)) {
        as_qrows q = host_qrows(x, count, w->cols);
        portable->matmul_quant(w, 0, panels, &q, count, y, w->rows);
        host_qrows_free(&q);
    } else if (w->type == AS_W_F16) {
        portable->matmul_f16(w, 0, panels, x, w->cols, count, y, w->rows);
    } else if (w->type == AS_W_BF16) {
        portable->matmul_bf16(w, 0, panels, x, w->cols, count, y, w->rows);
    } else {
        portable->matmul_f32(w, 0, panels, x, w->cols, count, y, w->rows);
    }
}

// Weights of all experts, packed, `stride` apart.
static unsigned char *pack_all(const problem *p, size_t rows, int mode, as_matrix *matrices,
                               as_cuda_part *part) {
    size_t values = as_matrix_values_size(p->type, rows, p->cols);
    size_t scales = as_matrix_scales_size(p->type, rows, p->cols);
    size_t stride = (values + scales + 127) / 64 * 64, first = (values + 63) / 64 * 64;
    unsigned char *all = take(p->experts * stride + 64);
    unsigned char *file = take(as_wtype_size(p->type, rows * p->cols));
    for (size_t e = 0; e < p->experts; e++) {
        fill_weights(p->type, file, rows * p->cols, mode);
        matrices[e] = (as_matrix){.type = p->type, .rows = rows, .cols = p->cols};
        matrices[e].values = all + e * stride;
        matrices[e].scales = all + e * stride + first;
        as_matrix_pack(&matrices[e], file);
    }
    give(file);
    *part = (as_cuda_part){.values = all,
                           .scales = all + first,
                           .values_stride = stride,
                           .scales_stride = stride,
                           .rows = (uint32_t)rows,
                           .y = floats(p->places * rows, -1)};
    return all;
}

static void check_product(const problem *p, uint32_t most, int mode) {
    float *x = floats(p->places * p->cols, mode);
    as_matrix matrices[AS_CUDA_PARTS][8];
    unsigned char *memory[AS_CUDA_PARTS];
    as_cuda_product args = {.part_count = (uint32_t)p->parts, .cols = (uint32_t)p->cols, .x = x};
    args.count = p->counts[0];
    uint32_t *starts = copied(p->starts, sizeof p->starts);
    uint32_t *counts = copied(p->counts, sizeof p->counts);
    uint32_t *order = take(8 * sizeof *order);
    for (uint32_t e = 0; e < 8; e++) order[e] = ((uint32_t)p->experts - 1 - e) % 8; // any
    if (p->experts > 1) args.starts = starts, args.counts = counts, args.order = order;
    for (size_t i = 0; i < p->parts; i++)
        memory[i] = pack_all(p, p->rows[i], mode, matrices[i], &args.parts[i]);
    if (as_wtype_quantized(p->type)) {
        args.quantized = qrows(p->places, p->cols);
        quantize(&args.quantized, x, p->places, p->cols);
    }
    uint32_t grid[3];
    as_cuda_kernel kernel =
        as_cuda_plan_as(&args, p->type, most <= AS_CUDA_FEW_ROWS, most, (uint32_t)p->experts, grid);
    as_emulator_set_order(random_below(4));
    launch_of(kernel, grid, most, &args);
    for (size_t i = 0; i < p->parts; i++) {
        for (size_t e = 0; e < p->experts; e++) {
            size_t count = p->counts[e], from = p->experts > 1 ? p->starts[e] : 0;
            float *want = floats((count + 1) * p->rows[i], -1);
            multiply_host(&matrices[i][e], x + from * p->cols, count, want);
            check_same(args.parts[i].y + from * p->rows[i], want, count * p->rows[i],
                       as_cuda_name(kernel), type_names[p->type]);
            give(want);
        }
        give(memory[i]);
        give(args.parts[i].y);
    }
    if (as_wtype_quantized(p->type)) qrows_free(&args.quantized);
    give(x), give(starts), give(counts), give(order);
}

static size_t some_cols(as_wtype type) {
    size_t block = as_wtype_block(type);
    if (block == 1) return 1 + random_below(300);
    return block * (1 + random_below(block == 32 ? 20 : 3));
}

static void products_are_those_of_the_table(void **state) {
    (void)state;
    for (as_wtype type = 0; type <= AS_W_Q8_16; type++) {
        for (int i = AS_SLOWED ? 12 : 0; i < 16; i++) { // the last two are large
            problem p = {.type = type, .parts = 1 + random_below(3), .experts = 1};
            for (size_t j = 0; j < p.parts; j++) p.rows[j] = 1 + random_below(70);
            p.cols = some_cols(type);
            p.counts[0] = 1 + (uint32_t)random_below(i % 2 ? 32 : 12);
            if (i == 14)
                p.counts[0] = 33 + (uint32_t)random_below(AS_SLOWED ? 50 : 150), p.cols = 512;
            if (i == 15) p.counts[0] = 33 + (uint32_t)random_below(40), p.rows[0] = 300;
            p.places = (p.counts[0] + 7) / 8 * 8;
            check_product(&p, p.counts[0], i % MODES);
        }
    }
}

static void products_of_experts_are_those_of_the_table(void **state) {
    (void)state;
    for (as_wtype type = 0; type <= AS_W_Q8_16; type++) {
        for (int i = 0; i < 3; i++) {
            problem p = {
                .type = type, .parts = 1 + random_below(2), .experts = 2 + random_below(6)};
            uint32_t most = 1, limit = i == 2 ? 45 : 12;
            for (size_t j = 0; j < p.parts; j++) p.rows[j] = 1 + random_below(40);
            p.cols = some_cols(type);
            for (size_t e = 0; e < p.experts; e++) {
                p.counts[e] = (uint32_t)random_below(limit);
                if (e == 1 && i == 2) p.counts[e] = 40;
                p.starts[e] = (uint32_t)p.places;
                p.places += (p.counts[e] + 7) / 8 * 8;
                most = p.counts[e] > most ? p.counts[e] : most;
            }
            p.places += 8; // at least some
            check_product(&p, most, i % 2 ? 4 : 0);
        }
    }
}

// Also of GPUs for games, whose blocks have 99 KiB.
static void every_kernel_has_room(void **state) {
    (void)state;
    for (as_cuda_kernel i = 0; i < AS_CUDA_KERNEL_COUNT; i++)
        assert_in_range(as_cuda_shared(i, AS_CUDA_TILE), 0, 99 * 1024);
}

// A matrix of 4,096 rows for 64 rows has 16 blocks of 16 panels, and 2,048 of one.
static void small_products_have_many_blocks(void **state) {
    (void)state;
    static const struct {
        uint32_t rows, count, experts;
        bool few;
    } cases[] = {{4096, 1, 1, true},   {4096, 64, 1, true},   {4096, 65, 1, false},
                 {28672, 32, 1, true}, {28672, 33, 1, false}, {512, 512, 1, true},
                 {512, 513, 1, false}, {512, 32, 8, true},    {512, 33, 8, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t grid[3];
        as_cuda_product args = {.part_count = 1, .cols = 256, .parts = {{.rows = cases[i].rows}}};
        as_cuda_kernel kernel =
            as_cuda_plan(&args, AS_W_Q4_K, cases[i].count, cases[i].experts, grid);
        assert_int_equal(kernel, cases[i].few ? AS_CUDA_K_few_q4_k : AS_CUDA_K_many_q4_k);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_has_room),
        cmocka_unit_test(small_products_have_many_blocks),
        cmocka_unit_test_setup(quantized_rows_are_those_of_the_table, seed),
        cmocka_unit_test_setup(products_are_those_of_the_table, seed),
        cmocka_unit_test_setup(products_of_experts_are_those_of_the_table, seed),
    };
    portable = as_kernels_select("portable");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
