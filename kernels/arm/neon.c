// SPDX-License-Identifier: Apache-2.0
// neon.c - Advanced SIMD as every 64-bit Arm has it.
#include <arm_neon.h>

#include "kernels/wide/inline.h"

// A product is at most 128 * 127 and two of them fit 16 bits; they are added up in 32.
INLINE int32x4_t dot_fours(int32x4_t acc, int8x16_t w, int8x16_t q) {
    int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(q)));
    int32x4_t high = vpaddlq_s16(vmull_high_s8(w, q));
    return vaddq_s32(acc, vpaddq_s32(low, high));
}

#define TABLE as_kernels_neon
#define TABLE_NAME "neon"
#include "kernels/arm/neon.h"
