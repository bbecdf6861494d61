// SPDX-License-Identifier: Apache-2.0
// grid.cuh - what a block of a product works on.
#ifndef AS_GRID_CUH
#define AS_GRID_CUH

// The part, and in *unit which panel or panels of it.
AS_DEVICE const as_cuda_part *part_of(const as_cuda_product *a, uint32_t *unit) {
    const uint32_t block = block_x() / a->across;
    uint32_t i = 0;
    while (i + 1 < a->part_count && block >= a->parts[i + 1].first_block) i++;
    *unit = block - a->parts[i].first_block;
    return &a->parts[i];
}

// Which rows of the batch, in units of what a block takes.
AS_DEVICE uint32_t rows_unit(const as_cuda_product *a) {
    return block_x() % a->across;
}

// Only after wait_for_earlier: which expert, and the rows to look at, all or those of the expert.
AS_DEVICE uint32_t expert_of(const as_cuda_product *a, uint32_t *from, uint32_t *count) {
    const uint32_t expert = a->order ? a->order[block_z()] : 0;
    *from = a->order ? a->starts[expert] : 0;
    *count = a->order ? a->counts[expert] : a->count;
    return expert;
}

#endif
