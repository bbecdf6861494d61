// SPDX-License-Identifier: Apache-2.0
// avx512.c - AVX-512 F, BW, DQ, VL and VNNI: 16 floats are one register.
#include "kernels/x86/avx512.h"

// 2 panels x 8 rows: 16 accumulators, 2 weights; an fma takes its activation as a broadcast
// memory operand.
#define TILE_ROWS 8
#define TILE_PANELS 2
#define ATTEND_SUMS 24

#include "kernels/wide/template.h"

#define ROWS_QUANT 12 // 12 sums, 8 weights, scales and temporaries

// vpdpbusd multiplies unsigned by signed bytes: the codes go in as they are, and what their zero
// adds is in the sum beforehand. All exact: 32 * 255 * 127 stays far from 2^31.
INLINE void add_block(as_wtype type, const uint8_t *planes, const as_qrows *x, size_t at,
                      size_t rows, const v16 s[2], const v16 min[2], v16 *acc) {
    const wfacts facts = wfacts_of(type);
    const size_t blocks = x->cols / AS_QBLOCK, fours = facts.group / 4u;
    __m512i w[FOURS];
    load_codes(type, planes, w);
    UNROLL
    for (size_t m = 0; m < rows; m++, at += blocks) {
        const int8_t *q = x->q + at * AS_QBLOCK;
        v16 d = v_set1(x->d[at]);
        UNROLL
        for (size_t g = 0; g < AS_QBLOCK / facts.group; g++) {
            const int32_t offset = facts.group == 32 ? x->offsets[at] : x->halves[2 * at + g];
            __m512i sum = surplus(type, offset);
            UNROLL
            for (size_t j = g * fours; j < (g + 1) * fours; j++)
                sum = _mm512_dpbusd_epi32(sum, w[j], _mm512_set1_epi32(load_dword(q + 4 * j)));
            acc[m] = v_fma(v_mul(s[g], d), _mm512_cvtepi32_ps(sum), acc[m]);
            if (!facts.mins) continue;
            float part = facts.group == 32 ? x->sums[at] : x->d[at] * (float)(offset / -128);
            acc[m] = v_fma(min[g], v_set1(part), acc[m]);
        }
    }
}

#include "kernels/wide/attend.h"
#include "kernels/x86/look_up.h"

#include "kernels/wide/expand.h"
#include "kernels/wide/quant.h"
#include "kernels/x86/unpacked.h"

void as_avx512_matmul_quant(const as_matrix *w, size_t panel_begin, size_t panel_end,
                            const as_qrows *x, size_t count, float *y, size_t y_stride) {
    // So many rows are worth unpacking; of bytes there is little to unpack.
    const size_t many = w->type == AS_W_Q8_0 || w->type == AS_W_Q8_16 ? 4 : 16;
    if (count >= many) {
        matmul_pairs(w, panel_begin, panel_end, x, count, y, y_stride);
        panel_begin = panel_end - (panel_end - panel_begin) % PAIR;
    }
    matmul_quant(w, panel_begin, panel_end, x, count, y, y_stride);
}

const as_kernels as_kernels_avx512 = KERNEL_TABLE("avx512", as_avx512_matmul_quant);
const as_kernels as_kernels_amx = KERNEL_TABLE("amx", as_amx_matmul_quant);
