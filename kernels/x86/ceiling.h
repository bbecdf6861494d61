// SPDX-License-Identifier: Apache-2.0
// ceiling.h - what this core can do at most: for the benchmark only, not part of the library.
#ifndef AS_CEILING_H
#define AS_CEILING_H

// Each runs `rounds` rounds of independent register-only instructions and returns the operations
// done (a multiplication and an addition count as two). Call the AVX-512 ones only where
// as_kernels_available lists that table.
double as_ceiling_fma_avx2(long rounds);
double as_ceiling_fma_avx512(long rounds);
double as_ceiling_maddubs_avx2(long rounds); // sign, maddubs, madd, add: 32 products
double as_ceiling_dpbusd_avx512(long rounds);

#endif
