// SPDX-License-Identifier: Apache-2.0
// backend_cuda.h - NVIDIA's GPUs as backends: cuda:0 is as_backend_cuda[0]. An answer has the bits
// of the CPU's. cuda:0-fast is [1]: products with F16 and BF16 weights on the tensor cores, within
// the bound that kernels/cuda/fast.cu states; its bits are its own, and depend on batches as
// little.
#ifndef AS_BACKEND_CUDA_H
#define AS_BACKEND_CUDA_H

#include "harness/engine/backend.h"

enum { AS_CUDA_DEVICES = 8 };

// open() says what is missing where there is no driver, no such device, or no kernels in the build.
extern const as_backend as_backend_cuda[2 * AS_CUDA_DEVICES];

#endif
