// SPDX-License-Identifier: Apache-2.0
// multiply.c - a product with a matrix of any type, by the table's function for it. Of a coded
// matrix, panels are made on the way of a type that holds it, so that its products are those of
// that type.
#include "kernels/blocks.h"
#include "kernels/coded.h"

// Panels that are made at once: more than one share what is loaded of many rows (x86/unpacked.h).
enum { LINE = 64, AT_ONCE = 2 };

static size_t lines(size_t size) {
    return (size + LINE - 1) / LINE * LINE;
}

static as_coded coded_of(const as_matrix *w) {
    return (as_coded)(w->coded - 1);
}

size_t as_matrix_size(const as_matrix *w) {
    if (w->coded) return as_coded_packed_size(coded_of(w), w->rows, w->cols);
    return as_matrix_values_size(w->type, w->rows, w->cols) +
           as_matrix_scales_size(w->type, w->rows, w->cols);
}

size_t as_matrix_scratch_size(const as_matrix *w) {
    if (!w->coded) return 0;
    const as_wtype type = as_coded_panel_type(coded_of(w));
    return AS_CODED_TABLE_SIZE + lines(as_matrix_values_size(type, AT_ONCE * AS_PANEL, w->cols)) +
           lines(as_matrix_scales_size(type, AT_ONCE * AS_PANEL, w->cols));
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
    const as_coded type = coded_of(w);
    as_matrix part = {.type = as_coded_panel_type(type), .cols = w->cols};
    part.values = (char *)scratch + AS_CODED_TABLE_SIZE;
    part.scales =
        (char *)part.values + lines(as_matrix_values_size(part.type, AT_ONCE * AS_PANEL, w->cols));
    as_coded_table(type, scratch);
    for (size_t panel = panel_begin, n; panel < panel_end; panel += n) {
        n = count == 1 || panel_end - panel < AT_ONCE ? 1 : AT_ONCE; // a single one stays nearer
        for (size_t i = 0; i < n; i++) kernels->coded_panel(w, panel + i, scratch, &part, i);
        part.rows =
            w->rows - panel * AS_PANEL < n * AS_PANEL ? w->rows - panel * AS_PANEL : n * AS_PANEL;
        multiply(kernels, &part, 0, n, x, rows, count, y + panel * AS_PANEL, y_stride);
    }
}
