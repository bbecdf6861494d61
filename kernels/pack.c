// SPDX-License-Identifier: Apache-2.0
// pack.c - from a file's rows to panels of 16, once at load, and back for one row.
#include "kernels/blocks.h"

static size_t panel_count(size_t rows) {
    return (rows + AS_PANEL - 1) / AS_PANEL;
}

size_t as_matrix_values_size(as_wtype type, size_t rows, size_t cols) {
    wfacts facts = wfacts_of(type);
    if (!facts.group) return panel_count(rows) * AS_PANEL * cols * facts.size;
    return panel_count(rows) * (cols / AS_QBLOCK) * planes_size(facts);
}

size_t as_matrix_scales_size(as_wtype type, size_t rows, size_t cols) {
    wfacts facts = wfacts_of(type);
    return facts.group ? panel_count(rows) * (cols / facts.block) * beside_size(facts) : 0;
}

// Rows of `size`-byte elements into values[panel][cols][16]. A constant `size` makes each memcpy
// one move.
static inline void pack_elements(as_matrix *w, const unsigned char *src, size_t size) {
    unsigned char *values = w->values;
    for (size_t row = 0; row < panel_count(w->rows) * AS_PANEL; row += AS_PANEL) {
        size_t filled = w->rows - row < AS_PANEL ? w->rows - row : AS_PANEL;
        for (size_t k = 0; k < w->cols; k++) {
            unsigned char *to = values + (row * w->cols + k * AS_PANEL) * size;
            const unsigned char *from = src + (row * w->cols + k) * size;
            for (size_t r = 0; r < filled; r++)
                memcpy(to + r * size, from + r * w->cols * size, size);
            memset(to + filled * size, 0, (AS_PANEL - filled) * size);
        }
    }
}

// The planes of 32 weights: codes[j][4r + i] is weight 4j + i of row r.
static void pack_planes(wfacts facts, uint8_t codes[FOURS][PLANE], uint8_t *planes) {
    for (size_t j = 0; j < FOURS; j++) {
        uint8_t *low = planes, *high = planes + facts.low * PLANE;
        int shift = 0;
        if (facts.low == 8) low += j * PLANE;
        if (facts.low == 4) low += j % 4 * PLANE, shift = j < 4 ? 0 : 4;
        if (facts.low == 2) low += j / 4 * PLANE, shift = (int)(j % 4 * 2);
        int high_shift = facts.high == 1 ? (int)j : (int)(j % 4 * 2);
        if (facts.high == 2) high += j / 4 * PLANE;
        for (size_t i = 0; i < PLANE; i++)
            low[i] |= (uint8_t)((codes[j][i] & ((1 << facts.low) - 1)) << shift);
        for (size_t i = 0; facts.high && i < PLANE; i++)
            high[i] |= (uint8_t)(codes[j][i] >> facts.low << high_shift);
    }
}

static void put_u16(uint8_t *at, uint16_t value) {
    memcpy(at, &value, sizeof value);
}

// What stands beside the planes of a block, of row r.
static void pack_beside(wfacts facts, const wblock *block, uint8_t *beside, size_t r) {
    put_u16(beside + 2 * r, block->d);
    beside += 2 * AS_PANEL;
    if (facts.mins) {
        put_u16(beside + 2 * r, block->m);
        beside += 2 * AS_PANEL;
    }
    if (facts.block != SUPER) return;
    for (size_t g = 0; g < SUPER / facts.group; g++) {
        uint8_t scale = (uint8_t)block->scales[g];
        if (facts.mins && facts.group == 16) scale |= (uint8_t)(block->mins[g] << 4);
        beside[r] = scale;
        beside += AS_PANEL;
        if (!facts.mins || facts.group == 16) continue;
        beside[r] = block->mins[g];
        beside += AS_PANEL;
    }
}

static void unpack_beside(wfacts facts, const uint8_t *beside, size_t r, wblock *block) {
    const uint8_t *groups = beside + (facts.mins ? 4 : 2) * AS_PANEL;
    for (size_t g = 0; g < facts.block / facts.group; g++, groups += group_size(facts)) {
        wblock one;
        unpack_group(facts, beside, groups, r, &one);
        block->d = one.d;
        block->m = one.m;
        block->scales[g] = one.scales[0];
        block->mins[g] = one.mins[0];
    }
}

// One block of the file of all rows of a panel. Rows past the last are a block of scale 0.
static void pack_panel_block(as_matrix *w, const unsigned char *src, size_t row_size, size_t rows,
                             uint8_t *planes, uint8_t *beside) {
    wfacts facts = wfacts_of(w->type);
    wblock block;
    uint8_t codes[SUPER / AS_QBLOCK][FOURS][PLANE] = {{{0}}};
    for (size_t r = 0; r < AS_PANEL; r++) {
        if (r < rows)
            as_block_read(w->type, src + r * row_size, &block);
        else
            block = (wblock){0};
        for (size_t k = 0; k < facts.block; k += 4)
            memcpy(codes[k / AS_QBLOCK][k / 4 % FOURS] + 4 * r, block.codes + k, 4);
        pack_beside(facts, &block, beside, r);
    }
    for (size_t i = 0; i < facts.block / AS_QBLOCK; i++) {
        uint8_t *at = planes + i * planes_size(facts);
        memset(at, 0, planes_size(facts));
        pack_planes(facts, codes[i], at);
    }
}

static void pack_quantized(as_matrix *w, const unsigned char *src) {
    wfacts facts = wfacts_of(w->type);
    size_t row_size = as_wtype_size(w->type, w->cols);
    uint8_t *planes = w->values, *beside = w->scales;
    for (size_t row = 0; row < w->rows; row += AS_PANEL) {
        size_t rows = w->rows - row < AS_PANEL ? w->rows - row : AS_PANEL;
        for (size_t b = 0; b < w->cols / facts.block; b++) {
            pack_panel_block(w, src + row * row_size + b * facts.size, row_size, rows, planes,
                             beside);
            planes += facts.block / AS_QBLOCK * planes_size(facts);
            beside += beside_size(facts);
        }
    }
}

void as_matrix_pack(as_matrix *w, const void *src) {
    wfacts facts = wfacts_of(w->type);
    if (facts.group)
        pack_quantized(w, src);
    else if (facts.size == sizeof(float))
        pack_elements(w, src, sizeof(float));
    else
        pack_elements(w, src, sizeof(uint16_t));
}

static void row_quantized(const as_matrix *w, size_t panel, size_t r, float *x) {
    wfacts facts = wfacts_of(w->type);
    size_t blocks = w->cols / facts.block, inner = facts.block / AS_QBLOCK;
    const uint8_t *planes = w->values, *beside = w->scales;
    planes += panel * blocks * inner * planes_size(facts);
    beside += panel * blocks * beside_size(facts);
    for (size_t b = 0; b < blocks; b++, beside += beside_size(facts)) {
        wblock block = {0};
        unpack_beside(facts, beside, r, &block);
        for (size_t i = 0; i < inner; i++, planes += planes_size(facts)) {
            uint8_t codes[FOURS][PLANE];
            unpack_planes(facts, planes, codes);
            for (size_t j = 0; j < FOURS; j++)
                memcpy(block.codes + i * AS_QBLOCK + 4 * j, codes[j] + 4 * r, 4);
        }
        as_block_values(w->type, &block, x + b * facts.block);
    }
}

void as_matrix_row(const as_matrix *w, size_t row, float *x) {
    size_t panel = row / AS_PANEL, r = row % AS_PANEL;
    size_t start = panel * AS_PANEL * w->cols + r;
    if (wfacts_of(w->type).group) {
        row_quantized(w, panel, r, x);
    } else if (w->type == AS_W_F32) {
        const float *values = (const float *)w->values + start;
        for (size_t k = 0; k < w->cols; k++) x[k] = values[k * AS_PANEL];
    } else {
        const uint16_t *values = (const uint16_t *)w->values + start;
        for (size_t k = 0; k < w->cols; k++) {
            uint16_t bits = values[k * AS_PANEL];
            x[k] = w->type == AS_W_F16 ? half_to_float(bits) : bf16_to_float(bits);
        }
    }
}
