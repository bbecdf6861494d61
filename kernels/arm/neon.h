// SPDX-License-Identifier: Apache-2.0
// neon.h - the 64-bit Arm table: 16 floats are four registers.
//
// Included once by neon.c and dotprod.c, after they define how 16 products of bytes are added up
// by fours, and TABLE, the table's own name:
//
//   int32x4_t dot_fours(acc, w, q)   acc[i] += the sum of w[4i + b] * q[4i + b], b in 0..3
#include "kernels/blocks.h"
#include "kernels/tables.h"
#include "kernels/wide/inline.h"

// 1 panel x 6 rows: 24 accumulators, 4 weights and a broadcast of 32 registers.
#define TILE_ROWS 6
#define TILE_PANELS 1
#define ATTEND_SUMS 6

typedef struct v16 {
    float32x4_t v[4];
} v16;

INLINE v16 v_set1(float a) {
    float32x4_t v = vdupq_n_f32(a);
    return (v16){{v, v, v, v}};
}

INLINE v16 v_zero(void) {
    return v_set1(0.0f);
}

INLINE v16 v_load(const float *p) {
    return (v16){{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
}

INLINE void v_store(float *p, v16 v) {
    for (int i = 0; i < 4; i++) vst1q_f32(p + 4 * i, v.v[i]);
}

INLINE v16 v_load_n(const float *p, size_t n) {
    float lanes[16] = {0};
    memcpy(lanes, p, n * sizeof *p);
    return v_load(lanes);
}

INLINE void v_store_n(float *p, v16 v, size_t n) {
    float lanes[16];
    v_store(lanes, v);
    memcpy(p, lanes, n * sizeof *p);
}

INLINE v16 v_load_half(const uint16_t *p) {
    v16 out;
    UNROLL
    for (int i = 0; i < 4; i++) out.v[i] = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i)));
    return out;
}

INLINE v16 v_load_bf16(const uint16_t *p) {
    v16 out;
    UNROLL
    for (int i = 0; i < 4; i++)
        out.v[i] = vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16));
    return out;
}

INLINE v16 v_from_s16(int16x8_t lo, int16x8_t hi) {
    return (v16){{vcvtq_f32_s32(vmovl_s16(vget_low_s16(lo))), vcvtq_f32_s32(vmovl_high_s16(lo)),
                  vcvtq_f32_s32(vmovl_s16(vget_low_s16(hi))), vcvtq_f32_s32(vmovl_high_s16(hi))}};
}

INLINE v16 v_from_u8(uint8x16_t bytes) {
    return v_from_s16(vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes))),
                      vreinterpretq_s16_u16(vmovl_high_u8(bytes)));
}

INLINE v16 v_load_i8(const uint8_t *p) {
    int8x16_t bytes = vreinterpretq_s8_u8(vld1q_u8(p));
    return v_from_s16(vmovl_s8(vget_low_s8(bytes)), vmovl_high_s8(bytes));
}

INLINE v16 v_load_u8(const uint8_t *p) {
    return v_from_u8(vld1q_u8(p));
}

INLINE v16 v_load_low(const uint8_t *p) {
    return v_from_u8(vandq_u8(vld1q_u8(p), vdupq_n_u8(15)));
}

INLINE v16 v_load_high(const uint8_t *p) {
    return v_from_u8(vshrq_n_u8(vld1q_u8(p), 4));
}

#define LANEWISE(expression)                                                                       \
    v16 out;                                                                                       \
    UNROLL for (int i = 0; i < 4; i++) out.v[i] = (expression);                                    \
    return out

INLINE v16 v_add(v16 a, v16 b) {
    LANEWISE(vaddq_f32(a.v[i], b.v[i]));
}

INLINE v16 v_sub(v16 a, v16 b) {
    LANEWISE(vsubq_f32(a.v[i], b.v[i]));
}

INLINE v16 v_mul(v16 a, v16 b) {
    LANEWISE(vmulq_f32(a.v[i], b.v[i]));
}

INLINE v16 v_div(v16 a, v16 b) {
    LANEWISE(vdivq_f32(a.v[i], b.v[i]));
}

INLINE v16 v_fma(v16 a, v16 b, v16 c) {
    LANEWISE(vfmaq_f32(c.v[i], a.v[i], b.v[i]));
}

INLINE v16 v_max(v16 x, v16 best) {
    LANEWISE(vbslq_f32(vcgtq_f32(x.v[i], best.v[i]), x.v[i], best.v[i]));
}

INLINE v16 v_size(v16 v) {
    LANEWISE(vabsq_f32(v.v[i]));
}

INLINE v16 v_with_sign(v16 size, v16 v) {
    LANEWISE(vbslq_f32(vdupq_n_u32(0x80000000u), v.v[i], size.v[i]));
}

INLINE v16 v_if_less(v16 x, v16 limit, v16 a, v16 b) {
    LANEWISE(vbslq_f32(vcltq_f32(x.v[i], limit.v[i]), a.v[i], b.v[i]));
}

INLINE v16 v_first_n(v16 a, v16 b, size_t n) {
    float lanes[16], first[16];
    v_store(lanes, b);
    v_store(first, a);
    memcpy(lanes, first, n * sizeof *lanes);
    return v_load(lanes);
}

INLINE unsigned v_equal(v16 a, v16 b) {
    const uint32x4_t bits = {1, 2, 4, 8};
    unsigned found = 0;
    UNROLL
    for (int i = 0; i < 4; i++)
        found |= vaddvq_u32(vandq_u32(vceqq_f32(a.v[i], b.v[i]), bits)) << 4 * i;
    return found;
}

INLINE float v_sum(v16 v) {
    float32x4_t s = vaddq_f32(vaddq_f32(v.v[0], v.v[2]), vaddq_f32(v.v[1], v.v[3]));
    float32x2_t t = vadd_f32(vget_low_f32(s), vget_high_f32(s));
    return vget_lane_f32(t, 0) + vget_lane_f32(t, 1);
}

INLINE bool v_all_above(v16 x, v16 limit) {
    uint32x4_t all = vdupq_n_u32(UINT32_MAX);
    UNROLL
    for (int i = 0; i < 4; i++) all = vandq_u32(all, vcgtq_f32(x.v[i], limit.v[i]));
    return vminvq_u32(all) != 0;
}

INLINE float32x4_t exp_4_within(float32x4_t x) {
    const float32x4_t round = vdupq_n_f32(AS_ROUND_F32);
    float32x4_t t = vfmaq_f32(round, x, vdupq_n_f32(AS_EXP_LOG2E));
    float32x4_t n = vsubq_f32(t, round);
    float32x4_t r = vfmsq_f32(x, n, vdupq_n_f32(AS_EXP_LN2_HI));
    r = vfmsq_f32(r, n, vdupq_n_f32(AS_EXP_LN2_LO));
    float32x4_t q = vfmaq_f32(vdupq_n_f32(AS_EXP_C5), vdupq_n_f32(AS_EXP_C6), r);
    q = vfmaq_f32(vdupq_n_f32(AS_EXP_C4), q, r);
    q = vfmaq_f32(vdupq_n_f32(AS_EXP_C3), q, r);
    q = vfmaq_f32(vdupq_n_f32(AS_EXP_C2), q, r);
    float32x4_t p = vaddq_f32(vfmaq_f32(r, q, vmulq_f32(r, r)), vdupq_n_f32(1.0f));
    int32x4_t shift = vshlq_n_s32(vreinterpretq_s32_f32(t), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), shift));
}

INLINE float32x4_t exp_4(float32x4_t x) {
    float32x4_t y = exp_4_within(x);
    y = vbslq_f32(vcltq_f32(x, vdupq_n_f32(AS_EXP_LOW)), vdupq_n_f32(0.0f), y);
    y = vbslq_f32(vcgtq_f32(x, vdupq_n_f32(AS_EXP_HIGH)), vdupq_n_f32(HUGE_VALF), y);
    return vbslq_f32(vceqq_f32(x, x), y, x);
}

INLINE v16 v_exp_within(v16 x) {
    LANEWISE(exp_4_within(x.v[i]));
}

INLINE v16 v_exp(v16 x) {
    LANEWISE(exp_4(x.v[i]));
}

INLINE uint32_t amax_bits(const float *x) {
    uint32x4_t most = vdupq_n_u32(0);
    for (size_t i = 0; i < AS_QBLOCK; i += 4)
        most = vmaxq_u32(most, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + i))));
    return vmaxvq_u32(most);
}

INLINE void round_block(const float *x, float scale_in, int8_t *q, int32_t *halves) {
    const float32x4_t scale = vdupq_n_f32(scale_in);
    for (size_t half = 0; half < 2; half++, x += 16, q += 16) {
        int32x4_t v[4];
        for (size_t i = 0; i < 4; i++)
            v[i] = vcvtnq_s32_f32(vmulq_f32(vld1q_f32(x + 4 * i), scale));
        halves[half] = -128 * vaddvq_s32(vaddq_s32(vaddq_s32(v[0], v[1]), vaddq_s32(v[2], v[3])));
        int16x8_t lo = vcombine_s16(vmovn_s32(v[0]), vmovn_s32(v[1]));
        int16x8_t hi = vcombine_s16(vmovn_s32(v[2]), vmovn_s32(v[3]));
        vst1q_s8(q, vcombine_s8(vmovn_s16(lo), vmovn_s16(hi)));
    }
}

INLINE void turn_4_pairs(float *x, const float *cosines, const float *sines) {
    float32x4_t c = vld1q_f32(cosines), s = vld1q_f32(sines);
    float32x4x2_t v = vld2q_f32(x), out;
    out.val[0] = vfmaq_f32(vnegq_f32(vmulq_f32(v.val[1], s)), v.val[0], c);
    out.val[1] = vfmaq_f32(vmulq_f32(v.val[1], c), v.val[0], s);
    vst2q_f32(x, out);
}

#include "kernels/wide/template.h"

#include "kernels/wide/attend.h"

#define ROWS_QUANT 4 // 16 sums, 4 weights and their parts

// The values of four j's weights in 16 rows: those of rows 4i..4i+3 in v[i].
INLINE void load_fours(as_wtype type, const uint8_t *planes, int j, int8x16_t v[4]) {
    const wfacts facts = wfacts_of(type);
    UNROLL
    for (int i = 0; i < 4; i++) {
        const uint8_t *p = planes + 16 * i;
        uint8x16_t code;
        if (facts.low == 8) {
            code = vld1q_u8(p + PLANE * j);
        } else if (facts.low == 4) {
            code = vld1q_u8(p + PLANE * (j % 4));
            code = j < 4 ? vandq_u8(code, vdupq_n_u8(15)) : vshrq_n_u8(code, 4);
        } else {
            code = vshlq_u8(vld1q_u8(p + PLANE * (j / 4)), vdupq_n_s8((int8_t)(-2 * (j % 4))));
            code = vandq_u8(code, vdupq_n_u8(3));
        }
        if (facts.table) {
            v[i] = vqtbl1q_s8(vld1q_s8(table_of(type)), code);
            continue;
        }
        if (facts.high) {
            const int from = facts.high == 1 ? j : j % 4 * 2; // where the upper part begins
            const int plane = facts.low + (facts.high == 1 ? 0 : j / 4);
            uint8x16_t upper =
                vshlq_u8(vld1q_u8(p + PLANE * plane), vdupq_n_s8((int8_t)(facts.low - from)));
            const int mask = ((1 << facts.high) - 1) << facts.low;
            code = vorrq_u8(code, vandq_u8(upper, vdupq_n_u8((uint8_t)mask)));
        }
        v[i] = vreinterpretq_s8_u8(vsubq_u8(code, vdupq_n_u8(facts.zero)));
    }
}

INLINE void add_block(as_wtype type, const uint8_t *planes, const as_qrows *x, size_t at,
                      size_t rows, const v16 s[2], const v16 min[2], v16 *acc) {
    const wfacts facts = wfacts_of(type);
    const size_t blocks = x->cols / AS_QBLOCK;
    const int fours = facts.group / 4;
    UNROLL
    for (int g = 0; g < AS_QBLOCK / facts.group; g++) {
        int32x4_t sums[ROWS_QUANT][4];
        UNROLL
        for (size_t m = 0; m < rows; m++)
            for (int i = 0; i < 4; i++) sums[m][i] = vdupq_n_s32(0);
        UNROLL
        for (int j = g * fours; j < (g + 1) * fours; j++) {
            int8x16_t w[4];
            load_fours(type, planes, j, w);
            UNROLL
            for (size_t m = 0; m < rows; m++) {
                const int8_t *q = x->q + (at + m * blocks) * AS_QBLOCK + 4 * j;
                int8x16_t four = vreinterpretq_s8_s32(vdupq_n_s32(load_dword(q)));
                UNROLL
                for (int i = 0; i < 4; i++) sums[m][i] = dot_fours(sums[m][i], w[i], four);
            }
        }
        UNROLL
        for (size_t m = 0; m < rows; m++) {
            float d = x->d[at + m * blocks];
            v16 sum;
            for (int i = 0; i < 4; i++) sum.v[i] = vcvtq_f32_s32(sums[m][i]);
            acc[m] = v_fma(v_mul(s[g], v_set1(d)), sum, acc[m]);
            if (!facts.mins) continue;
            const int32_t *halves = x->halves + 2 * (at + m * blocks);
            float part =
                facts.group == 32 ? x->sums[at + m * blocks] : d * (float)(halves[g] / -128);
            acc[m] = v_fma(min[g], v_set1(part), acc[m]);
        }
    }
}

#include "kernels/wide/put_run.h"
#include "kernels/wide/quant.h"

#include "kernels/wide/expand.h"

const as_kernels TABLE = KERNEL_TABLE(TABLE_NAME, matmul_quant);
