// SPDX-License-Identifier: Apache-2.0
// template.h - what the wide tables share, written over a vector of 16 floats.
//
// Included once by each table, after it defines v16 and its operations:
//
//   v16 v_zero() v_set1(a) v_load(p) v_load_n(p, n)   n in 1..16, the rest is 0
//   v16 v_load_half(p) v_load_bf16(p)  16 of 16 bits, widened
//   v16 v_load_i8(p) v_load_u8(p)      16 of 8 bits, widened
//   v16 v_load_half_n(p, n) v_load_i8_n(p, n)   with V_LOADS_MASKED; else attend.h has them
//   v16 v_load_low(p) v_load_high(p)   the lower and the upper halves of 16 bytes, widened
//   void v_store(p, v) v_store_n(p, v, n)
//   v16 v_add v_sub v_mul v_div(a, b) v_fma(a, b, c)
//   v16 v_max(x, best)                  best where x is NaN
//   v16 v_first_n(a, b, n)              the first n lanes of a, the others of b
//   v16 v_size(v)                       without the sign
//   v16 v_with_sign(size, v)            size >= 0 with the sign of v
//   v16 v_if_less(x, limit, a, b)       a where x < limit, else b, so b where x is NaN
//   bool v_all_above(v, limit)          no lane is NaN
//   v16 v_exp(v)                        exp_f32 of scalar.h, lane by lane
//   v16 v_exp_within(v)                 the same for lanes in AS_EXP_LOW..AS_EXP_HIGH alone
//   float v_sum(v)                      the reduction tree
//   unsigned v_equal(a, b)              bit j: lane j is equal
//
//   void turn_4_pairs(x, cosines, sines)   rope_pairs for 4 pairs
//   uint32_t amax_bits(x)                  the pattern of the largest of 32 values, without its
//                                          sign: infinity and NaN are on top
//   void round_block(x, scale, q, halves)  32 values x * scale to bytes; halves[i] is -128 times
//                                          the sum of 16 of them
//
// and TILE_ROWS, TILE_PANELS: the register tile of the float products; ATTEND_SUMS: the registers
// that attention may sum up in.
#ifndef AS_TEMPLATE_H
#define AS_TEMPLATE_H

#include <math.h>

#include "kernels/kernels.h"
#include "kernels/scalar.h"
#include "kernels/tables.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

// --- quantization ---------------------------------------------------------------------------

// In steps over the row, since a block's alone wait for one another.
static void quantize_row(as_qrows *out, size_t at, const float *x) {
    const size_t blocks = out->cols / AS_QBLOCK, begin = at * blocks;
    int32_t *halves = out->halves + 2 * begin;
    int32_t *restrict offsets = out->offsets + begin;
    float *restrict sums = out->sums + begin, *restrict d = out->d + begin;
    int8_t *q = out->q + begin * AS_QBLOCK;
    for (size_t b = 0; b < blocks; b++) d[b] = bits_float(amax_bits(x + b * AS_QBLOCK));
    for (size_t b = 0; b < blocks; b++) {
        if (d[b] >= 0x1p-100f && d[b] < HUGE_VALF) {
            round_block(x + b * AS_QBLOCK, 127.0f / d[b], q + b * AS_QBLOCK, halves + 2 * b);
        } else {
            memset(q + b * AS_QBLOCK, 0, AS_QBLOCK);
            halves[2 * b] = halves[2 * b + 1] = 0;
            d[b] = d[b] < 1.0f ? 0.0f : bits_float(0x7fc00000u);
        }
    }
    for (size_t b = 0; b < blocks; b++) d[b] = d[b] / 127.0f;
    for (size_t b = 0; b < blocks; b++) offsets[b] = halves[2 * b] + halves[2 * b + 1];
    for (size_t b = 0; b < blocks; b++) sums[b] = d[b] * (float)(offsets[b] / -128);
}

// --- float matrix products ------------------------------------------------------------------

INLINE void store_rows(const as_matrix *w, size_t panel, v16 acc, float *y) {
    size_t row = panel * AS_PANEL, left = w->rows - row;
    if (left >= AS_PANEL) {
        v_store(y + row, acc);
    } else {
        v_store_n(y + row, acc, left);
    }
}

INLINE v16 load_weights(const as_matrix *w, as_wtype type, size_t at) {
    if (type == AS_W_F16) return v_load_half((const uint16_t *)w->values + at);
    if (type == AS_W_BF16) return v_load_bf16((const uint16_t *)w->values + at);
    return v_load((const float *)w->values + at);
}

// `panels` panels times `rows` activation rows, both constants after inlining; the accumulators
// are the chains of the specification, so any tile shape gives the same bits.
INLINE void tile_float(const as_matrix *w, as_wtype type, size_t panel, size_t panels,
                       const float *x, size_t x_stride, size_t rows, float *y, size_t y_stride) {
    v16 acc[TILE_ROWS * TILE_PANELS > 4 ? TILE_ROWS * TILE_PANELS : 4];
    UNROLL
    for (size_t i = 0; i < panels * rows; i++) acc[i] = v_zero();
    for (size_t k = 0; k < w->cols; k++) {
        v16 weights[4];
        UNROLL
        for (size_t p = 0; p < panels; p++) {
            weights[p] = load_weights(w, type, ((panel + p) * w->cols + k) * AS_PANEL);
        }
        UNROLL
        for (size_t m = 0; m < rows; m++) {
            v16 xk = v_set1(x[m * x_stride + k]);
            UNROLL
            for (size_t p = 0; p < panels; p++) {
                acc[m * panels + p] = v_fma(weights[p], xk, acc[m * panels + p]);
            }
        }
    }
    for (size_t m = 0; m < rows; m++) {
        for (size_t p = 0; p < panels; p++) {
            store_rows(w, panel + p, acc[m * panels + p], y + m * y_stride);
        }
    }
}

// All activation rows against `group` panels (4 or 1). Four panels at once give a single row the
// independent chains that hide the latency of an fma.
INLINE void group_float(const as_matrix *w, as_wtype type, size_t panel, size_t group,
                        const float *x, size_t x_stride, size_t count, float *y, size_t y_stride) {
    const size_t wide = MIN(group, TILE_PANELS), two = MIN(group, 2);
    size_t m = 0;
    for (; count - m >= TILE_ROWS; m += TILE_ROWS) {
        for (size_t p = 0; p < group; p += wide) {
            tile_float(w, type, panel + p, wide, x + m * x_stride, x_stride, TILE_ROWS,
                       y + m * y_stride, y_stride);
        }
    }
    if (count - m >= 4) {
        for (size_t p = 0; p < group; p += wide) {
            tile_float(w, type, panel + p, wide, x + m * x_stride, x_stride, 4, y + m * y_stride,
                       y_stride);
        }
        m += 4;
    }
    if (count - m >= 2) {
        for (size_t p = 0; p < group; p += two) {
            tile_float(w, type, panel + p, two, x + m * x_stride, x_stride, 2, y + m * y_stride,
                       y_stride);
        }
        m += 2;
    }
    if (count - m >= 1) {
        tile_float(w, type, panel, group, x + m * x_stride, x_stride, 1, y + m * y_stride,
                   y_stride);
    }
}

INLINE void matmul_float(const as_matrix *w, as_wtype type, size_t panel, size_t panel_end,
                         const float *x, size_t x_stride, size_t count, float *y, size_t y_stride) {
    for (; panel + 4 <= panel_end; panel += 4) {
        group_float(w, type, panel, 4, x, x_stride, count, y, y_stride);
    }
    for (; panel < panel_end; panel++) {
        group_float(w, type, panel, 1, x, x_stride, count, y, y_stride);
    }
}

static void matmul_f32(const as_matrix *w, size_t panel_begin, size_t panel_end, const float *x,
                       size_t x_stride, size_t count, float *y, size_t y_stride) {
    matmul_float(w, AS_W_F32, panel_begin, panel_end, x, x_stride, count, y, y_stride);
}

static void matmul_f16(const as_matrix *w, size_t panel_begin, size_t panel_end, const float *x,
                       size_t x_stride, size_t count, float *y, size_t y_stride) {
    matmul_float(w, AS_W_F16, panel_begin, panel_end, x, x_stride, count, y, y_stride);
}

static void matmul_bf16(const as_matrix *w, size_t panel_begin, size_t panel_end, const float *x,
                        size_t x_stride, size_t count, float *y, size_t y_stride) {
    matmul_float(w, AS_W_BF16, panel_begin, panel_end, x, x_stride, count, y, y_stride);
}

// --- vectors --------------------------------------------------------------------------------

static float dot(const float *x, const float *y, size_t n) {
    v16 acc = v_zero();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) acc = v_fma(v_load(x + i), v_load(y + i), acc);
    if (i < n) {
        // Lanes past the end keep their value: fma(0, 0, -0) would turn a -0 into +0.
        v16 next = v_fma(v_load_n(x + i, n - i), v_load_n(y + i, n - i), acc);
        acc = v_first_n(next, acc, n - i);
    }
    return v_sum(acc);
}

static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps) {
    v16 scale = v_set1(1.0f / sqrtf(dot(x, x, n) / (float)n + eps));
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        v_store(y + i, v_mul(v_mul(v_load(x + i), scale), v_load(w + i)));
    }
    if (i < n) {
        v16 scaled = v_mul(v_load_n(x + i, n - i), scale);
        v_store_n(y + i, v_mul(scaled, v_load_n(w + i, n - i)), n - i);
    }
}

static void layer_norm(float *y, const float *x, const float *w, const float *b, size_t n,
                       float eps) {
    v16 acc = v_zero();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) acc = v_add(acc, v_load(x + i));
    if (i < n) acc = v_first_n(v_add(acc, v_load_n(x + i, n - i)), acc, n - i);
    v16 mean = v_set1(v_sum(acc) / (float)n);
    for (i = 0; i + 16 <= n; i += 16) v_store(y + i, v_sub(v_load(x + i), mean));
    if (i < n) v_store_n(y + i, v_sub(v_load_n(x + i, n - i), mean), n - i);
    v16 scale = v_set1(1.0f / sqrtf(dot(y, y, n) / (float)n + eps));
    for (i = 0; i + 16 <= n; i += 16) {
        v16 scaled = v_mul(v_load(y + i), scale);
        v_store(y + i, v_fma(scaled, v_load(w + i), v_load(b + i)));
    }
    if (i < n) {
        v16 scaled = v_mul(v_load_n(y + i, n - i), scale);
        v_store_n(y + i, v_fma(scaled, v_load_n(w + i, n - i), v_load_n(b + i, n - i)), n - i);
    }
}

static void rope_pairs(float *x, const float *cosines, const float *sines, size_t n) {
    size_t i = 0;
    for (; i + 4 <= n / 2; i += 4) turn_4_pairs(x + 2 * i, cosines + i, sines + i);
    for (; i < n / 2; i++) {
        float a = x[2 * i], b = x[2 * i + 1], c = cosines[i], s = sines[i];
        x[2 * i] = fma_f32(a, c, -(b * s));
        x[2 * i + 1] = fma_f32(a, s, b * c);
    }
}

INLINE void turn_16(v16 *a, v16 *b, v16 c, v16 s) {
    v16 product = v_mul(*b, s), cross = v_mul(*b, c);
    *b = v_fma(*a, s, cross);
    *a = v_fma(*a, c, v_sub(v_set1(-0.0f), product));
}

static void rope_halves(float *x, const float *cosines, const float *sines, size_t n) {
    size_t half = n / 2, i = 0;
    float *y = x + half;
    for (; i + 16 <= half; i += 16) {
        v16 a = v_load(x + i), b = v_load(y + i);
        turn_16(&a, &b, v_load(cosines + i), v_load(sines + i));
        v_store(x + i, a);
        v_store(y + i, b);
    }
    if (i < half) {
        size_t left = half - i;
        v16 a = v_load_n(x + i, left), b = v_load_n(y + i, left);
        turn_16(&a, &b, v_load_n(cosines + i, left), v_load_n(sines + i, left));
        v_store_n(x + i, a, left);
        v_store_n(y + i, b, left);
    }
}

static void axpy(float *y, float a, const float *x, size_t n) {
    v16 va = v_set1(a);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) v_store(y + i, v_fma(va, v_load(x + i), v_load(y + i)));
    if (i < n) {
        v16 sum = v_fma(va, v_load_n(x + i, n - i), v_load_n(y + i, n - i));
        v_store_n(y + i, sum, n - i);
    }
}

static void add(float *y, const float *x, size_t n) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) v_store(y + i, v_add(v_load(y + i), v_load(x + i)));
    if (i < n) {
        v_store_n(y + i, v_add(v_load_n(y + i, n - i), v_load_n(x + i, n - i)), n - i);
    }
}

INLINE v16 silu_16(v16 gate, v16 up) {
    v16 negated = v_sub(v_set1(-0.0f), gate);
    return v_mul(v_div(gate, v_add(v_set1(1.0f), v_exp(negated))), up);
}

static void silu_mul(float *gate, const float *up, size_t n) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) v_store(gate + i, silu_16(v_load(gate + i), v_load(up + i)));
    if (i < n) {
        v16 y = silu_16(v_load_n(gate + i, n - i), v_load_n(up + i, n - i));
        v_store_n(gate + i, y, n - i);
    }
}

INLINE v16 gelu_16(v16 x, v16 up) {
    v16 power = v_mul(v_fma(v_set1(AS_GELU_C3), v_mul(x, x), v_set1(AS_GELU_C1)), x);
    return v_mul(v_div(x, v_add(v_set1(1.0f), v_exp(power))), up);
}

static void gelu_mul(float *gate, const float *up, size_t n) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) v_store(gate + i, gelu_16(v_load(gate + i), v_load(up + i)));
    if (i < n) {
        v16 y = gelu_16(v_load_n(gate + i, n - i), v_load_n(up + i, n - i));
        v_store_n(gate + i, y, n - i);
    }
}

INLINE v16 gelu_erf_16(v16 x) {
    v16 limit = v_set1(AS_TAIL_LIMIT), size = v_size(x), s = v_if_less(size, limit, size, limit);
    v16 negated = v_sub(v_set1(-0.0f), s), one = v_set1(1.0f);
    v16 u = v_div(one, v_fma(s, v_set1(0.25f), one));
    v16 r = v_fma(v_set1(AS_TAIL_C9), u, v_set1(AS_TAIL_C8));
    r = v_fma(r, u, v_set1(AS_TAIL_C7));
    r = v_fma(r, u, v_set1(AS_TAIL_C6));
    r = v_fma(r, u, v_set1(AS_TAIL_C5));
    r = v_fma(r, u, v_set1(AS_TAIL_C4));
    r = v_fma(r, u, v_set1(AS_TAIL_C3));
    r = v_fma(r, u, v_set1(AS_TAIL_C2));
    r = v_fma(r, u, v_set1(AS_TAIL_C1));
    r = v_fma(r, u, v_set1(AS_TAIL_C0));
    v16 tail = v_mul(v_exp(v_mul(v_mul(negated, v_set1(0.5f)), s)), r);
    return v_fma(negated, tail, v_max(v_zero(), x));
}

static void gelu_erf(float *x, size_t n) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) v_store(x + i, gelu_erf_16(v_load(x + i)));
    if (i < n) v_store_n(x + i, gelu_erf_16(v_load_n(x + i, n - i)), n - i);
}

INLINE v16 softcap_16(v16 value, v16 cap) {
    v16 x = v_div(value, cap), size = v_size(x), z = v_mul(x, x), one = v_set1(1.0f);
    v16 q = v_fma(v_set1(AS_TANH_C11), z, v_set1(AS_TANH_C9));
    q = v_fma(q, z, v_set1(AS_TANH_C7));
    q = v_fma(q, z, v_set1(AS_TANH_C5));
    q = v_fma(q, z, v_set1(AS_TANH_C3));
    v16 small = v_fma(v_mul(x, z), q, x);
    v16 large = v_sub(one, v_div(v_set1(2.0f), v_add(v_exp(v_add(size, size)), one)));
    v16 tanh = v_if_less(size, v_set1(AS_TANH_SMALL), small, v_with_sign(large, x));
    return v_mul(cap, tanh);
}

static void softcap(float *x, float cap, size_t n) {
    v16 vcap = v_set1(cap);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) v_store(x + i, softcap_16(v_load(x + i), vcap));
    if (i < n) v_store_n(x + i, softcap_16(v_load_n(x + i, n - i), vcap), n - i);
}

// The largest of x; which of +0 and -0 is open. -inf when all are NaN.
static float largest(const float *x, size_t n) {
    v16 best = v_set1(-HUGE_VALF), others[3] = {best, best, best};
    size_t i = 0;
    for (; i + 64 <= n; i += 64) { // four chains, none of which waits for another
        best = v_max(v_load(x + i), best);
        UNROLL
        for (size_t j = 0; j < 3; j++) others[j] = v_max(v_load(x + i + 16 * (j + 1)), others[j]);
    }
    best = v_max(v_max(others[0], others[1]), v_max(others[2], best));
    for (; i + 16 <= n; i += 16) best = v_max(v_load(x + i), best);
    if (i < n) best = v_first_n(v_max(v_load_n(x + i, n - i), best), best, n - i);
    float lanes[16], max = -HUGE_VALF;
    v_store(lanes, best);
    for (size_t j = 0; j < 16; j++) max = lanes[j] > max ? lanes[j] : max;
    return max;
}

// The sum in lanes of exp(x[i] - max); the terms go to `out` unless it is NULL. Most terms are near
// the largest, so that the limits of exp are far.
INLINE float sum_of_exp(const float *x, float max, size_t n, float *out) {
    v16 vmax = v_set1(max), acc = v_zero();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        v16 e = v_sub(v_load(x + i), vmax);
        e = v_all_above(e, v_set1(AS_EXP_LOW)) ? v_exp_within(e) : v_exp(e);
        if (out != NULL) v_store(out + i, e);
        acc = v_add(acc, e);
    }
    if (i < n) {
        v16 e = v_exp(v_sub(v_load_n(x + i, n - i), vmax));
        if (out != NULL) v_store_n(out + i, e, n - i);
        acc = v_first_n(v_add(acc, e), acc, n - i);
    }
    return v_sum(acc);
}

static void softmax(float *x, size_t n) {
    v16 sum = v_set1(sum_of_exp(x, largest(x, n), n, x));
    size_t i = 0;
    for (; i + 16 <= n; i += 16) v_store(x + i, v_div(v_load(x + i), sum));
    if (i < n) v_store_n(x + i, v_div(v_load_n(x + i, n - i), sum), n - i);
}

static void exp_sum(const float *x, size_t n, float *max_out, float *sum_out) {
    float max = largest(x, n);
    *sum_out = sum_of_exp(x, max, n, NULL);
    *max_out = max + 0.0f; // whether -0 or +0 was met first must not show
}

static size_t argmax(const float *x, size_t n) {
    float max = largest(x, n);
    v16 vmax = v_set1(max);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        unsigned found = v_equal(v_load(x + i), vmax);
        if (found != 0) return i + (size_t)__builtin_ctz(found);
    }
    for (; i < n; i++) {
        if (x[i] == max) return i;
    }
    return 0;
}

#define KERNEL_TABLE(table_name, quant)                                                            \
    {                                                                                              \
        .name = (table_name), .quantize_row = quantize_row, .matmul_f32 = matmul_f32,              \
        .matmul_f16 = matmul_f16, .matmul_bf16 = matmul_bf16, .matmul_quant = quant,               \
        .coded_panel = coded_panel, .attend_keys = attend_keys, .attend_values = attend_values,    \
        .rms_norm = rms_norm, .layer_norm = layer_norm, .gelu_erf = gelu_erf,                      \
        .rope_pairs = rope_pairs, .rope_halves = rope_halves, .dot = dot, .axpy = axpy,            \
        .add = add, .silu_mul = silu_mul, .gelu_mul = gelu_mul, .softcap = softcap,                \
        .softmax = softmax, .exp_sum = exp_sum, .argmax = argmax,                                  \
    }

#endif
