// SPDX-License-Identifier: Apache-2.0
// launch.c - what the host has to know of a kernel to launch it: its name, its threads, its shared
// memory, the grid of a product. No call of a driver is here.
#include "kernels/cuda/cuda.h"

#include "kernels/blocks.h"

static uint32_t up(uint32_t n, uint32_t by) {
    return (n + by - 1) / by;
}

// More rows of small matrices, too, for which `many` has too few blocks; both have the same bits.
static bool takes_few(const as_cuda_product *product, as_wtype type, uint32_t count,
                      uint32_t experts) {
    uint32_t panels = 0;
    for (uint32_t i = 0; i < product->part_count; i++)
        panels += up(product->parts[i].rows, AS_PANEL);
    return count <= AS_CUDA_FEW_ROWS || (experts == 1 && as_wtype_quantized(type) &&
                                         panels * up(count, AS_CUDA_TILE) <= AS_CUDA_FEW_BLOCKS);
}

as_cuda_kernel as_cuda_plan(as_cuda_product *product, as_wtype type, uint32_t count,
                            uint32_t experts, uint32_t grid[3]) {
    return as_cuda_plan_as(product, type, takes_few(product, type, count, experts), count, experts,
                           grid);
}

as_cuda_kernel as_cuda_plan_as(as_cuda_product *product, as_wtype type, bool few, uint32_t count,
                               uint32_t experts, uint32_t grid[3]) {
    bool fast = product->fast && product->cols % 16 == 0 && type != AS_W_F32;
    bool coded = fast && as_wtype_quantized(type);
    uint32_t panels = !few ? AS_CUDA_MANY_PANELS : fast && !coded ? AS_CUDA_FAST_FEW_PANELS : 1;
    uint32_t rows = few ? AS_CUDA_TILE : AS_CUDA_MANY_ROWS;
    if (coded && !few) {
        panels = AS_CUDA_FAST_CODED_PANELS;
        rows = AS_CUDA_FAST_CODED_ROWS;
    }
    uint32_t blocks = 0;
    for (uint32_t i = 0; i < product->part_count; i++) {
        product->parts[i].first_block = blocks;
        blocks += up(up(product->parts[i].rows, AS_PANEL), panels);
    }
    product->across = up(count, rows);
    grid[0] = product->across * blocks;
    grid[1] = 1;
    grid[2] = experts;
    if (fast)
        return (as_cuda_kernel)((few ? AS_CUDA_K_fast_few_f16 : AS_CUDA_K_fast_many_f16) +
                                (uint32_t)(type - AS_W_F16));
    return (as_cuda_kernel)((few ? AS_CUDA_K_few_f32 : AS_CUDA_K_many_f32) + (uint32_t)type);
}

// Of a block of fast_blocks.cu: eight warps with two segments each, their scales and their sums.
static uint32_t fast_few_size(as_wtype type) {
    wfacts facts = wfacts_of(type);
    size_t scales = (size_t)(SUPER / facts.group * AS_PANEL) * sizeof(uint32_t);
    return (uint32_t)(8 * (2 * span_size(facts) + scales) + 2 * 8 * 8 * 20 * sizeof(float));
}

// The structs of shared memory are the kernels' own; that these sizes are theirs is asserted where
// both can be seen, in kernels.cu.
uint32_t as_cuda_shared(as_cuda_kernel kernel, uint32_t count) {
    if (kernel >= AS_CUDA_K_few_q8_0 && kernel <= AS_CUDA_K_few_q8_16)
        return AS_CUDA_SHARED_FEW +
               (count < AS_CUDA_TILE ? count : AS_CUDA_TILE) * AS_CUDA_SHARED_FEW_ROW;
    if (kernel <= AS_CUDA_K_few_bf16) return AS_CUDA_SHARED_FEW_FLOATS;
    if (kernel >= AS_CUDA_K_many_f32 && kernel <= AS_CUDA_K_many_bf16)
        return AS_CUDA_SHARED_MANY_FLOATS;
    if (kernel >= AS_CUDA_K_many_q8_0 && kernel <= AS_CUDA_K_many_q8_16) return AS_CUDA_SHARED_MANY;
    if (kernel >= AS_CUDA_K_fast_few_q8_0 && kernel <= AS_CUDA_K_fast_few_q8_16)
        return fast_few_size((as_wtype)(AS_W_Q8_0 + (kernel - AS_CUDA_K_fast_few_q8_0)));
    if (kernel >= AS_CUDA_K_fast_many_q8_0 && kernel <= AS_CUDA_K_fast_many_q8_16)
        return AS_CUDA_SHARED_FAST_CODED;
    switch (kernel) {
    case AS_CUDA_K_finish:
    case AS_CUDA_K_settle:
    case AS_CUDA_K_weigh:
    case AS_CUDA_K_choose:
    case AS_CUDA_K_combine:
    case AS_CUDA_K_facts:
        return AS_CUDA_SHARED_LANES;
    case AS_CUDA_K_fast_few_f16:
    case AS_CUDA_K_fast_few_bf16:
        return AS_CUDA_SHARED_FAST_FEW;
    case AS_CUDA_K_fast_many_f16:
    case AS_CUDA_K_fast_many_bf16:
        return AS_CUDA_SHARED_FAST_MANY;
    case AS_CUDA_K_draw:
        return AS_CUDA_SHARED_DRAW;
    case AS_CUDA_K_place:
        return AS_CUDA_SHARED_PLACE;
    case AS_CUDA_K_scores:
        return AS_CUDA_SHARED_SCORES;
    case AS_CUDA_K_mix:
        return AS_CUDA_SHARED_MIX;
    case AS_CUDA_K_sort:
        return AS_CUDA_SHARED_SORT;
    default:
        return 0;
    }
}

#define NAME(name, type, threads) "as_" #name,
#define THREADS(name, type, threads) threads,

const char *as_cuda_name(as_cuda_kernel kernel) {
    static const char *const names[] = {AS_CUDA_KERNELS(NAME)};
    return names[kernel];
}

uint32_t as_cuda_threads(as_cuda_kernel kernel) {
    static const uint32_t threads[] = {AS_CUDA_KERNELS(THREADS)};
    return threads[kernel];
}
