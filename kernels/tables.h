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
extern const as_kernels as_kernels_amx;    // and tiles of bytes

// matmul_quant of the last two.
void as_avx512_matmul_quant(const as_matrix *w, size_t panel_begin, size_t panel_end,
                            const as_qrows *x, size_t count, float *y, size_t y_stride);
void as_amx_matmul_quant(const as_matrix *w, size_t panel_begin, size_t panel_end,
                         const as_qrows *x, size_t count, float *y, size_t y_stride);

// Whether this CPU and its operating system run the table.
bool as_detect_avx2(void);
bool as_detect_avx512(void);
bool as_detect_amx(void); // asks Linux for the tiles' state, too: for all threads of the process
#endif

#ifdef AS_KERNELS_ARM
extern const as_kernels as_kernels_neon;    // Advanced SIMD
extern const as_kernels as_kernels_dotprod; // and its dot products of bytes

bool as_detect_dotprod(void);
#endif

#endif
