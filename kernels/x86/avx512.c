// SPDX-License-Identifier: Apache-2.0
// avx512.c - AVX-512 F, BW, DQ, VL and VNNI: 16 floats are one register.
#include "kernels/scalar.h"
#include "kernels/x86/common.h"

// 2 panels x 8 rows: 16 accumulators, 2 weights; an fma takes its activation as a broadcast
// memory operand.
#define TILE_ROWS 8
#define TILE_PANELS 2

typedef __m512 v16;

INLINE __mmask16 first_lanes(size_t n) {
    return (__mmask16)((1u << n) - 1u);
}

INLINE v16 v_zero(void) {
    return _mm512_setzero_ps();
}

INLINE v16 v_set1(float a) {
    return _mm512_set1_ps(a);
}

INLINE v16 v_load(const float *p) {
    return _mm512_loadu_ps(p);
}

INLINE v16 v_load_n(const float *p, size_t n) {
    return _mm512_maskz_loadu_ps(first_lanes(n), p);
}

INLINE v16 v_load_half(const uint16_t *p) {
    // Two conversions of 8 and an insertion beat one of 16 on Zen 4.
    __m256 lo = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
    __m256 hi = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8)));
    return _mm512_insertf32x8(_mm512_castps256_ps512(lo), hi, 1);
}

INLINE void v_store(float *p, v16 v) {
    _mm512_storeu_ps(p, v);
}

INLINE void v_store_n(float *p, v16 v, size_t n) {
    _mm512_mask_storeu_ps(p, first_lanes(n), v);
}

INLINE v16 v_add(v16 a, v16 b) {
    return _mm512_add_ps(a, b);
}

INLINE v16 v_sub(v16 a, v16 b) {
    return _mm512_sub_ps(a, b);
}

INLINE v16 v_mul(v16 a, v16 b) {
    return _mm512_mul_ps(a, b);
}

INLINE v16 v_div(v16 a, v16 b) {
    return _mm512_div_ps(a, b);
}

INLINE v16 v_fma(v16 a, v16 b, v16 c) {
    return _mm512_fmadd_ps(a, b, c);
}

INLINE v16 v_max(v16 x, v16 best) {
    return _mm512_max_ps(x, best);
}

INLINE v16 v_first_n(v16 a, v16 b, size_t n) {
    return _mm512_mask_blend_ps(first_lanes(n), b, a);
}

INLINE unsigned v_equal(v16 a, v16 b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}

INLINE v16 v_size(v16 v) {
    return _mm512_abs_ps(v);
}

INLINE v16 v_with_sign(v16 size, v16 v) {
    return _mm512_or_ps(size, _mm512_and_ps(v, v_set1(-0.0f)));
}

INLINE v16 v_if_less(v16 x, v16 limit, v16 a, v16 b) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, limit, _CMP_LT_OQ), b, a);
}

INLINE float v_sum(v16 v) {
    __m256 s = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 t = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    t = _mm_add_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_add_ss(t, _mm_movehdup_ps(t)));
}

INLINE v16 v_exp(v16 x) {
    v16 round = v_set1(AS_ROUND_F32);
    v16 t = v_fma(x, v_set1(AS_EXP_LOG2E), round);
    v16 n = v_sub(t, round);
    v16 r = _mm512_fnmadd_ps(n, v_set1(AS_EXP_LN2_HI), x);
    r = _mm512_fnmadd_ps(n, v_set1(AS_EXP_LN2_LO), r);
    v16 q = v_fma(v_set1(AS_EXP_C6), r, v_set1(AS_EXP_C5));
    q = v_fma(q, r, v_set1(AS_EXP_C4));
    q = v_fma(q, r, v_set1(AS_EXP_C3));
    q = v_fma(q, r, v_set1(AS_EXP_C2));
    v16 p = v_add(v_fma(q, v_mul(r, r), r), v_set1(1.0f));
    __m512i shift = _mm512_slli_epi32(_mm512_castps_si512(t), 23);
    v16 y = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), shift));
    y = _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, v_set1(AS_EXP_LOW), _CMP_LT_OQ), v_zero());
    y = _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, v_set1(AS_EXP_HIGH), _CMP_GT_OQ),
                           v_set1(HUGE_VALF));
    return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);
}

#define ROWS_Q8 12 // activation rows of a q8 tile: 12 sums, 8 weights, 4 temporaries

#include "kernels/x86/template.h"

// One panel times `rows` activation rows, a constant after inlining. vpdpbusd multiplies unsigned
// by signed bytes, so a weight goes in as w + 128 (its sign bit flipped) and the block's offset,
// -128 * sum(q), takes the surplus back: exact, since 32 * 255 * 127 stays far from 2^31.
INLINE void tile_q8(const as_matrix *w, size_t panel, const as_qrows *x, size_t row, size_t rows,
                    float *y, size_t y_stride) {
    const size_t blocks = w->cols / AS_QBLOCK;
    const int8_t *values = (const int8_t *)w->values + panel * AS_PANEL * w->cols;
    const float *scales = w->scales + panel * AS_PANEL * blocks;
    const int8_t *q = x->q + row * x->cols;
    const float *d = x->d + row * blocks;
    const int32_t *offsets = x->offsets + row * blocks;
    const __m512i flip = _mm512_set1_epi8(-128);
    v16 acc[ROWS_Q8];
    UNROLL
    for (size_t m = 0; m < rows; m++) acc[m] = v_zero();
    for (size_t b = 0; b < blocks; b++) {
        __m512i weights[8];
        UNROLL
        for (size_t j = 0; j < 8; j++) {
            weights[j] = _mm512_xor_si512(_mm512_loadu_si512(values + (b * 8 + j) * 64), flip);
        }
        v16 scale = v_load(scales + b * AS_PANEL);
        UNROLL
        for (size_t m = 0; m < rows; m++) {
            const int8_t *qb = q + m * x->cols + b * AS_QBLOCK;
            __m512i sum = _mm512_set1_epi32(offsets[m * blocks + b]);
            UNROLL
            for (size_t j = 0; j < 8; j++) {
                sum =
                    _mm512_dpbusd_epi32(sum, weights[j], _mm512_set1_epi32(load_dword(qb + 4 * j)));
            }
            v16 both = v_mul(scale, v_set1(d[m * blocks + b]));
            acc[m] = v_fma(both, _mm512_cvtepi32_ps(sum), acc[m]);
        }
    }
    for (size_t m = 0; m < rows; m++) store_rows(w, panel, acc[m], y + (row + m) * y_stride);
}

static void matmul_q8(const as_matrix *w, size_t panel_begin, size_t panel_end, const as_qrows *x,
                      size_t count, float *y, size_t y_stride) {
    for (size_t panel = panel_begin; panel < panel_end; panel++) {
        size_t m = 0;
        for (; count - m >= ROWS_Q8; m += ROWS_Q8) {
            tile_q8(w, panel, x, m, ROWS_Q8, y, y_stride);
        }
        if (count - m >= 8) {
            tile_q8(w, panel, x, m, 8, y, y_stride);
            m += 8;
        }
        if (count - m >= 4) {
            tile_q8(w, panel, x, m, 4, y, y_stride);
            m += 4;
        }
        if (count - m >= 2) {
            tile_q8(w, panel, x, m, 2, y, y_stride);
            m += 2;
        }
        if (count - m >= 1) tile_q8(w, panel, x, m, 1, y, y_stride);
    }
}

const as_kernels as_kernels_avx512 = KERNEL_TABLE("avx512");
