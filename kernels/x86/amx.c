// SPDX-License-Identifier: Apache-2.0
// amx.c - products with quantized weights on the tile unit: 16 activation rows by 16 weight rows by
// 32 bytes in one instruction, exact as every other way to add up the same integers.
//
// A plane of packed weights (blocks.h) is a row of a tile already: four bytes of each of 16 rows.
// So a group's weights are one tile, as unsigned codes; what their zero adds is taken off in
// AVX-512, where the group's scales are applied. Few rows leave the unit idle and go to AVX-512.
//
// tests/kernels/ compiles this file again with the tile instructions written in C (tiles.h), since
// few machines have them.
#include "kernels/x86/avx512.h"

#include "kernels/wide/scales.h"

#ifndef TILE_ZERO
#define AMX_MATMUL_QUANT as_amx_matmul_quant
#define TILE_ZERO(t) _tile_zero(t)
#define TILE_LOAD(t, p, stride) _tile_loadd(t, p, stride)
#define TILE_STORE(t, p, stride) _tile_stored(t, p, stride)
#define TILE_DOTS(c, a, b) _tile_dpbsud(c, a, b)
#define TILE_RELEASE() _tile_release()
// gcc before 12.4 drops the stores into the configuration unless told that it is read (PR 114098).
#define TILE_CONFIG(c)                                                                             \
    do {                                                                                           \
        __asm__ volatile("" ::"m"(*(c)) : "memory");                                               \
        _tile_loadconfig(c);                                                                       \
    } while (0)
#endif

enum {
    ROWS = 16, // activation rows of a tile
    FEW = 8,   // fewer than that many rows are not worth a tile
};

// Tile registers, as the compilers' macros want them: sums, activations and weights, of the first
// and of the second group.
#define C0 0
#define C1 1
#define A0 2
#define A1 3
#define B0 4
#define B1 5
enum { REGISTERS = 6 };

// What the instruction takes: palette 1, then for each tile the bytes of a row and the rows.
typedef struct tile_config {
    uint8_t palette, start;
    uint8_t reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

static void configure(size_t rows, size_t group) {
    tile_config config = {.palette = 1};
    for (int i = 0; i < REGISTERS; i++) {
        const bool weights = i >= B0;
        config.row_bytes[i] = (uint16_t)(i == A0 || i == A1 ? group : 4 * AS_PANEL);
        config.rows[i] = (uint8_t)(weights ? group / 4 : rows);
    }
    TILE_CONFIG(&config);
}

// sums[g][m][r] of one block of 32: group g, activation row m, weight row r.
INLINE void block_sums(as_wtype type, const uint8_t *planes, const as_qrows *x, size_t at,
                       int32_t sums[2][ROWS][AS_PANEL]) {
    const wfacts facts = wfacts_of(type);
    const int8_t *q = x->q + at * AS_QBLOCK;
    _Alignas(64) uint8_t codes[FOURS][PLANE];
    const uint8_t *weights = planes;
    if (facts.low != 8) {
        __m512i w[FOURS];
        load_codes(type, planes, w);
        UNROLL
        for (int j = 0; j < FOURS; j++) _mm512_store_si512(codes[j], w[j]);
        weights = codes[0];
    }
    TILE_ZERO(C0);
    TILE_LOAD(A0, q, x->cols);
    TILE_LOAD(B0, weights, PLANE);
    TILE_DOTS(C0, A0, B0);
    TILE_STORE(C0, sums[0], sizeof sums[0][0]);
    if (facts.group == AS_QBLOCK) return;
    TILE_ZERO(C1);
    TILE_LOAD(A1, q + facts.group, x->cols);
    TILE_LOAD(B1, weights + FOURS / 2 * PLANE, PLANE);
    TILE_DOTS(C1, A1, B1);
    TILE_STORE(C1, sums[1], sizeof sums[1][0]);
}

INLINE void add_sums(as_wtype type, const as_qrows *x, size_t at, size_t rows, const v16 s[2],
                     const v16 min[2], int32_t sums[2][ROWS][AS_PANEL], v16 acc[ROWS]) {
    const wfacts facts = wfacts_of(type);
    const size_t blocks = x->cols / AS_QBLOCK;
    for (size_t m = 0; m < rows; m++, at += blocks) {
        v16 d = v_set1(x->d[at]);
        UNROLL
        for (size_t g = 0; g < AS_QBLOCK / facts.group; g++) {
            const int32_t offset = facts.group == 32 ? x->offsets[at] : x->halves[2 * at + g];
            __m512i sum = _mm512_add_epi32(_mm512_load_si512(sums[g][m]), surplus(type, offset));
            acc[m] = v_fma(v_mul(s[g], d), _mm512_cvtepi32_ps(sum), acc[m]);
            if (!facts.mins) continue;
            float part = facts.group == 32 ? x->sums[at] : x->d[at] * (float)(offset / -128);
            acc[m] = v_fma(min[g], v_set1(part), acc[m]);
        }
    }
}

// One panel times the `rows` activation rows from `row` on; the tiles are configured for them.
INLINE void tile_rows(as_wtype type, const as_matrix *w, size_t panel, const as_qrows *x,
                      size_t row, size_t rows, float *y, size_t y_stride) {
    const wfacts facts = wfacts_of(type);
    const size_t inner = facts.block / AS_QBLOCK, blocks = w->cols / facts.block;
    const uint8_t *planes =
        (const uint8_t *)w->values + panel * blocks * inner * planes_size(facts);
    const uint8_t *beside = (const uint8_t *)w->scales + panel * blocks * beside_size(facts);
    const size_t first = panel * AS_PANEL, left = w->rows - first;
    size_t at = row * blocks * inner;
    _Alignas(64) int32_t sums[2][ROWS][AS_PANEL];
    v16 acc[ROWS];
    for (size_t m = 0; m < rows; m++) acc[m] = v_zero();
    for (size_t b = 0; b < blocks; b++, beside += beside_size(facts)) {
        const uint16_t *halves = (const uint16_t *)(const void *)beside;
        const uint8_t *groups = beside + (facts.mins ? 4 : 2) * AS_PANEL;
        v16 d = facts.bf16 ? v_load_bf16(halves) : v_load_half(halves);
        v16 min = facts.mins ? v_load_half(halves + AS_PANEL) : v_zero();
        for (size_t i = 0; i < inner; i++, at++, planes += planes_size(facts)) {
            v16 s[2], m[2];
            group_scales(type, d, min, groups, s, m);
            block_sums(type, planes, x, at, sums);
            add_sums(type, x, at, rows, s, m, sums, acc);
            groups += AS_QBLOCK / facts.group * group_size(facts);
        }
    }
    for (size_t m = 0; m < rows; m++) {
        float *out = y + (row + m) * y_stride + first;
        if (left >= AS_PANEL)
            v_store(out, acc[m]);
        else
            v_store_n(out, acc[m], left);
    }
}

// Whole tiles first, for all panels, then the rows that are left: each is one configuration.
INLINE void all_rows(as_wtype type, const as_matrix *w, size_t panel_begin, size_t panel_end,
                     const as_qrows *x, size_t count, float *y, size_t y_stride) {
    const size_t whole = count / ROWS * ROWS, left = count - whole;
    if (whole) {
        configure(ROWS, wfacts_of(type).group);
        for (size_t panel = panel_begin; panel < panel_end; panel++)
            for (size_t m = 0; m < whole; m += ROWS)
                tile_rows(type, w, panel, x, m, ROWS, y, y_stride);
    }
    if (left) {
        configure(left, wfacts_of(type).group);
        for (size_t panel = panel_begin; panel < panel_end; panel++)
            tile_rows(type, w, panel, x, whole, left, y, y_stride);
    }
    TILE_RELEASE();
}

#define EACH(type)                                                                                 \
    case type:                                                                                     \
        all_rows(type, w, panel_begin, panel_end, x, count, y, y_stride);                          \
        break

void AMX_MATMUL_QUANT(const as_matrix *w, size_t panel_begin, size_t panel_end, const as_qrows *x,
                      size_t count, float *y, size_t y_stride) {
    if (count < FEW) {
        as_avx512_matmul_quant(w, panel_begin, panel_end, x, count, y, y_stride);
        return;
    }
    switch (w->type) {
        EACH(AS_W_Q8_0);
        EACH(AS_W_Q4_0);
        EACH(AS_W_Q4_1);
        EACH(AS_W_Q5_0);
        EACH(AS_W_Q5_1);
        EACH(AS_W_Q2_K);
        EACH(AS_W_Q3_K);
        EACH(AS_W_Q4_K);
        EACH(AS_W_Q5_K);
        EACH(AS_W_Q6_K);
        EACH(AS_W_IQ4_NL);
        EACH(AS_W_IQ4_XS);
        EACH(AS_W_MXFP4);
        EACH(AS_W_Q8_16);
    case AS_W_F32:
    case AS_W_F16:
    case AS_W_BF16:
        break;
    }
}
