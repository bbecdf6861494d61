// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/memory/layout.h"

#include "harness/base/arena.h"

void *as_layout_part(as_layout *l, size_t count, size_t size) {
    void *at = l->memory ? l->memory + l->used : NULL;
    size_t bytes = as_size_mul(count, size) + AS_LAYOUT_ALIGNMENT - 1;
    l->used += bytes / AS_LAYOUT_ALIGNMENT * AS_LAYOUT_ALIGNMENT;
    return at;
}

float *as_layout_floats(as_layout *l, size_t rows, size_t cols) {
    return as_layout_part(l, as_size_mul(rows, cols), sizeof(float));
}

as_qrows as_layout_qrows(as_layout *l, size_t rows, size_t widest) {
    size_t blocks = as_size_mul(rows, widest / AS_QBLOCK);
    as_qrows q = {.q = as_layout_part(l, rows, widest)};
    q.d = as_layout_floats(l, blocks, 1);
    q.sums = as_layout_floats(l, blocks, 1);
    q.offsets = as_layout_part(l, blocks, sizeof *q.offsets);
    q.halves = as_layout_part(l, blocks, 2 * sizeof *q.halves);
    return q;
}
