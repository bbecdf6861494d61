// SPDX-License-Identifier: Apache-2.0
// coded.h - tensor types that are read but not computed with: at load, or on the way into a
// product, they become a type of kernels.h that holds every weight exactly. No I/O, no allocation,
// no errors; any thread.
#ifndef AS_CODED_H
#define AS_CODED_H

#include "kernels/kernels.h"

typedef enum as_coded {
    AS_CODED_IQ1_S,
    AS_CODED_IQ1_M,
    AS_CODED_IQ2_XXS,
    AS_CODED_IQ2_XS,
    AS_CODED_IQ2_S,
    AS_CODED_IQ3_XXS,
    AS_CODED_IQ3_S,
    AS_CODED_TQ1_0,
    AS_CODED_TQ2_0,
    AS_CODED_NVFP4,
} as_coded;

enum { AS_CODED_TYPES = AS_CODED_NVFP4 + 1 };

size_t as_coded_block(as_coded type); // weights that stand together in a file
size_t as_coded_size(as_coded type);  // bytes of a block

// IQ3_S is held as Q6_K, the other IQ types as F32 (a weight is up to 22 significant bits), TQ as
// Q4_0, NVFP4 as F16.
as_wtype as_coded_held(as_coded type);

// `n` weights of a file, n a multiple of the block, as floats; and as the bytes that a file has of
// the type that holds them. `src` needs no alignment.
void as_coded_decode(as_coded type, const void *src, size_t n, float *x);
void as_coded_recode(as_coded type, const void *src, size_t n, void *out);

// The same for out->rows <= 16 rows that lie row_size bytes apart, as one packed panel, but faster.
// False for a type that has no such way. `table` is what as_coded_table makes for the type, once
// for many panels.
enum { AS_CODED_TABLE = 2048 };
void as_coded_table(as_coded type, uint64_t *table);
bool as_coded_panel(as_coded type, const uint64_t *table, const void *src, size_t row_size,
                    const as_matrix *out);

#endif
