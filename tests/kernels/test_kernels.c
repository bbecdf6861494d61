// SPDX-License-Identifier: Apache-2.0
// test_kernels.c - every table against the portable one, bit for bit; the portable one against
// the text of kernels.h and float64.
//
// Odd lengths, rows that do not fill a panel, unaligned vectors; every output between canaries.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/blocks.h"
#include "tests/base/draws.h"
#include "tests/kernels/kernel_weights.h"

#ifdef __x86_64__
void as_amx_emulated_matmul_quant(const as_matrix *w, size_t panel_begin, size_t panel_end,
                                  const as_qrows *x, size_t count, float *y, size_t y_stride);
#endif

enum { GUARD = 24, CANARY_BYTE = 0xa5 };

static const as_kernels *tables[8];
static size_t table_count;

// --- buffers between canaries ------------------------------------------------------------------

typedef struct guarded {
    float *all;
    float *data; // unaligned on purpose
    size_t size;
} guarded;

static guarded guarded_new(size_t n) {
    guarded g = {malloc((n + 2 * GUARD + 1) * sizeof(float)), NULL, n};
    assert_non_null(g.all);
    memset(g.all, CANARY_BYTE, (n + 2 * GUARD + 1) * sizeof(float));
    g.data = g.all + GUARD + 1;
    return g;
}

static void guarded_reset(const guarded *g) {
    memset(g->all, CANARY_BYTE, (g->size + 2 * GUARD + 1) * sizeof(float));
}

static int is_canary(const void *at, size_t size) {
    const unsigned char *bytes = at;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != CANARY_BYTE) return 0;
    }
    return 1;
}

static void check_guards(const guarded *g) {
    assert_true(is_canary(g->all, (GUARD + 1) * sizeof(float)));
    assert_true(is_canary(g->data + g->size, GUARD * sizeof(float)));
}

// --- vector functions ---------------------------------------------------------------------------

typedef enum operation {
    RMS_NORM,
    RMS_IN_PLACE,
    ROPE,
    ROPE_HALVES,
    AXPY,
    ADD,
    SILU,
    GELU,
    SOFTCAP,
    SOFTMAX,
    OPERATIONS
} op;

static const char *const op_names[] = {
    "rms_norm", "rms_norm in place", "rope_pairs", "rope_halves", "axpy",
    "add",      "silu_mul",          "gelu_mul",   "softcap",     "softmax"};

// Runs one operation with `out` holding its in-and-out vector.
static void apply(const as_kernels *k, op what, float *out, const float *a, const float *b,
                  size_t n) {
    switch (what) {
    case RMS_NORM:
        k->rms_norm(out, a, b, n, 1e-5f);
        break;
    case RMS_IN_PLACE:
        k->rms_norm(out, out, b, n, 1e-6f);
        break;
    case ROPE:
        k->rope_pairs(out, a, b, n);
        break;
    case ROPE_HALVES:
        k->rope_halves(out, a, b, n);
        break;
    case AXPY:
        k->axpy(out, b[0], a, n);
        break;
    case ADD:
        k->add(out, a, n);
        break;
    case SILU:
        k->silu_mul(out, a, n);
        break;
    case GELU:
        k->gelu_mul(out, a, n);
        break;
    case SOFTCAP:
        k->softcap(out, n % 2 ? 50.0f : 0.75f, n);
        break;
    default:
        k->softmax(out, n);
        break;
    }
}

static void check_reductions(const float *x, const float *y, size_t n) {
    float want = tables[0]->dot(x, y, n), want_max = 0, want_sum = 0;
    size_t want_index = 0;
    if (n > 0) {
        tables[0]->exp_sum(x, n, &want_max, &want_sum);
        want_index = tables[0]->argmax(x, n);
    }
    for (size_t t = 1; t < table_count; t++) {
        const as_kernels *k = tables[t];
        float got = k->dot(x, y, n), max = 0, sum = 0;
        check_same(&got, &want, 1, k->name, "dot");
        if (n == 0) continue;
        k->exp_sum(x, n, &max, &sum);
        check_same(&max, &want_max, 1, k->name, "exp_sum's max");
        check_same(&sum, &want_sum, 1, k->name, "exp_sum's sum");
        assert_int_equal(k->argmax(x, n), want_index);
    }
}

static void check_vectors(size_t n, int mode) {
    guarded a = guarded_new(n), b = guarded_new(n + 1), start = guarded_new(n);
    guarded want = guarded_new(n), got = guarded_new(n);
    fill(a.data, n, mode);
    fill(b.data, n + 1, mode);
    fill(start.data, n, mode);
    check_reductions(a.data, b.data, n);
    for (op what = 0; what < OPERATIONS; what++) {
        if (what == SOFTMAX && n == 0) continue;
        memcpy(want.data, start.data, n * sizeof(float));
        apply(tables[0], what, want.data, a.data, b.data, n);
        check_guards(&want);
        for (size_t t = 1; t < table_count; t++) {
            memcpy(got.data, start.data, n * sizeof(float));
            apply(tables[t], what, got.data, a.data, b.data, n);
            check_guards(&got);
            check_same(got.data, want.data, n, tables[t]->name, op_names[what]);
        }
    }
    free(a.all), free(b.all), free(start.all), free(want.all), free(got.all);
}

static void vectors_are_the_same_in_all_tables(void **state) {
    (void)state;
    for (int mode = 0; mode < MODES; mode++) {
        for (size_t n = 0; n <= 70; n++) {
            for (int i = 0; i < AS_DRAWS(4); i++) check_vectors(n, mode);
        }
        for (size_t n = 127; n <= 129; n++) check_vectors(n, mode);
        check_vectors(1000 + random_below(100), mode);
    }
}

static void vectors_take_infinities_and_nans(void **state) {
    (void)state;
    const float odd[] = {HUGE_VALF, -HUGE_VALF, NAN, 3e38f, -3e38f, 0.0f, -0.0f, 1e-42f};
    for (int i = 0; i < AS_DRAWS(4000); i++) {
        float x[40], y[40];
        size_t n = 1 + random_below(40);
        fill(x, 40, 0);
        fill(y, 40, 0);
        for (size_t j = 0; j < 1 + random_below(6); j++) {
            x[random_below(n)] = odd[random_below(i % 2 ? 8 : 2)];
        }
        if (i % 64 == 0) {
            for (size_t j = 0; j < n; j++) x[j] = odd[random_below(3)];
        }
        check_reductions(x, y, n);
        for (size_t t = 1; t < table_count; t++) {
            float a[40], b[40];
            memcpy(a, x, sizeof a);
            memcpy(b, x, sizeof b);
            tables[0]->silu_mul(a, y, n);
            tables[t]->silu_mul(b, y, n);
            check_same(b, a, n, tables[t]->name, "silu_mul of odd values");
            memcpy(a, x, sizeof a);
            memcpy(b, x, sizeof b);
            tables[0]->gelu_mul(a, y, n);
            tables[t]->gelu_mul(b, y, n);
            check_same(b, a, n, tables[t]->name, "gelu_mul of odd values");
            memcpy(a, x, sizeof a);
            memcpy(b, x, sizeof b);
            tables[0]->softcap(a, 30.0f, n);
            tables[t]->softcap(b, 30.0f, n);
            check_same(b, a, n, tables[t]->name, "softcap of odd values");
        }
    }
}

// The order of a sum is part of the contract: this is the text of kernels.h, once more.
static void dot_sums_in_16_lanes(void **state) {
    (void)state;
    for (size_t n = 0; n < 100; n++) {
        float x[100], y[100], lanes[16] = {0};
        fill(x, n, 4);
        fill(y, n, 4);
        for (size_t i = 0; i < n; i++) lanes[i % 16] = fmaf(x[i], y[i], lanes[i % 16]);
        for (size_t i = 0; i < 8; i++) lanes[i] += lanes[i + 8];
        for (size_t i = 0; i < 4; i++) lanes[i] += lanes[i + 4];
        for (size_t i = 0; i < 2; i++) lanes[i] += lanes[i + 2];
        lanes[0] += lanes[1];
        for (size_t t = 0; t < table_count; t++) {
            float got = tables[t]->dot(x, y, n);
            check_same(&got, lanes, 1, tables[t]->name, "dot");
        }
    }
}

// axpy is an fma; portable.c may build it from doubles. Most addends nearly cancel the product or
// sit where the rounding is close to a tie.
static void fma_rounds_once(void **state) {
    (void)state;
    for (int i = 0; i < AS_DRAWS(400000); i++) {
        float a = random_of_mode(i % MODES), x = random_of_mode(i / 7 % MODES), y;
        switch (random_below(4)) {
        case 0:
            y = random_of_mode(1);
            break;
        case 1:
            y = -(a * x);
            break;
        case 2:
            y = float_of((uint32_t)(random_bits() & 3) - 1u) - a * x;
            break;
        default:
            y = ldexpf(random_unit() < 0 ? -a * x : a * x, (int)random_below(60) - 30);
            break;
        }
        float want = fmaf(a, x, y);
        for (size_t t = 0; t < table_count; t++) {
            float got = y;
            tables[t]->axpy(&got, a, &x, 1);
            check_same(&got, &want, 1, tables[t]->name, "axpy");
        }
    }
}

// Every product underflows to -0. A lane that got an extra +0 would turn the sum to +0.
static void sums_keep_the_sign_of_zero(void **state) {
    (void)state;
    float x[64], y[64];
    for (size_t i = 0; i < 64; i++) x[i] = 0x1p-140f, y[i] = -0x1p-140f;
    for (size_t n = 16; n <= 64; n++) {
        for (size_t t = 0; t < table_count; t++) {
            float got = tables[t]->dot(x, y, n), want = -0.0f;
            check_same(&got, &want, 1, tables[t]->name, "dot");
        }
    }
}

// Products a hair beside half the smallest denormal, onto a denormal: in double the hair is lost,
// and what is left looks like a tie.
static void fma_rounds_once_below_normal(void **state) {
    (void)state;
    int cases = 0;
    for (int i = 0; i < AS_DRAWS(20000); i++) {
        uint64_t a = (random_bits() & 0x7fffff) | 0x800001, b = ((uint64_t)1 << 47) / a;
        b += (uint64_t)i & 1; // below and above 2^47
        uint64_t product = a * b, power = (uint64_t)1 << 47;
        if ((product > power ? product - power : power - product) > 1u << 15) continue;
        cases++;
        float fa = ldexpf((float)a, -98), fb = ldexpf((float)b, -99); // 2^-150 (1 + hair)
        float y = random_float(0, 0), want = fmaf(fa, fb, y);
        for (size_t t = 0; t < table_count; t++) {
            float got = y;
            tables[t]->axpy(&got, fa, &fb, 1);
            check_same(&got, &want, 1, tables[t]->name, "axpy");
        }
    }
    assert_true(cases > 10);
}

static void argmax_takes_the_first(void **state) {
    (void)state;
    float x[100];
    for (size_t t = 0; t < table_count; t++) {
        for (size_t n = 1; n <= 100; n++) {
            size_t first = random_below(n), second = random_below(n);
            for (size_t i = 0; i < n; i++) x[i] = -2.0f + random_unit();
            x[first] = x[second] = 7.0f;
            assert_int_equal(tables[t]->argmax(x, n), first < second ? first : second);
            x[0] = NAN;
            if (first > 0 && second > 0) {
                assert_int_equal(tables[t]->argmax(x, n), first < second ? first : second);
            }
            for (size_t i = 0; i < n; i++) x[i] = NAN;
            assert_int_equal(tables[t]->argmax(x, n), 0);
        }
    }
}

// --- quantization -------------------------------------------------------------------------------

static void *aligned_new(size_t size) {
    void *memory = aligned_alloc(64, (size + 64 + 63) / 64 * 64);
    assert_non_null(memory);
    memset(memory, CANARY_BYTE, (size + 64 + 63) / 64 * 64);
    return memory;
}

static as_qrows qrows_new(size_t count, size_t cols) {
    size_t blocks = count * cols / 32;
    return (as_qrows){.q = aligned_new(count * cols),
                      .d = aligned_new(blocks * sizeof(float)),
                      .sums = aligned_new(blocks * sizeof(float)),
                      .offsets = aligned_new(blocks * sizeof(int32_t)),
                      .halves = aligned_new(blocks * 2 * sizeof(int32_t)),
                      .cols = cols};
}

static void qrows_free(as_qrows *x) {
    free(x->q), free(x->d), free(x->sums), free(x->offsets), free(x->halves);
}

// The text of kernels.h, once more.
static void check_block(const float *x, const as_qrows *out, size_t b) {
    const int8_t *q = out->q + 32 * b;
    float amax = 0, d = out->d[b];
    int finite = 1, sums[2] = {0};
    for (int i = 0; i < 32; i++) {
        finite = finite && isfinite(x[i]);
        amax = fmaxf(amax, fabsf(x[i]));
    }
    int zero = !finite || amax < 0x1p-100f;
    for (int i = 0; i < 32; i++) {
        int want = zero ? 0 : (int)rintf(x[i] * (127.0f / amax));
        assert_int_equal(q[i], want);
        assert_in_range(want + 127, 0, 254);
        sums[i / 16] += want;
    }
    assert_int_equal(out->halves[2 * b], -128 * sums[0]);
    assert_int_equal(out->halves[2 * b + 1], -128 * sums[1]);
    assert_int_equal(out->offsets[b], -128 * (sums[0] + sums[1]));
    float weighted = d * (float)(sums[0] + sums[1]);
    check_same(&out->sums[b], &weighted, 1, "quantize_row", "sum");
    if (!finite) {
        assert_true(isnan(d));
    } else {
        assert_true(d == (zero ? 0.0f : amax / 127.0f));
    }
}

static void quantize_follows_its_text(void **state) {
    (void)state;
    enum { COLS = 160, ROWS = 3 };
    for (int i = 0; i < AS_DRAWS(3000); i++) {
        float x[COLS + 1], *row = x + i % 2;
        fill(x, COLS + 1, i % MODES);
        if (i % 10 == 0) row[random_below(COLS)] = i % 20 ? HUGE_VALF : NAN;
        if (i % 7 == 0) row[random_below(COLS)] = random_below(2) ? 0x1p-100f : 0x1p-101f;
        // Ties: amax 127 makes the scale 1, so halves go to even.
        if (i % 5 == 0) {
            for (size_t j = 0; j < COLS; j++) row[j] = (float)random_below(254) - 126.5f;
            row[3] = row[40] = row[70] = row[100] = row[140] = -127.0f;
        }
        for (size_t t = 0; t < table_count; t++) {
            as_qrows out = qrows_new(ROWS, COLS);
            tables[t]->quantize_row(&out, 1, row);
            for (size_t b = 0; b < COLS / 32; b++) {
                check_block(row + b * 32, &out, COLS / 32 + b);
            }
            assert_true(is_canary(out.q, COLS) && is_canary(out.q + 2 * COLS, COLS));
            assert_true(is_canary(out.d, 20) && is_canary(out.d + 10, 20));
            assert_true(is_canary(out.sums, 20) && is_canary(out.sums + 10, 20));
            assert_true(is_canary(out.offsets, 20) && is_canary(out.offsets + 10, 20));
            assert_true(is_canary(out.halves, 40) && is_canary(out.halves + 20, 40));
            qrows_free(&out);
        }
    }
}

// --- matrix products ----------------------------------------------------------------------------

typedef struct product {
    as_matrix w;
    unsigned char *file; // w as a file holds it
    float *x;            // [count][x_stride], unaligned
    float *x_memory;
    as_qrows q;
    size_t count, x_stride, y_stride;
} product;

static product product_new(as_wtype type, size_t rows, size_t cols, size_t count, int mode) {
    product p = {.w = {.type = type, .rows = rows, .cols = cols}, .count = count};
    p.x_stride = cols + random_below(5);
    p.y_stride = rows + random_below(20);
    p.w.values = aligned_new(as_matrix_values_size(type, rows, cols));
    p.w.scales = aligned_new(as_matrix_scales_size(type, rows, cols));
    p.file = malloc(as_wtype_size(type, rows * cols));
    p.x_memory = malloc((count * p.x_stride + 8) * sizeof(float));
    assert_true(p.file != NULL && p.x_memory != NULL);
    p.x = p.x_memory + random_below(4);
    fill_weights(type, p.file, rows * cols, mode);
    fill(p.x, count * p.x_stride, mode);
    as_matrix_pack(&p.w, p.file);
    assert_true(is_canary((char *)p.w.values + as_matrix_values_size(type, rows, cols), 64));
    assert_true(is_canary((char *)p.w.scales + as_matrix_scales_size(type, rows, cols), 64));
    p.q = qrows_new(count, cols);
    if (as_wtype_quantized(type)) {
        for (size_t m = 0; m < count; m++) {
            float *row = p.x + m * p.x_stride;
            for (size_t k = 0; mode == 5 && k < cols; k++) row[k] = random_below(3) ? -1.0f : 1.0f;
            tables[0]->quantize_row(&p.q, m, row);
        }
    }
    return p;
}

static void product_free(product *p) {
    free(p->w.values), free(p->w.scales), free(p->file), free(p->x_memory);
    qrows_free(&p->q);
}

// Rows first..first+count-1 of the batch times panels begin..end-1.
static void multiply(const as_kernels *k, const product *p, size_t begin, size_t end, size_t first,
                     size_t count, float *y) {
    const float *x = p->x + first * p->x_stride;
    y += first * p->y_stride;
    if (p->w.type == AS_W_F32) {
        k->matmul_f32(&p->w, begin, end, x, p->x_stride, count, y, p->y_stride);
    } else if (p->w.type == AS_W_F16) {
        k->matmul_f16(&p->w, begin, end, x, p->x_stride, count, y, p->y_stride);
    } else if (p->w.type == AS_W_BF16) {
        k->matmul_bf16(&p->w, begin, end, x, p->x_stride, count, y, p->y_stride);
    } else {
        size_t at = first * (p->w.cols / 32);
        as_qrows q = {.q = p->q.q + 32 * at,
                      .d = p->q.d + at,
                      .sums = p->q.sums + at,
                      .offsets = p->q.offsets + at,
                      .halves = p->q.halves + 2 * at,
                      .cols = p->w.cols};
        k->matmul_quant(&p->w, begin, end, &q, count, y, p->y_stride);
    }
}

// Against float64, within what rounding each of `cols` steps can add.
static void check_reference(const product *p, const float *y) {
    float *row = malloc((p->w.cols + 1) * sizeof(float));
    assert_non_null(row);
    for (size_t r = 0; r < p->w.rows; r++) {
        as_matrix_row(&p->w, r, row);
        for (size_t m = 0; m < p->count; m++) {
            double sum = 0, size = 0;
            for (size_t k = 0; k < p->w.cols; k++) {
                double x = (double)p->x[m * p->x_stride + k];
                if (as_wtype_quantized(p->w.type)) {
                    float d = p->q.d[(m * p->w.cols + k) / 32];
                    x = (double)d * p->q.q[m * p->w.cols + k];
                }
                sum += (double)row[k] * x;
                size += fabs((double)row[k] * x);
            }
            double error = fabs((double)y[m * p->y_stride + r] - sum);
            assert_true(error <= size * (double)(p->w.cols + 2) * 0x1p-23 + 1e-40);
        }
    }
    free(row);
}

// Only rows 0..rows-1 of each y row may be written.
static void check_gaps(const product *p, const guarded *y) {
    check_guards(y);
    for (size_t m = 0; m + 1 < p->count; m++) {
        assert_true(is_canary(y->data + m * p->y_stride + p->w.rows,
                              (p->y_stride - p->w.rows) * sizeof(float)));
    }
}

static void check_product(as_wtype type, size_t rows, size_t cols, size_t count, int mode) {
    product p = product_new(type, rows, cols, count, mode);
    size_t panels = (rows + AS_PANEL - 1) / AS_PANEL, size = (count - 1) * p.y_stride + rows;
    guarded want = guarded_new(size), got = guarded_new(size);
    multiply(tables[0], &p, 0, panels, 0, count, want.data);
    check_gaps(&p, &want);
    if (mode == 0) check_reference(&p, want.data);
    for (size_t t = 0; t < table_count; t++) {
        if (t > 0) {
            guarded_reset(&got);
            multiply(tables[t], &p, 0, panels, 0, count, got.data);
            check_gaps(&p, &got);
            check_same(got.data, want.data, size, tables[t]->name, type_names[type]);
        }
        // In two panel ranges, the second one in two batches.
        guarded_reset(&got);
        size_t panel = random_below(panels + 1), part = random_below(count + 1);
        multiply(tables[t], &p, 0, panel, 0, count, got.data);
        multiply(tables[t], &p, panel, panels, 0, part, got.data);
        multiply(tables[t], &p, panel, panels, part, count - part, got.data);
        check_gaps(&p, &got);
        check_same(got.data, want.data, size, tables[t]->name, type_names[type]);
    }
    free(want.all), free(got.all);
    product_free(&p);
}

static void products_are_the_same_in_all_tables(void **state) {
    (void)state;
    for (int type = 0; type < AS_WTYPES_ALL; type++) {
        size_t unit = as_wtype_block((as_wtype)type);
        for (size_t count = 1; count <= 40; count += AS_UNDER_ASAN ? 3 : 1) {
            check_product((as_wtype)type, 81, unit * 3, count, (int)count % MODES);
        }
        for (int i = 0; i < AS_DRAWS(160); i++) {
            size_t cols = unit * (1 + random_below(unit == 256 ? 3 : unit == 32 ? 6 : 130));
            check_product((as_wtype)type, 1 + random_below(140), cols, 1 + random_below(18),
                          i % MODES);
        }
        check_product((as_wtype)type, 70, 512, 13, 0);
        // Longer than what is unpacked at once.
        check_product((as_wtype)type, 40, 1792, 19, 0);
        check_product((as_wtype)type, 25, 1536, 22, 3);
    }
}

// One output of a quantized product: the text of kernels.h, once more.
static float chain_of(const product *p, size_t r, size_t m) {
    as_wtype type = p->w.type;
    wfacts facts = wfacts_of(type);
    size_t row_size = as_wtype_size(type, p->w.cols);
    float acc = 0;
    for (size_t k = 0; k < p->w.cols; k += facts.group) {
        wblock block = {.m = 0};
        size_t in = k % facts.block, g = in / facts.group;
        as_block_read(type, p->file + r * row_size + k / facts.block * facts.size, &block);
        int isum = 0, sum = 0;
        for (size_t i = 0; i < facts.group; i++) {
            int q = p->q.q[m * p->w.cols + k + i], code = block.codes[in + i];
            isum += q * (facts.table ? table_of(type)[code] : code - facts.zero);
            sum += q;
        }
        float d = p->q.d[(m * p->w.cols + k) / 32];
        acc = fmaf(group_scale(type, block.d, block.scales[g]) * d, (float)isum, acc);
        if (facts.mins) acc = fmaf(group_min(type, block.m, block.mins[g]), d * (float)sum, acc);
    }
    return acc;
}

// The sum of a product is one chain in k order: this is the text of kernels.h, once more.
static void products_are_chains(void **state) {
    (void)state;
    enum { COLS = 512, ROWS = 20, COUNT = 3 };
    for (int type = 0; type < AS_WTYPES_ALL; type++) {
        product p = product_new((as_wtype)type, ROWS, COLS, COUNT, 4);
        float y[COUNT * 48], row[COLS];
        multiply(tables[0], &p, 0, 2, 0, COUNT, y);
        for (size_t m = 0; m < COUNT; m++) {
            for (size_t r = 0; r < ROWS; r++) {
                float acc = 0;
                if (as_wtype_quantized((as_wtype)type)) {
                    acc = chain_of(&p, r, m);
                } else {
                    as_matrix_row(&p.w, r, row);
                    for (size_t k = 0; k < COLS; k++)
                        acc = fmaf(row[k], p.x[m * p.x_stride + k], acc);
                }
                check_same(y + m * p.y_stride + r, &acc, 1, "portable", type_names[type]);
            }
        }
        product_free(&p);
    }
}

static void pack_keeps_every_value(void **state) {
    (void)state;
    for (int i = 0; i < AS_DRAWS(200); i++) {
        as_wtype type = (as_wtype)(i % AS_WTYPES_ALL);
        size_t rows = 1 + random_below(50), unit = as_wtype_block(type);
        size_t cols = unit == 1 ? 1 + random_below(128) : unit * (1 + random_below(3));
        product p = product_new(type, rows, cols, 1, i % MODES);
        float row[768], want[768];
        for (size_t r = 0; r < rows; r++) {
            as_matrix_row(&p.w, r, row);
            as_wtype_decode(type, p.file + r * as_wtype_size(type, cols), cols, want);
            check_same(row, want, cols, "pack", type_names[type]);
        }
        // The rows that fill the last panel are zero.
        for (size_t r = rows; r % AS_PANEL != 0; r++) {
            as_matrix_row(&p.w, r, row);
            for (size_t k = 0; k < cols; k++) assert_true(row[k] == 0.0f);
        }
        product_free(&p);
    }
}

// exp_sum of {0, x} is 1 + exp(x); softmax and silu_mul show the rest of the range.
static void tables_use_the_same_exp(void **state) {
    (void)state;
    const float limits[] = {-87.3f, -0x1.5d3332p+6f, -0x1.5d3334p+6f, -HUGE_VALF, -0.0f, 88.7f};
    for (int i = 0; i < AS_DRAWS(100000); i++) {
        float low = i % 2 ? -fabsf(90.0f * random_unit()) : -fabsf(random_float(90, 132));
        if (i < 5) low = limits[i];
        float x[2] = {0.0f, low}, want = 1.0f + as_exp_f32(low), share = as_exp_f32(low) / want;
        float gate = 90.0f * random_unit();
        if (i < 12) gate = i < 6 ? limits[i] : -limits[i - 6];
        float want_silu = gate / (1.0f + as_exp_f32(-gate)) * 3.0f;
        for (size_t t = 0; t < table_count; t++) {
            float max, sum, out[2] = {x[0], x[1]}, silu = gate, up = 3.0f;
            tables[t]->exp_sum(x, 2, &max, &sum);
            check_same(&sum, &want, 1, tables[t]->name, "exp_sum");
            tables[t]->softmax(out, 2);
            check_same(out + 1, &share, 1, tables[t]->name, "softmax");
            tables[t]->silu_mul(&silu, &up, 1);
            check_same(&silu, &want_silu, 1, tables[t]->name, "silu_mul");
        }
    }
}

// Rows of many terms, most of which are near the largest: as the portable table has them.
static void terms_far_from_the_largest(void **state) {
    (void)state;
    enum { TERMS = 70 };
    const float limits[] = {-87.3f, -87.2999f, -0x1.5d3334p+6f, -200.0f, -HUGE_VALF, NAN};
    for (int i = 0; i < AS_DRAWS(20000); i++) {
        float x[TERMS], want[TERMS], got[TERMS], sums[2], maxs[2];
        size_t n = 1 + random_below(TERMS);
        for (size_t j = 0; j < n; j++) {
            x[j] = 5.0f * random_unit();
            if (random_below(40) == 0) x[j] = limits[random_below(i % 8 ? 4 : 6)];
        }
        memcpy(want, x, n * sizeof *x);
        tables[0]->softmax(want, n);
        tables[0]->exp_sum(x, n, &maxs[0], &sums[0]);
        for (size_t t = 1; t < table_count; t++) {
            memcpy(got, x, n * sizeof *x);
            tables[t]->softmax(got, n);
            check_same(got, want, n, tables[t]->name, "softmax");
            tables[t]->exp_sum(x, n, &maxs[1], &sums[1]);
            check_same(&sums[1], &sums[0], 1, tables[t]->name, "exp_sum");
            check_same(&maxs[1], &maxs[0], 1, tables[t]->name, "its largest");
        }
    }
}

// What the specification is worth: against long double, in the last place of the result.
// 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)).
static void gelu_and_softcap_are_near_their_formulas(void **state) {
    (void)state;
    double worst_gelu = 0.0, worst_cap = 0.0;
    for (int i = 0; i < AS_DRAWS(200000); i++) {
        float x = i % 3 ? 9.0f * random_unit() : random_float(90, 130), one = 1.0f;
        float gelu = x, capped = x, cap = 0.5f + fabsf(40.0f * random_unit());
        tables[0]->gelu_mul(&gelu, &one, 1);
        tables[0]->softcap(&capped, cap, 1);
        long double inner = 0.79788456080286535588L * (x + 0.044715L * x * x * x);
        long double want = x / (1.0L + expl(-2.0L * inner));
        // exp turns what its argument, -2u, is off by into that share of the result.
        double room = 3.0 + 4.0 * fabs((double)inner);
        double off = fabs((double)(gelu - want)) / (fabs((double)want) + 1e-37);
        if (want != 0.0L && fabs((double)want) > 1e-30 && off / room > worst_gelu)
            worst_gelu = off / room;
        want = (long double)cap * tanhl((long double)x / cap);
        off = fabs((double)(capped - want)) / fabs((double)want);
        if (off > worst_cap) worst_cap = off;
    }
    print_message("gelu off by %.2g times its room, softcap by %.2g\n", worst_gelu, worst_cap);
    assert_true(worst_gelu < 0x1p-23);
    assert_true(worst_cap < 3 * 0x1p-23);
}

static void select_goes_by_name(void **state) {
    (void)state;
    const as_kernels *known[8];
    size_t count = as_kernels_available(known);
    assert_string_equal(known[0]->name, "portable");
    for (size_t t = 0; t < count; t++) {
        assert_ptr_equal(as_kernels_select(known[t]->name), known[t]);
    }
    assert_ptr_equal(as_kernels_select("auto"), known[count - 1]);
    assert_ptr_equal(as_kernels_select(NULL), known[count - 1]);
    assert_null(as_kernels_select("avx1024"));
    assert_null(as_kernels_select(""));
}

// A CPU with AVX-512 but without tiles runs amx.c with its tile instructions written in C.
static void add_emulated(void) {
#ifdef __x86_64__
    static as_kernels emulated;
    if (!as_kernels_select("avx512") || as_kernels_select("amx")) return;
    emulated = *as_kernels_select("avx512");
    emulated.name = "amx, emulated";
    emulated.matmul_quant = as_amx_emulated_matmul_quant;
    tables[table_count++] = &emulated;
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(select_goes_by_name, seed),
        cmocka_unit_test_setup(vectors_are_the_same_in_all_tables, seed),
        cmocka_unit_test_setup(vectors_take_infinities_and_nans, seed),
        cmocka_unit_test_setup(dot_sums_in_16_lanes, seed),
        cmocka_unit_test_setup(fma_rounds_once, seed),
        cmocka_unit_test_setup(fma_rounds_once_below_normal, seed),
        cmocka_unit_test_setup(sums_keep_the_sign_of_zero, seed),
        cmocka_unit_test_setup(argmax_takes_the_first, seed),
        cmocka_unit_test_setup(quantize_follows_its_text, seed),
        cmocka_unit_test_setup(products_are_the_same_in_all_tables, seed),
        cmocka_unit_test_setup(products_are_chains, seed),
        cmocka_unit_test_setup(pack_keeps_every_value, seed),
        cmocka_unit_test_setup(tables_use_the_same_exp, seed),
        cmocka_unit_test_setup(terms_far_from_the_largest, seed),
        cmocka_unit_test_setup(gelu_and_softcap_are_near_their_formulas, seed),
    };
    table_count = as_kernels_available(tables);
    add_emulated();
    for (size_t t = 0; t < table_count; t++) print_message("table %s\n", tables[t]->name);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
