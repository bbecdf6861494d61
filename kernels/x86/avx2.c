// SPDX-License-Identifier: Apache-2.0
// avx2.c - AVX2, FMA and F16C: 16 floats are two registers.
#include "kernels/blocks.h"
#include "kernels/x86/common.h"

// 1 panel x 6 rows: 12 accumulators, 2 weights and a broadcast fill the 16 registers.
#define TILE_ROWS 6
#define TILE_PANELS 1
#define ATTEND_SUMS 6

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

INLINE v16 v_load_bf16(const uint16_t *p) {
    __m256i lo = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    __m256i hi = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(p + 8)));
    return (v16){_mm256_castsi256_ps(_mm256_slli_epi32(lo, 16)),
                 _mm256_castsi256_ps(_mm256_slli_epi32(hi, 16))};
}

INLINE v16 v_from_i8(__m128i bytes) {
    return (v16){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
                 _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
}

INLINE v16 v_from_u8(__m128i bytes) {
    return (v16){_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)),
                 _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)))};
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

INLINE bool v_all_above(v16 x, v16 limit) {
    __m256 lo = _mm256_cmp_ps(x.lo, limit.lo, _CMP_GT_OQ);
    __m256 hi = _mm256_cmp_ps(x.hi, limit.hi, _CMP_GT_OQ);
    return _mm256_movemask_ps(_mm256_and_ps(lo, hi)) == 0xff;
}

INLINE __m256 exp_8_within(__m256 x) {
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
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), shift));
}

INLINE __m256 exp_8(__m256 x) {
    __m256 y = exp_8_within(x);
    __m256 low = _mm256_cmp_ps(x, _mm256_set1_ps(AS_EXP_LOW), _CMP_LT_OQ);
    __m256 high = _mm256_cmp_ps(x, _mm256_set1_ps(AS_EXP_HIGH), _CMP_GT_OQ);
    y = _mm256_andnot_ps(low, y);
    y = _mm256_blendv_ps(y, _mm256_set1_ps(HUGE_VALF), high);
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

INLINE v16 v_exp_within(v16 x) {
    return (v16){exp_8_within(x.lo), exp_8_within(x.hi)};
}

INLINE v16 v_exp(v16 x) {
    return (v16){exp_8(x.lo), exp_8(x.hi)};
}

#include "kernels/wide/template.h"

#define ROWS_QUANT 4

enum { FP4_ZERO = 16 }; // makes MXFP4's values -12..12 unsigned codes of 5 bits

INLINE __m256i and_256(__m256i a, int mask) {
    return _mm256_and_si256(a, _mm256_set1_epi8((char)mask));
}

// 32 bytes of four j's codes, but the signed values of 8 bits and IQ4: those of rows 0-7 at side 0,
// of 8-15 at side 1.
INLINE __m256i load_codes(as_wtype type, const uint8_t *planes, int j, int side) {
    const wfacts facts = wfacts_of(type);
    const __m256i *p = (const __m256i *)(const void *)planes + side;
    if (facts.low == 8) {
        return _mm256_xor_si256(_mm256_loadu_si256(p + 2 * j), _mm256_set1_epi8(-128));
    }
    __m256i low = _mm256_loadu_si256(p + 2 * (facts.low == 4 ? j % 4 : j / 4));
    const int shift = facts.low == 4 ? j / 4 * 4 : j % 4 * 2;
    low = and_256(_mm256_srli_epi16(low, shift), (1 << facts.low) - 1);
    if (facts.table) {
        __m128i table = _mm_loadu_si128((const __m128i *)(const void *)table_of(type));
        if (type == AS_W_MXFP4) table = _mm_add_epi8(table, _mm_set1_epi8(FP4_ZERO));
        return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), low);
    }
    if (!facts.high) return low;
    const int from = facts.high == 1 ? j : j % 4 * 2; // the bit where the upper part begins
    __m256i upper = _mm256_loadu_si256(p + 2 * (facts.low + (facts.high == 1 ? 0 : j / 4)));
    if (from > facts.low) upper = _mm256_srli_epi16(upper, from - facts.low);
    if (from < facts.low) upper = _mm256_slli_epi16(upper, facts.low - from);
    return _mm256_or_si256(low, and_256(upper, ((1 << facts.high) - 1) << facts.low));
}

// vpmaddubsw wants unsigned by signed, so a signed weight's sign moves over to the activation.
// |w| <= 128 fits unsigned, -q fits since q >= -127, and a pair is at most 2 * 128 * 127 = 32512
// < 2^15: never saturates.
INLINE __m256i signed_dots(__m256i weights, __m256i four) {
    return _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(four, weights));
}

INLINE __m256i add_pairs(__m256i sum, __m256i pairs) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

// -zero * the sum of the activations, from -128 * that sum; signed weights have nothing to undo.
INLINE __m256i surplus(as_wtype type, int32_t offset) {
    const wfacts facts = wfacts_of(type);
    const int zero = type == AS_W_MXFP4 ? FP4_ZERO : facts.low == 8 ? 0 : facts.zero;
    return zero == 0 ? _mm256_setzero_si256() : _mm256_set1_epi32(offset / (128 / zero));
}

// The dots of a group's weights of 8 bits. Rolled, or gcc spills.
INLINE void wide_dots(const uint8_t *planes, const int8_t *q, size_t fours, size_t cols,
                      size_t rows, __m256i *lo, __m256i *hi) {
    ROLL for (size_t j = 0; j < fours; j++, planes += PLANE, q += 4) {
        __m256i w_lo = load_codes(AS_W_Q8_0, planes, 0, 0);
        __m256i w_hi = load_codes(AS_W_Q8_0, planes, 0, 1);
        __m256i a_lo = _mm256_abs_epi8(w_lo), a_hi = _mm256_abs_epi8(w_hi);
        UNROLL
        for (size_t m = 0; m < rows; m++) {
            __m256i four = _mm256_set1_epi32(load_dword(q + m * cols));
            __m256i s_lo = _mm256_sign_epi8(four, w_lo), s_hi = _mm256_sign_epi8(four, w_hi);
            lo[m] = add_pairs(lo[m], _mm256_maddubs_epi16(a_lo, s_lo));
            hi[m] = add_pairs(hi[m], _mm256_maddubs_epi16(a_hi, s_hi));
        }
    }
}

// The dots of one group with `rows` activation rows. Pairs of products are added up in 16 bits as
// long as they fit: 2 * 127 times a code of 4 bits eight times, of 5 bits four times, of 6 twice.
INLINE void group_dots(as_wtype type, const uint8_t *planes, const int8_t *q, size_t cols,
                       size_t rows, int j, int end, __m256i *lo, __m256i *hi) {
    const wfacts facts = wfacts_of(type);
    const bool is_signed = facts.table && type != AS_W_MXFP4;
    const int bits = facts.low + facts.high, fit = is_signed     ? 1
                                                   : facts.table ? 4
                                                   : bits < 5    ? 8
                                                   : bits < 6    ? 4
                                                                 : 2;
    __m256i pairs_lo[ROWS_QUANT], pairs_hi[ROWS_QUANT];
    UNROLL
    for (int n = 0; j < end; j++, n++) {
        __m256i w_lo = load_codes(type, planes, j, 0), w_hi = load_codes(type, planes, j, 1);
        UNROLL
        for (size_t m = 0; m < rows; m++) {
            __m256i four = _mm256_set1_epi32(load_dword(q + m * cols + 4 * j));
            __m256i p_lo = is_signed ? signed_dots(w_lo, four) : _mm256_maddubs_epi16(w_lo, four);
            __m256i p_hi = is_signed ? signed_dots(w_hi, four) : _mm256_maddubs_epi16(w_hi, four);
            pairs_lo[m] = n % fit == 0 ? p_lo : _mm256_add_epi16(pairs_lo[m], p_lo);
            pairs_hi[m] = n % fit == 0 ? p_hi : _mm256_add_epi16(pairs_hi[m], p_hi);
            if (n % fit + 1 < fit && j + 1 < end) continue;
            lo[m] = add_pairs(lo[m], pairs_lo[m]);
            hi[m] = add_pairs(hi[m], pairs_hi[m]);
        }
    }
}

INLINE void add_block(as_wtype type, const uint8_t *planes, const as_qrows *x, size_t at,
                      size_t rows, const v16 s[2], const v16 min[2], v16 *acc) {
    const wfacts facts = wfacts_of(type);
    const size_t blocks = x->cols / AS_QBLOCK;
    const int fours = facts.group / 4;
    UNROLL
    for (int g = 0; g < AS_QBLOCK / facts.group; g++) {
        const int32_t *offsets = facts.group == 32 ? x->offsets + at : x->halves + 2 * at + g;
        const size_t stride = facts.group == 32 ? blocks : 2 * blocks;
        __m256i lo[ROWS_QUANT], hi[ROWS_QUANT];
        UNROLL
        for (size_t m = 0; m < rows; m++) lo[m] = hi[m] = surplus(type, offsets[m * stride]);
        const int8_t *q = x->q + at * AS_QBLOCK;
        if (facts.low == 8)
            wide_dots(planes + g * fours * PLANE, q + g * facts.group, (size_t)fours, x->cols, rows,
                      lo, hi);
        else
            group_dots(type, planes, q, x->cols, rows, g * fours, (g + 1) * fours, lo, hi);
        UNROLL
        for (size_t m = 0; m < rows; m++) {
            float d = x->d[at + m * blocks];
            v16 sums = {_mm256_cvtepi32_ps(lo[m]), _mm256_cvtepi32_ps(hi[m])};
            acc[m] = v_fma(v_mul(s[g], v_set1(d)), sums, acc[m]);
            if (!facts.mins) continue;
            float part = facts.group == 32 ? x->sums[at + m * blocks]
                                           : d * (float)(offsets[m * stride] / -128);
            acc[m] = v_fma(min[g], v_set1(part), acc[m]);
        }
    }
}

// Where bits of the bytes are set.
INLINE __m256i set_bits(__m256i bytes, __m256i bits) {
    return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bits), bits);
}

// Four rows: a sign byte for each byte of its row, of which one bit is asked.
INLINE __m256i signed_rows(const uint64_t entries[4], const uint8_t signs[4], bool shift) {
    const __m256i spread =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bits = _mm256_set1_epi64x((long long)0x8040201008040201u);
    uint32_t four;
    memcpy(&four, signs, sizeof four);
    __m256i all = _mm256_loadu_si256((const __m256i *)entries);
    __m256i mask = _mm256_shuffle_epi8(_mm256_set1_epi32((int)four), spread);
    mask = set_bits(mask, bits);
    if (shift) return _mm256_sub_epi8(all, _mm256_and_si256(mask, _mm256_set1_epi8(2)));
    return _mm256_sub_epi8(_mm256_xor_si256(all, mask), mask);
}

INLINE void put_run(const uint64_t entries[AS_PANEL], const uint8_t signs[AS_PANEL], bool shift,
                    uint8_t *planes) {
    UNROLL
    for (size_t i = 0; i < 2; i++, planes += PLANE / 2) {
        __m256 a = _mm256_castsi256_ps(signed_rows(entries + 8 * i, signs + 8 * i, shift));
        __m256 b = _mm256_castsi256_ps(signed_rows(entries + 8 * i + 4, signs + 8 * i + 4, shift));
        __m256i even = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88));
        __m256i odd = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd));
        _mm256_storeu_si256((__m256i *)planes, _mm256_permute4x64_epi64(even, 0xd8));
        _mm256_storeu_si256((__m256i *)(planes + PLANE), _mm256_permute4x64_epi64(odd, 0xd8));
    }
}

INLINE void put_halves(uint32_t entries[2][AS_PANEL], const uint8_t signs[AS_PANEL],
                       uint8_t *planes) {
    const __m256i spread = _mm256_setr_epi64x(0x0101010100000000, 0x0303030302020202,
                                              0x0505050504040404, 0x0707070706060606);
    UNROLL
    for (size_t i = 0; i < 4; i++) { // of each plane both halves of the rows
        int64_t eight;
        memcpy(&eight, signs + i % 2 * 8, sizeof eight);
        __m256i mask = _mm256_shuffle_epi8(_mm256_set1_epi64x(eight), spread);
        mask = set_bits(mask, _mm256_set1_epi32(i < 2 ? 0x08040201 : (int)0x80402010));
        __m256i all = _mm256_loadu_si256((const __m256i *)(entries[i / 2] + i % 2 * 8));
        all = _mm256_sub_epi8(_mm256_xor_si256(all, mask), mask);
        _mm256_storeu_si256((__m256i *)(planes + i * PLANE / 2), all);
    }
}

#include "kernels/wide/attend.h"
#include "kernels/wide/expand.h"
#include "kernels/wide/quant.h"

const as_kernels as_kernels_avx2 = KERNEL_TABLE("avx2", matmul_quant);
