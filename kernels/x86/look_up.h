// SPDX-License-Identifier: Apache-2.0
// look_up.h - what wide/expand.h asks for, with AVX-512.
//
// Included by avx512.c alone, before it.
#ifndef AS_LOOK_UP_H
#define AS_LOOK_UP_H

#include "kernels/blocks.h"
#include "kernels/coded.h"

// The sign bytes of eight rows are a mask of their weights' bytes.
INLINE void put_run(const uint64_t entries[AS_PANEL], const uint8_t signs[AS_PANEL], bool shift,
                    uint8_t *planes) {
    const __m512i even =
        _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    __m512i rows[2];
    UNROLL
    for (size_t i = 0; i < 2; i++) {
        uint64_t negative;
        memcpy(&negative, signs + 8 * i, sizeof negative);
        __m512i all = _mm512_loadu_si512(entries + 8 * i);
        rows[i] = shift ? _mm512_mask_sub_epi8(all, negative, all, _mm512_set1_epi8(2))
                        : _mm512_mask_sub_epi8(all, negative, _mm512_setzero_si512(), all);
    }
    _mm512_storeu_si512(planes, _mm512_permutex2var_epi32(rows[0], even, rows[1]));
    _mm512_storeu_si512(planes + PLANE, _mm512_permutex2var_epi32(rows[0], odd, rows[1]));
}

// Four bits of each row's signs are the mask of its bytes in a plane.
INLINE void put_signed(__m512i lower, __m512i upper, const uint8_t signs[AS_PANEL],
                       uint8_t *planes) {
    const __m128i low = _mm_set1_epi8(15), pairs = _mm_set1_epi16(0x1001);
    const __m512i zero = _mm512_setzero_si512();
    __m128i all = _mm_loadu_si128((const __m128i *)signs);
    __m128i first = _mm_maddubs_epi16(_mm_and_si128(all, low), pairs);
    __m128i second = _mm_maddubs_epi16(_mm_and_si128(_mm_srli_epi16(all, 4), low), pairs);
    uint64_t negative[2];
    _mm_storeu_si128((__m128i *)negative, _mm_packus_epi16(first, second));
    _mm512_storeu_si512(planes, _mm512_mask_sub_epi8(lower, negative[0], zero, lower));
    _mm512_storeu_si512(planes + PLANE, _mm512_mask_sub_epi8(upper, negative[1], zero, upper));
}

// 32 entries of a codebook of `count`.
INLINE __m512i look_up_32(const uint16_t *grid, size_t count, const void *at) {
    __m512i index = _mm512_loadu_si512(at), found[16];
    size_t n = count / 64;
    UNROLL
    for (size_t i = 0; i < n; i++)
        found[i] = _mm512_permutex2var_epi16(_mm512_loadu_si512(grid + 64 * i), index,
                                             _mm512_loadu_si512(grid + 64 * i + 32));
    UNROLL
    for (short bit = 64; n > 1; bit = (short)(bit * 2)) {
        __mmask32 upper = _mm512_test_epi16_mask(index, _mm512_set1_epi16(bit));
        n /= 2;
        UNROLL
        for (size_t i = 0; i < n; i++)
            found[i] = _mm512_mask_blend_epi16(upper, found[2 * i], found[2 * i + 1]);
    }
    return found[0];
}

// (codes | codes << by) & mask
INLINE __m512i part(__m512i codes, unsigned by, int mask) {
    return _mm512_ternarylogic_epi32(codes, _mm512_slli_epi32(codes, by), _mm512_set1_epi32(mask),
                                     0xa8);
}

// Four codes of two bits, or of three, as bytes.
INLINE __m512i spread_pairs(__m512i codes) {
    return part(part(codes, 12, 0x000f000f), 6, 0x03030303);
}

INLINE __m512i spread_threes(__m512i codes) {
    return part(part(codes, 10, 0x003f003f), 5, 0x07070707);
}

// What stands for the codes of a type in as_coded_table.
INLINE __m512i values_of(as_coded type) {
    return _mm512_broadcast_i32x4(
        type == AS_CODED_IQ3_XXS ? _mm_set_epi32(0, 0, (int)0xbeb4aca4, (int)0x9c948c84)
        : type == AS_CODED_IQ3_S ? _mm_set_epi32(0, 0, (int)0x8f8d8b89, (int)0x87858381)
                                 : _mm_set_epi32(0, 0, 0, 0x00ab9988));
}

// Codebooks of IQ2 and IQ3 fit in registers, or nearly.
#define AS_LOOK_UP_WIDE
INLINE void look_up_pair(as_coded type, const uint16_t *grid, const void *first, const void *second,
                         const uint8_t *signs, uint8_t *planes) {
    const bool iq3 = type == AS_CODED_IQ3_XXS || type == AS_CODED_IQ3_S;
    const size_t count = type == AS_CODED_IQ2_S                              ? 1024
                         : type == AS_CODED_IQ2_XS || type == AS_CODED_IQ3_S ? 512
                                                                             : 256;
    const __m512i values = values_of(type);
    __m512i a = look_up_32(grid, count, first), b = a;
    if (iq3) b = look_up_32(grid, count, second);
    UNROLL
    for (size_t i = 0; i < 2; i++) {
        __m512i lower =
            _mm512_cvtepu16_epi32(i ? _mm512_extracti64x4_epi64(a, 1) : _mm512_castsi512_si256(a));
        __m512i upper;
        if (iq3) {
            upper = _mm512_cvtepu16_epi32(i ? _mm512_extracti64x4_epi64(b, 1)
                                            : _mm512_castsi512_si256(b));
            lower = spread_threes(lower);
            upper = spread_threes(upper);
        } else {
            upper = spread_pairs(_mm512_srli_epi32(lower, 8));
            lower = spread_pairs(_mm512_and_si512(lower, _mm512_set1_epi32(255)));
        }
        put_signed(_mm512_shuffle_epi8(values, lower), _mm512_shuffle_epi8(values, upper),
                   signs + i * AS_PANEL, planes + 2 * i * PLANE);
    }
}

#endif
