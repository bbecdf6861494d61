// SPDX-License-Identifier: Apache-2.0
// gpu_pass.h - launches that the passes of decoders (gpu_forward.c) and encoders (gpu_encoder.c)
// are made of. Private to harness/engine/gpu/.
#ifndef AS_GPU_PASS_H
#define AS_GPU_PASS_H

#include "harness/engine/gpu/gpu.h"

// One launch after the other; after a failure nothing more is launched.
typedef struct as_gpu_pass {
    as_gpu_lane *lane;
    const as_gpu *gpu;
    const as_hparams *p;
    as_gpu_scratch *s;
    const as_gpu_plan *plan;
    as_rc rc;
    as_err *err;
} as_gpu_pass;

// A grid with a side of 0 is nothing to do.
void as_gpu_kernel(as_gpu_pass *f, as_cuda_kernel kernel, size_t x, size_t y, size_t z, void *args);

// A matrix, what adapts it, and where its product goes.
typedef struct as_gpu_factor {
    const as_matrix *w;
    const as_low_rank *delta; // or NULL
    float *y;
} as_gpu_factor;

as_cuda_part as_gpu_part(const as_gpu_pass *f, const as_gpu_factor *of);

// `count` rows at most an expert; experts 1: no mixture.
void as_gpu_launch_product(as_gpu_pass *f, as_cuda_product *product, as_wtype type, uint32_t count,
                           size_t experts);

// Products of the same rows; those of one type go together. Rows were quantized if a type wants it.
void as_gpu_multiply(as_gpu_pass *f, const as_gpu_factor *factors, size_t n, const float *x,
                     size_t count);

bool as_gpu_quantizes(const as_matrix *w); // whether products with it take quantized rows

// x[count][n], as rows of their own.
void as_gpu_quantize(as_gpu_pass *f, const float *x, size_t n, size_t count);

// What the rows of a layer look at.
typedef struct as_gpu_sight {
    const void *keys, *values; // as of as_cuda_place
    size_t slots;
    as_kv kv;
    uint32_t window;    // 0: none
    const float *sinks; // the model's, or NULL
} as_gpu_sight;

// s->mixed from s->q, and quantized if products with `output` want it: as many spans at once as
// there is room for scores.
void as_gpu_attend(as_gpu_pass *f, const as_gpu_sight *sight, const as_matrix *output);

#endif
