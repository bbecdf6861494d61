// SPDX-License-Identifier: Apache-2.0
// kernels.cu - all kernels, as one module.
#include "kernels/cuda/attention.cu"
#include "kernels/cuda/draw.cu"
#include "kernels/cuda/experts.cu"
#include "kernels/cuda/fast.cu"
#include "kernels/cuda/fast_blocks.cu"
#include "kernels/cuda/floats.cu"
#include "kernels/cuda/outputs.cu"
#include "kernels/cuda/products.cu"
#include "kernels/cuda/rows.cu"

static_assert(sizeof(few_shared) == AS_CUDA_SHARED_FEW, "launch.c says otherwise");
static_assert(sizeof(fast_few_shared) == AS_CUDA_SHARED_FAST_FEW, "launch.c says otherwise");
static_assert(sizeof(coded_shared) == AS_CUDA_SHARED_FAST_CODED, "launch.c says otherwise");
static_assert(sizeof(fast_shared) == AS_CUDA_SHARED_FAST_MANY, "launch.c says otherwise");
static_assert(sizeof(many_shared) == AS_CUDA_SHARED_MANY, "launch.c says otherwise");
static_assert(sizeof(slab_shared) == AS_CUDA_SHARED_FEW_FLOATS, "launch.c says otherwise");
static_assert(sizeof(many_floats_shared) == AS_CUDA_SHARED_MANY_FLOATS, "launch.c says otherwise");
static_assert(sizeof(lanes_shared) == AS_CUDA_SHARED_LANES, "launch.c says otherwise");
static_assert(sizeof(draw_shared) == AS_CUDA_SHARED_DRAW, "launch.c says otherwise");
static_assert(sizeof(place_shared) == AS_CUDA_SHARED_PLACE, "launch.c says otherwise");
static_assert(sizeof(scores_shared) == AS_CUDA_SHARED_SCORES, "launch.c says otherwise");
static_assert(sizeof(mix_shared) == AS_CUDA_SHARED_MIX, "launch.c says otherwise");
static_assert(sizeof(sort_shared) == AS_CUDA_SHARED_SORT, "launch.c says otherwise");
