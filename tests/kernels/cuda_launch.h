// SPDX-License-Identifier: Apache-2.0
// cuda_launch.h - launches on the emulator, for the tests of the GPU's kernels. Include cmocka.h
// first.
#ifndef AS_CUDA_LAUNCH_H
#define AS_CUDA_LAUNCH_H

#include <stdlib.h>
#include <string.h>

#include "tests/kernels/emulator.h"
#include "tests/kernels/kernel_weights.h"

static const as_kernels *portable;

// Memory of the device that nothing has written yet.
static void *take(size_t size) {
    void *memory = as_emulator_take(size);
    assert_non_null(memory);
    memset(memory, 0xa5, (size + 63) / 64 * 64 + 64);
    return memory;
}

#define give as_emulator_give

static inline void *copied(const void *x, size_t size) {
    void *copy = take(size);
    memcpy(copy, x, size);
    return copy;
}

static inline float *floats(size_t n, int mode) {
    float *x = take(n * sizeof *x);
    if (mode >= 0) fill(x, n, mode);
    return x;
}

static inline void launch_of(as_cuda_kernel kernel, const uint32_t grid[3], uint32_t count,
                             const void *args) {
    as_emulator_launch(as_emulated_find(as_cuda_name(kernel)), grid, as_cuda_threads(kernel),
                       as_cuda_shared(kernel, count), args);
}

static inline void launch(as_cuda_kernel kernel, uint32_t x, uint32_t y, uint32_t z,
                          const void *args) {
    launch_of(kernel, (uint32_t[]){x, y, z}, 0, args);
}

static inline float *copy_of(const float *x, size_t n) {
    float *copy = floats(n, -1);
    memcpy(copy, x, n * sizeof *x);
    return copy;
}

// One rounding, as the portable table has it.
static inline float fma1(float a, float b, float c) {
    portable->axpy(&c, a, &b, 1);
    return c;
}

#endif
