// SPDX-License-Identifier: Apache-2.0
// common.h - what the x86 tables share beside kernels/wide/: a row is quantized, and pairs are
// turned, with 256 bits in both.
//
// Included once by avx2.c and avx512.h, before kernels/wide/template.h.
#ifndef AS_X86_COMMON_H
#define AS_X86_COMMON_H

#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/scalar.h"
#include "kernels/wide/inline.h"

#ifdef __clang__
typedef unsigned shift_count; // of 512-bit epi16 shifts: the compilers' headers differ
#else
typedef int shift_count;
#endif

// Of eight patterns without a sign.
INLINE uint32_t largest_of_8(__m256i patterns) {
    __m128i m =
        _mm_max_epi32(_mm256_castsi256_si128(patterns), _mm256_extracti128_si256(patterns, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return (uint32_t)_mm_cvtsi128_si32(m);
}

#ifdef __AVX512VNNI__
INLINE uint32_t amax_bits(const float *x) {
    const __m512i mask = _mm512_set1_epi32(0x7fffffff);
    __m512i a = _mm512_and_si512(_mm512_loadu_si512(x), mask);
    a = _mm512_max_epu32(a, _mm512_and_si512(_mm512_loadu_si512(x + 16), mask));
    return largest_of_8(
        _mm256_max_epu32(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1)));
}

INLINE void round_block(const float *x, float scale_in, int8_t *q, int32_t *halves) {
    const __m512 scale = _mm512_set1_ps(scale_in);
    __m512i a = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), scale));
    __m512i b = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 16), scale));
    __m256i bytes = _mm256_setr_m128i(_mm512_cvtepi32_epi8(a), _mm512_cvtepi32_epi8(b));
    _mm256_storeu_si256((__m256i *)q, bytes);
    const __m256i ones = _mm256_set1_epi8(1);
    __m256i sums = _mm256_dpbusd_epi32(_mm256_setzero_si256(), ones, bytes);
    sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32(sums, 0x4e));
    sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32(sums, 0xb1));
    halves[0] = -128 * _mm_cvtsi128_si32(_mm256_castsi256_si128(sums));
    halves[1] = -128 * _mm_cvtsi128_si32(_mm256_extracti128_si256(sums, 1));
}
#else
// Rounds 8 values to int32.
INLINE __m256i round_8(const float *x, __m256 scale) {
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), scale));
}

INLINE int32_t sum_epi32(__m256i v) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return _mm_cvtsi128_si32(s);
}

INLINE uint32_t amax_bits(const float *x) {
    const __m256i mask = _mm256_set1_epi32(0x7fffffff);
    __m256i max = _mm256_setzero_si256();
    for (size_t i = 0; i < AS_QBLOCK; i += 8) {
        __m256i bits = _mm256_and_si256(_mm256_castps_si256(_mm256_loadu_ps(x + i)), mask);
        max = _mm256_max_epi32(max, bits);
    }
    return largest_of_8(max);
}

INLINE void round_block(const float *x, float scale_in, int8_t *q, int32_t *halves) {
    const __m256 scale = _mm256_set1_ps(scale_in);
    __m256i a = round_8(x, scale), b = round_8(x + 8, scale);
    __m256i c = round_8(x + 16, scale), e = round_8(x + 24, scale);
    halves[0] = -128 * sum_epi32(_mm256_add_epi32(a, b));
    halves[1] = -128 * sum_epi32(_mm256_add_epi32(c, e));
    // The packs work within 128-bit halves; the permutation puts the dwords back in order.
    __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, e));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256((__m256i *)q, _mm256_permutevar8x32_epi32(bytes, order));
}
#endif

INLINE void turn_4_pairs(float *x, const float *cosines, const float *sines) {
    __m128 c = _mm_loadu_ps(cosines), s = _mm_loadu_ps(sines);
    __m256 cs = _mm256_set_m128(_mm_unpackhi_ps(c, s), _mm_unpacklo_ps(c, s));
    __m256 sc = _mm256_permute_ps(cs, 0xb1);
    __m256 v = _mm256_loadu_ps(x);
    __m256 product = _mm256_mul_ps(_mm256_movehdup_ps(v), sc); // b*s, b*c
    _mm256_storeu_ps(x, _mm256_fmaddsub_ps(_mm256_moveldup_ps(v), cs, product));
}

#endif
