// SPDX-License-Identifier: Apache-2.0
// quant.h - the products with quantized weights, but for the dots themselves.
//
// Included once by each table, after template.h and its ROWS_QUANT (activation rows of
// a tile) and
//
//   void add_block(type, planes, x, at, rows, s, m, acc)
//
// which adds 32 weights of 16 rows times activation block `at` (of the tile's first row; the next
// row's is cols/32 further on) to acc[rows]; s[g] and m[g] are the scales and minima of its groups.
#ifndef AS_QUANT_H
#define AS_QUANT_H

#include "kernels/wide/scales.h"

// Bytes: as far a single row asks memory for codes and for what is beside them beforehand.
enum { AHEAD = 4096, BESIDE_AHEAD = 1024 };

// One panel times `rows` activation rows, both constants after inlining.
INLINE void tile_quant(as_wtype type, const as_matrix *w, size_t panel, const as_qrows *x,
                       size_t row, size_t rows, float *y, size_t y_stride) {
    const wfacts facts = wfacts_of(type);
    const size_t inner = facts.block / AS_QBLOCK, blocks = w->cols / facts.block;
    const uint8_t *planes =
        (const uint8_t *)w->values + panel * blocks * inner * planes_size(facts);
    const uint8_t *beside = (const uint8_t *)w->scales + panel * blocks * beside_size(facts);
    size_t at = row * blocks * inner;
    v16 acc[ROWS_QUANT];
    UNROLL
    for (size_t m = 0; m < rows; m++) acc[m] = v_zero();
    for (size_t b = 0; b < blocks; b++, beside += beside_size(facts)) {
        if (rows == 1) {
            UNROLL
            for (size_t line = 0; line < beside_size(facts); line += 64)
                __builtin_prefetch(beside + BESIDE_AHEAD + line, 0, 0);
        }
        const uint16_t *halves = (const uint16_t *)(const void *)beside;
        const uint8_t *groups = beside + (facts.mins ? 4 : 2) * AS_PANEL;
        v16 d = facts.bf16 ? v_load_bf16(halves) : v_load_half(halves);
        v16 min = facts.mins ? v_load_half(halves + AS_PANEL) : v_zero();
        ROLL for (size_t i = 0; i < inner; i++, at++, planes += planes_size(facts)) {
            v16 s[2], m[2];
            if (rows == 1) {
                UNROLL
                for (size_t line = 0; line < planes_size(facts); line += 64)
                    __builtin_prefetch(planes + AHEAD + line, 0, 0);
            }
            group_scales(type, d, min, groups, s, m);
            add_block(type, planes, x, at, rows, s, m, acc);
            groups += AS_QBLOCK / facts.group * group_size(facts);
        }
    }
    for (size_t m = 0; m < rows; m++) store_rows(w, panel, acc[m], y + (row + m) * y_stride);
}

INLINE void panel_quant(as_wtype type, const as_matrix *w, size_t panel, const as_qrows *x,
                        size_t count, float *y, size_t y_stride) {
    size_t m = 0;
    for (; count - m >= ROWS_QUANT; m += ROWS_QUANT)
        tile_quant(type, w, panel, x, m, ROWS_QUANT, y, y_stride);
    if (ROWS_QUANT > 8 && count - m >= 8) {
        tile_quant(type, w, panel, x, m, 8, y, y_stride);
        m += 8;
    }
    if (ROWS_QUANT > 4 && count - m >= 4) {
        tile_quant(type, w, panel, x, m, 4, y, y_stride);
        m += 4;
    }
    if (ROWS_QUANT > 2 && count - m >= 2) {
        tile_quant(type, w, panel, x, m, 2, y, y_stride);
        m += 2;
    }
    if (count - m >= 1) tile_quant(type, w, panel, x, m, 1, y, y_stride);
}

#define EACH_PANEL(type)                                                                           \
    case type:                                                                                     \
        for (size_t panel = panel_begin; panel < panel_end; panel++)                               \
            panel_quant(type, w, panel, x, count, y, y_stride);                                    \
        break

static void matmul_quant(const as_matrix *w, size_t panel_begin, size_t panel_end,
                         const as_qrows *x, size_t count, float *y, size_t y_stride) {
    switch (w->type) {
        EACH_PANEL(AS_W_Q8_0);
        EACH_PANEL(AS_W_Q4_0);
        EACH_PANEL(AS_W_Q4_1);
        EACH_PANEL(AS_W_Q5_0);
        EACH_PANEL(AS_W_Q5_1);
        EACH_PANEL(AS_W_Q2_K);
        EACH_PANEL(AS_W_Q3_K);
        EACH_PANEL(AS_W_Q4_K);
        EACH_PANEL(AS_W_Q5_K);
        EACH_PANEL(AS_W_Q6_K);
        EACH_PANEL(AS_W_IQ4_NL);
        EACH_PANEL(AS_W_IQ4_XS);
        EACH_PANEL(AS_W_MXFP4);
        EACH_PANEL(AS_W_Q8_16);
    case AS_W_F32:
    case AS_W_F16:
    case AS_W_BF16:
        break;
    }
}

#endif
