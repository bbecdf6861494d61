// SPDX-License-Identifier: Apache-2.0
// tables.h - the tables that select.c chooses from. Private to kernels/.
#ifndef AS_TABLES_H
#define AS_TABLES_H

#include <stdbool.h>

#include "kernels/kernels.h"

extern const as_kernels as_kernels_portable;

#ifdef AS_KERNELS_X86
extern const as_kernels as_kernels_avx2;   // AVX2, FMA, F16C
extern const as_kernels as_kernels_avx512; // and AVX-512 F, BW, DQ, VL, VNNI

// Whether this CPU and its operating system run the table.
bool as_detect_avx2(void);
bool as_detect_avx512(void);
#endif

#endif
