// SPDX-License-Identifier: Apache-2.0
// avx2.c - AVX2, FMA and F16C: 16 floats are two registers.
#include "kernels/scalar.h"
#include "kernels/x86/common.h"

// 1 panel x 6 rows: 12 accumulators, 2 weights and a broadcast fill the 16 registers.
#define TILE_ROWS 6
#define TILE_PANELS 1

typedef struct v16 {
    __m256 lo, hi;
} v16;

// The window at 16 - n has n ones first.
static const int32_t lane_masks[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                       -1, -1, -1, -1, -1, 0,  0,  0,  0,  0,  0,
                                       0,  0,  0,  0,  0,  0,  0,  0,  0,  0};

INLINE __m256i mask_lo(size_t n) {
    return _mm256_loadu_si256((const __m256i *)(lane_masks + 16 - n));
}

INLINE __m256i mask_hi(size_t n) {
    return _mm256_loadu_si256((const __m256i *)(lane_masks + 24 - n));
}

INLINE v16 v_zero(void) {
    return (v16){_mm256_setzero_ps(), _mm256_setzero_ps()};
}

INLINE v16 v_set1(float a) {
    __m256 v = _mm256_set1_ps(a);
    return (v16){v, v};
}

INLINE v16 v_load(const float *p) {
    return (v16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}

INLINE v16 v_load_n(const float *p, size_t n) {
    return (v16){_mm256_maskload_ps(p, mask_lo(n)), _mm256_maskload_ps(p + 8, mask_hi(n))};
}

INLINE v16 v_load_half(const uint16_t *p) {
    return (v16){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
                 _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8)))};
}

INLINE void v_store(float *p, v16 v) {
    _mm256_storeu_ps(p, v.lo);
    _mm256_storeu_ps(p + 8, v.hi);
}

INLINE void v_store_n(float *p, v16 v, size_t n) {
    _mm256_maskstore_ps(p, mask_lo(n), v.lo);
    _mm256_maskstore_ps(p + 8, mask_hi(n), v.hi);
}

INLINE v16 v_add(v16 a, v16 b) {
    return (v16){_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}

INLINE v16 v_sub(v16 a, v16 b) {
    return (v16){_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}

INLINE v16 v_mul(v16 a, v16 b) {
    return (v16){_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}

INLINE v16 v_div(v16 a, v16 b) {
    return (v16){_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}

INLINE v16 v_fma(v16 a, v16 b, v16 c) {
    return (v16){_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}

INLINE v16 v_max(v16 x, v16 best) {
    return (v16){_mm256_max_ps(x.lo, best.lo), _mm256_max_ps(x.hi, best.hi)};
}

INLINE v16 v_first_n(v16 a, v16 b, size_t n) {
    return (v16){_mm256_blendv_ps(b.lo, a.lo, _mm256_castsi256_ps(mask_lo(n))),
                 _mm256_blendv_ps(b.hi, a.hi, _mm256_castsi256_ps(mask_hi(n)))};
}

INLINE unsigned v_equal(v16 a, v16 b) {
    int lo = _mm256_movemask_ps(_mm256_cmp_ps(a.lo, b.lo, _CMP_EQ_OQ));
    int hi = _mm256_movemask_ps(_mm256_cmp_ps(a.hi, b.hi, _CMP_EQ_OQ));
    return (unsigned)lo | (unsigned)hi << 8;
}

INLINE v16 v_size(v16 v) {
    __m256 sign = _mm256_set1_ps(-0.0f);
    return (v16){_mm256_andnot_ps(sign, v.lo), _mm256_andnot_ps(sign, v.hi)};
}

INLINE v16 v_with_sign(v16 size, v16 v) {
    __m256 sign = _mm256_set1_ps(-0.0f);
    return (v16){_mm256_or_ps(size.lo, _mm256_and_ps(sign, v.lo)),
                 _mm256_or_ps(size.hi, _mm256_and_ps(sign, v.hi))};
}

INLINE v16 v_if_less(v16 x, v16 limit, v16 a, v16 b) {
    return (v16){_mm256_blendv_ps(b.lo, a.lo, _mm256_cmp_ps(x.lo, limit.lo, _CMP_LT_OQ)),
                 _mm256_blendv_ps(b.hi, a.hi, _mm256_cmp_ps(x.hi, limit.hi, _CMP_LT_OQ))};
}

INLINE float v_sum(v16 v) {
    __m256 s = _mm256_add_ps(v.lo, v.hi);
    __m128 t = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    t = _mm_add_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_add_ss(t, _mm_movehdup_ps(t)));
}

INLINE __m256 exp_8(__m256 x) {
    const __m256 round = _mm256_set1_ps(AS_ROUND_F32);
    __m256 t = _mm256_fmadd_ps(x, _mm256_set1_ps(AS_EXP_LOG2E), round);
    __m256 n = _mm256_sub_ps(t, round);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(AS_EXP_LN2_HI), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(AS_EXP_LN2_LO), r);
    __m256 q = _mm256_fmadd_ps(_mm256_set1_ps(AS_EXP_C6), r, _mm256_set1_ps(AS_EXP_C5));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(AS_EXP_C4));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(AS_EXP_C3));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(AS_EXP_C2));
    __m256 p = _mm256_fmadd_ps(q, _mm256_mul_ps(r, r), r);
    p = _mm256_add_ps(p, _mm256_set1_ps(1.0f));
    __m256i shift = _mm256_slli_epi32(_mm256_castps_si256(t), 23);
    __m256 y = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), shift));
    __m256 low = _mm256_cmp_ps(x, _mm256_set1_ps(AS_EXP_LOW), _CMP_LT_OQ);
    __m256 high = _mm256_cmp_ps(x, _mm256_set1_ps(AS_EXP_HIGH), _CMP_GT_OQ);
    y = _mm256_andnot_ps(low, y);
    y = _mm256_blendv_ps(y, _mm256_set1_ps(HUGE_VALF), high);
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

INLINE v16 v_exp(v16 x) {
    return (v16){exp_8(x.lo), exp_8(x.hi)};
}

#define ROWS_Q8 4 // activation rows of a q8 tile

#include "kernels/x86/template.h"

// The dots of 16 rows of one block (at `values`) with `rows` activation rows. vpmaddubsw wants
// unsigned by signed, so the weight's sign moves over to the activation. |w| <= 128 fits unsigned,
// -q fits since q >= -127, and a pair is at most 2 * 128 * 127 = 32512 < 2^15: never saturates.
INLINE __m256i add_dots(__m256i sum, __m256i weights, __m256i magnitudes, __m256i four) {
    __m256i pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(four, weights));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

// One panel times `rows` activation rows, a constant after inlining.
INLINE void tile_q8(const as_matrix *w, size_t panel, const as_qrows *x, size_t row, size_t rows,
                    float *y, size_t y_stride) {
    const size_t blocks = w->cols / AS_QBLOCK;
    const int8_t *values = (const int8_t *)w->values + panel * AS_PANEL * w->cols;
    const float *scales = w->scales + panel * AS_PANEL * blocks;
    const int8_t *q = x->q + row * x->cols;
    const float *d = x->d + row * blocks;
    v16 acc[ROWS_Q8];
    UNROLL
    for (size_t m = 0; m < rows; m++) acc[m] = v_zero();
    for (size_t b = 0; b < blocks; b++) {
        __m256i lo[ROWS_Q8], hi[ROWS_Q8];
        UNROLL
        for (size_t m = 0; m < rows; m++) lo[m] = hi[m] = _mm256_setzero_si256();
        ROLL for (size_t j = 0; j < 8; j++, values += 64, q += 4) {
            __m256i w_lo = _mm256_loadu_si256((const __m256i *)values);
            __m256i w_hi = _mm256_loadu_si256((const __m256i *)(values + 32));
            __m256i a_lo = _mm256_abs_epi8(w_lo), a_hi = _mm256_abs_epi8(w_hi);
            UNROLL
            for (size_t m = 0; m < rows; m++) {
                __m256i four = _mm256_set1_epi32(load_dword(q + m * x->cols));
                lo[m] = add_dots(lo[m], w_lo, a_lo, four);
                hi[m] = add_dots(hi[m], w_hi, a_hi, four);
            }
        }
        v16 scale = v_load(scales + b * AS_PANEL);
        UNROLL
        for (size_t m = 0; m < rows; m++) {
            v16 sums = {_mm256_cvtepi32_ps(lo[m]), _mm256_cvtepi32_ps(hi[m])};
            acc[m] = v_fma(v_mul(scale, v_set1(d[m * blocks + b])), sums, acc[m]);
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
        if (count - m >= 2) {
            tile_q8(w, panel, x, m, 2, y, y_stride);
            m += 2;
        }
        if (count - m >= 1) tile_q8(w, panel, x, m, 1, y, y_stride);
    }
}

const as_kernels as_kernels_avx2 = KERNEL_TABLE("avx2");
