// SPDX-License-Identifier: Apache-2.0
// dotprod.c - and the dot products of Armv8.2: four bytes by four in one instruction.
#include <arm_neon.h>

#include "kernels/wide/inline.h"

INLINE int32x4_t dot_fours(int32x4_t acc, int8x16_t w, int8x16_t q) {
    return vdotq_s32(acc, w, q);
}

#define TABLE as_kernels_dotprod
#define TABLE_NAME "dotprod"
#include "kernels/arm/neon.h"
