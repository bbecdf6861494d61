// SPDX-License-Identifier: Apache-2.0
// Matrices that stay as their file has them, but for the order: every product, in every table, is
// that of the matrix as the type that holds it, packed beforehand.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/coded.h"
#include "tests/kernels/kernel_inputs.h"

enum { LINE = 64, COUNT_MAX = 18 };

static const char *const names[AS_CODED_TYPES] = {"iq1_s",   "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s",
                                                  "iq3_xxs", "iq3_s", "tq1_0",   "tq2_0",  "nvfp4"};

static void *lines_new(size_t size) {
    void *p = aligned_alloc(LINE, (size + LINE) / LINE * LINE);
    assert_non_null(p);
    return p;
}

// Any bits, but for d.
static void fill_coded(as_coded type, unsigned char *at, size_t blocks) {
    static const short places[AS_CODED_TYPES] = {
        [AS_CODED_IQ1_M] = -1, [AS_CODED_TQ1_0] = 52, [AS_CODED_TQ2_0] = 64, [AS_CODED_NVFP4] = -1};
    size_t size = as_coded_size(type);
    for (size_t b = 0; b < blocks; b++, at += size) {
        uint16_t half = as_float_to_half(random_unit() * (random_below(8) ? 1.0f : 1e-7f));
        for (size_t i = 0; i < size; i++) at[i] = (unsigned char)(random_bits() & 0xff);
        if (places[type] >= 0) memcpy(at + places[type], &half, sizeof half);
        if (type == AS_CODED_IQ1_M) at[55] &= 0xbf; // the exponent's highest bit
    }
}

typedef struct sides {
    as_matrix coded, packed;
    unsigned char *file;
    void *held, *scratch;
    size_t row_size;
} sides;

static sides sides_new(as_coded type, size_t rows, size_t cols) {
    as_wtype held = as_coded_held(type);
    sides s = {.coded = {.type = held, .rows = rows, .cols = cols, .coded = 1 + (unsigned)type},
               .packed = {.type = held, .rows = rows, .cols = cols}};
    size_t blocks = cols / as_coded_block(type), held_size = as_wtype_size(held, cols);
    s.row_size = blocks * as_coded_size(type);
    s.file = malloc(rows * s.row_size); // of that very size: a sanitizer sees what is read behind
    s.held = malloc(rows * held_size);
    assert_true(s.file && s.held);
    fill_coded(type, s.file, rows * blocks);
    s.coded.values = lines_new(as_coded_packed_size(type, rows, cols));
    as_coded_pack(type, rows, cols, s.file, s.coded.values);
    as_coded_recode(type, s.file, rows * cols, s.held);
    s.packed.values = lines_new(as_matrix_values_size(held, rows, cols));
    if (as_wtype_quantized(held))
        s.packed.scales = lines_new(as_matrix_scales_size(held, rows, cols));
    as_matrix_pack(&s.packed, s.held);
    s.scratch = lines_new(as_matrix_scratch_size(&s.coded));
    assert_int_equal(as_matrix_scratch_size(&s.packed), 0);
    assert_int_equal(as_matrix_size(&s.coded), (rows + 15) / 16 * 16 * s.row_size);
    return s;
}

static void sides_free(sides *s) {
    free(s->file), free(s->held), free(s->scratch), free(s->coded.values);
    free(s->packed.values), free(s->packed.scales);
}

static void check(as_coded type, size_t rows, size_t cols, size_t count) {
    const as_kernels *tables[8];
    size_t table_count = as_kernels_available(tables), panels = (rows + AS_PANEL - 1) / AS_PANEL;
    size_t blocks = cols / AS_QBLOCK, size = count * rows;
    sides s = sides_new(type, rows, cols);
    float *x = lines_new(count * cols * sizeof *x), *row = lines_new(2 * cols * sizeof *row);
    float *want = lines_new(size * sizeof *want), *got = lines_new(size * sizeof *got);
    as_qrows q = {.q = lines_new(count * cols),
                  .d = lines_new(count * blocks * sizeof(float)),
                  .sums = lines_new(count * blocks * sizeof(float)),
                  .offsets = lines_new(count * blocks * sizeof(int32_t)),
                  .halves = lines_new(count * blocks * 2 * sizeof(int32_t)),
                  .cols = cols};
    for (size_t i = 0; i < count * cols; i++) x[i] = random_unit();
    for (size_t m = 0; m < count; m++) tables[0]->quantize_row(&q, m, x + m * cols);
    as_matrix_multiply(tables[0], &s.packed, 0, panels, x, &q, count, want, rows, NULL);
    for (size_t t = 0; t < table_count; t++) {
        size_t middle = random_below((uint32_t)panels + 1);
        memset(got, 0xff, size * sizeof *got);
        as_matrix_multiply(tables[t], &s.coded, 0, middle, x, &q, count, got, rows, s.scratch);
        as_matrix_multiply(tables[t], &s.coded, middle, panels, x, &q, count, got, rows, s.scratch);
        if (memcmp(got, want, size * sizeof *got) != 0)
            fail_msg("%s in %s: %zu x %zu, %zu rows: other bits", names[type], tables[t]->name,
                     rows, cols, count);
    }
    for (size_t r = 0; r < rows; r++) {
        as_matrix_row(&s.packed, r, row);
        as_matrix_row(&s.coded, r, row + cols);
        assert_memory_equal(row, row + cols, cols * sizeof *row);
    }
    free(x), free(row), free(want), free(got);
    free(q.q), free(q.d), free(q.sums), free(q.offsets), free(q.halves);
    sides_free(&s);
}

static void products_are_those_of_what_is_decoded(void **state) {
    (void)state;
    for (int type = 0; type < AS_CODED_TYPES; type++) {
        size_t block = as_coded_block((as_coded)type);
        for (int i = 0; i < 24; i++)
            check((as_coded)type, 1 + random_below(50), block * (1 + random_below(3)),
                  1 + random_below(COUNT_MAX));
        check((as_coded)type, 16, block, 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(products_are_those_of_what_is_decoded, seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
