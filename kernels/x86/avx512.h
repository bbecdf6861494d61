// SPDX-License-Identifier: Apache-2.0
// avx512.h - the vector of avx512.c and amx.c, which is one register, and the codes of quantized
// weights in it.
#ifndef AS_AVX512_H
#define AS_AVX512_H

#include <math.h>

#include "kernels/blocks.h"
#include "kernels/tables.h"
#include "kernels/x86/common.h"

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

INLINE v16 v_load_bf16(const uint16_t *p) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

INLINE v16 v_from_i8(__m128i bytes) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
}

INLINE v16 v_from_u8(__m128i bytes) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
}

INLINE v16 v_load_i8(const uint8_t *p) {
    return v_from_i8(_mm_loadu_si128((const __m128i *)p));
}

INLINE v16 v_load_u8(const uint8_t *p) {
    return v_from_u8(_mm_loadu_si128((const __m128i *)p));
}

INLINE v16 v_load_low(const uint8_t *p) {
    return v_from_u8(_mm_and_si128(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8(15)));
}

INLINE v16 v_load_high(const uint8_t *p) {
    __m128i both = _mm_srli_epi16(_mm_loadu_si128((const __m128i *)p), 4);
    return v_from_u8(_mm_and_si128(both, _mm_set1_epi8(15)));
}

#define V_LOADS_MASKED

INLINE v16 v_load_half_n(const uint16_t *p, size_t n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(n), p));
}

INLINE v16 v_load_i8_n(const uint8_t *p, size_t n) {
    return v_from_i8(_mm_maskz_loadu_epi8(first_lanes(n), p));
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

INLINE bool v_all_above(v16 x, v16 limit) {
    return _mm512_cmp_ps_mask(x, limit, _CMP_GT_OQ) == 0xffff;
}

INLINE v16 v_exp_within(v16 x) {
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
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), shift));
}

INLINE v16 v_exp(v16 x) {
    v16 y = v_exp_within(x);
    y = _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, v_set1(AS_EXP_LOW), _CMP_LT_OQ), v_zero());
    y = _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, v_set1(AS_EXP_HIGH), _CMP_GT_OQ),
                           v_set1(HUGE_VALF));
    return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);
}

INLINE __m512i and_512(__m512i a, int mask) {
    return _mm512_and_si512(a, _mm512_set1_epi8((char)mask));
}

// The codes of four j of 32 weights in 16 rows, as unsigned bytes; values of a table get 128 on
// top.
INLINE __m512i load_four(as_wtype type, const uint8_t *planes, int j) {
    const wfacts facts = wfacts_of(type);
    const __m512i *p = (const __m512i *)(const void *)planes;
    __m512i w;
    if (facts.low == 8) {
        w = _mm512_loadu_si512(p + j);
    } else if (facts.low == 4) {
        __m512i both = _mm512_loadu_si512(p + j % 4);
        w = and_512(j < 4 ? both : _mm512_srli_epi16(both, 4), 15);
    } else {
        __m512i all = _mm512_loadu_si512(p + j / 4);
        w = and_512(_mm512_srli_epi16(all, (shift_count)(j % 4 * 2)), 3);
    }
    if (facts.table) {
        __m128i table = _mm_loadu_si128((const __m128i *)(const void *)table_of(type));
        table = _mm_xor_si128(table, _mm_set1_epi8(-128));
        w = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), w);
    }
    if (!facts.high) return w;
    const int from = facts.high == 1 ? j : j % 4 * 2; // the bit where the upper part begins
    __m512i upper = _mm512_loadu_si512(p + facts.low + (facts.high == 1 ? 0 : j / 4));
    if (from > facts.low) upper = _mm512_srli_epi16(upper, (shift_count)(from - facts.low));
    if (from < facts.low) upper = _mm512_slli_epi16(upper, (shift_count)(facts.low - from));
    return _mm512_or_si512(w, and_512(upper, ((1 << facts.high) - 1) << facts.low));
}

INLINE void load_codes(as_wtype type, const uint8_t *planes, __m512i w[FOURS]) {
    UNROLL
    for (int j = 0; j < FOURS; j++) w[j] = load_four(type, planes, j);
}

// -zero * the sum of the activations, from -128 * that sum.
INLINE __m512i surplus(as_wtype type, int32_t offset) {
    const wfacts facts = wfacts_of(type);
    if (facts.mins) return _mm512_setzero_si512();
    const int shift = facts.table || facts.zero == 128 ? 0
                      : facts.zero == 32               ? 2
                      : facts.zero == 16               ? 3
                      : facts.zero == 8                ? 4
                                                       : 5;
    return _mm512_srai_epi32(_mm512_set1_epi32(offset), (unsigned)shift);
}

#endif
