// SPDX-License-Identifier: Apache-2.0
// multiply.c - a product with a matrix of any type, by the table's function for it. A matrix that
// is kept as its file has it is packed panel by panel on the way, so that its products are those of
// the packed one.
#include "kernels/blocks.h"
#include "kernels/coded.h"

enum { LINE = 64 };

static size_t lines(size_t size) {
    return (size + LINE - 1) / LINE * LINE;
}

static size_t coded_row_size(const as_matrix *w) {
    as_coded coded = (as_coded)(w->coded - 1);
    return w->cols / as_coded_block(coded) * as_coded_size(coded);
}

size_t as_matrix_size(const as_matrix *w) {
    if (w->coded) return w->rows * coded_row_size(w);
    return as_matrix_values_size(w->type, w->rows, w->cols) +
           as_matrix_scales_size(w->type, w->rows, w->cols);
}

// Rows of a panel in the file's layout of the type that holds them.
static size_t held_size(const as_matrix *w) {
    return lines(AS_PANEL * as_wtype_size(w->type, w->cols));
}

enum { TABLE_SIZE = AS_CODED_TABLE * sizeof(uint64_t) };

size_t as_matrix_scratch_size(const as_matrix *w) {
    if (!w->coded) return 0;
    return TABLE_SIZE + held_size(w) + lines(as_matrix_values_size(w->type, AS_PANEL, w->cols)) +
           lines(as_matrix_scales_size(w->type, AS_PANEL, w->cols));
}

// A panel of a coded matrix, packed into `scratch`: a table, rows, then the panel.
static as_matrix take_panel(const as_matrix *w, size_t panel, unsigned char *scratch) {
    as_coded coded = (as_coded)(w->coded - 1);
    size_t row = panel * AS_PANEL, row_size = coded_row_size(w);
    const unsigned char *from = (const unsigned char *)w->values + row * row_size;
    as_matrix out = {.type = w->type, .rows = w->rows - row, .cols = w->cols};
    if (out.rows > AS_PANEL) out.rows = AS_PANEL;
    out.values = scratch + TABLE_SIZE + held_size(w);
    if (as_wtype_quantized(w->type))
        out.scales = (char *)out.values + lines(as_matrix_values_size(w->type, AS_PANEL, w->cols));
    const uint64_t *table = (const uint64_t *)(const void *)scratch;
    if (as_coded_panel(coded, table, from, row_size, &out)) return out;
    unsigned char *rows = scratch + TABLE_SIZE;
    size_t held = as_wtype_size(w->type, w->cols);
    for (size_t r = 0; r < out.rows; r++)
        as_coded_recode(coded, from + r * row_size, w->cols, rows + r * held);
    as_matrix_pack(&out, rows);
    return out;
}

static void multiply(const as_kernels *kernels, const as_matrix *w, size_t begin, size_t end,
                     const float *x, const as_qrows *rows, size_t count, float *y,
                     size_t y_stride) {
    if (as_wtype_quantized(w->type))
        kernels->matmul_quant(w, begin, end, rows, count, y, y_stride);
    else if (w->type == AS_W_F16)
        kernels->matmul_f16(w, begin, end, x, w->cols, count, y, y_stride);
    else if (w->type == AS_W_BF16)
        kernels->matmul_bf16(w, begin, end, x, w->cols, count, y, y_stride);
    else
        kernels->matmul_f32(w, begin, end, x, w->cols, count, y, y_stride);
}

void as_matrix_multiply(const as_kernels *kernels, const as_matrix *w, size_t panel_begin,
                        size_t panel_end, const float *x, const as_qrows *rows, size_t count,
                        float *y, size_t y_stride, void *scratch) {
    if (!w->coded) {
        multiply(kernels, w, panel_begin, panel_end, x, rows, count, y, y_stride);
        return;
    }
    as_coded_table((as_coded)(w->coded - 1), scratch);
    for (size_t panel = panel_begin; panel < panel_end; panel++) {
        as_matrix part = take_panel(w, panel, scratch);
        multiply(kernels, &part, 0, 1, x, rows, count, y + panel * AS_PANEL, y_stride);
    }
}
