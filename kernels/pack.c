// SPDX-License-Identifier: Apache-2.0
// pack.c - from a file's rows to panels of 16, once at load, and back for one row.
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/scalar.h"

enum {
    FILE_BLOCK = 2 + AS_QBLOCK,         // bytes of a Q8_0 block in a file: half scale, 32 int8
    BLOCK_BYTES = AS_PANEL * AS_QBLOCK, // int8 of one block in all rows of a panel
};

static size_t panel_count(size_t rows) {
    return (rows + AS_PANEL - 1) / AS_PANEL;
}

size_t as_matrix_values_size(as_wtype type, size_t rows, size_t cols) {
    size_t values = panel_count(rows) * AS_PANEL * cols;
    switch (type) {
    case AS_W_F32:
        return values * sizeof(float);
    case AS_W_F16:
        return values * sizeof(uint16_t);
    case AS_W_Q8_0:
        return values;
    }
    return 0;
}

size_t as_matrix_scales_size(as_wtype type, size_t rows, size_t cols) {
    if (type != AS_W_Q8_0) return 0;
    return panel_count(rows) * AS_PANEL * (cols / AS_QBLOCK) * sizeof(float);
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

// One row's block of a file into its place among the 16 rows of a packed block.
static void pack_block(int8_t *values, float *scales, size_t r, const unsigned char *from) {
    uint16_t scale = (uint16_t)(from[0] | from[1] << 8);
    scales[r] = half_to_float(scale);
    for (size_t k = 0; k < AS_QBLOCK; k += 4)
        memcpy(values + (k * AS_PANEL) + r * 4, from + 2 + k, 4);
}

static void pack_q8(as_matrix *w, const unsigned char *src) {
    size_t blocks = w->cols / AS_QBLOCK;
    int8_t *values = w->values;
    float *scales = w->scales;
    for (size_t row = 0; row < panel_count(w->rows) * AS_PANEL; row += AS_PANEL) {
        size_t filled = w->rows - row < AS_PANEL ? w->rows - row : AS_PANEL;
        for (size_t b = 0; b < blocks; b++, values += BLOCK_BYTES, scales += AS_PANEL) {
            if (filled < AS_PANEL) {
                memset(values, 0, BLOCK_BYTES);
                memset(scales, 0, AS_PANEL * sizeof(float));
            }
            for (size_t r = 0; r < filled; r++) {
                pack_block(values, scales, r, src + ((row + r) * blocks + b) * FILE_BLOCK);
            }
        }
    }
}

void as_matrix_pack(as_matrix *w, const void *src) {
    switch (w->type) {
    case AS_W_F32:
        pack_elements(w, src, sizeof(float));
        break;
    case AS_W_F16:
        pack_elements(w, src, sizeof(uint16_t));
        break;
    case AS_W_Q8_0:
        pack_q8(w, src);
        break;
    }
}

static void row_q8(const as_matrix *w, size_t panel, size_t r, float *x) {
    const int8_t *values = (const int8_t *)w->values + panel * AS_PANEL * w->cols + r * 4;
    const float *scales = w->scales + panel * AS_PANEL * (w->cols / AS_QBLOCK) + r;
    for (size_t k = 0; k < w->cols; k++) {
        float scale = scales[k / AS_QBLOCK * AS_PANEL];
        x[k] = scale * (float)values[k / 4 * (AS_PANEL * 4) + k % 4];
    }
}

void as_matrix_row(const as_matrix *w, size_t row, float *x) {
    size_t panel = row / AS_PANEL, r = row % AS_PANEL;
    size_t start = panel * AS_PANEL * w->cols + r;
    if (w->type == AS_W_F32) {
        const float *values = (const float *)w->values + start;
        for (size_t k = 0; k < w->cols; k++) x[k] = values[k * AS_PANEL];
    } else if (w->type == AS_W_F16) {
        const uint16_t *values = (const uint16_t *)w->values + start;
        for (size_t k = 0; k < w->cols; k++) x[k] = half_to_float(values[k * AS_PANEL]);
    } else {
        row_q8(w, panel, r, x);
    }
}
