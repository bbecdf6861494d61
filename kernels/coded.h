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
size_t as_coded_size(as_coded type);  // bytes of a block, an even number

// The IQ types are held as Q8_16, TQ as Q4_0, NVFP4 as F16.
as_wtype as_coded_held(as_coded type);

// `n` weights of a file, n a multiple of the block, as floats; and as the bytes that a file has of
// the type that holds them (Q8_16: d, scales[16], signed bytes[256]). `src` needs no alignment.
void as_coded_decode(as_coded type, const void *src, size_t n, float *x);
void as_coded_recode(as_coded type, const void *src, size_t n, void *out);

// Rows of a file's blocks as panels of 16, whose words of 16 bits lie [panel][word][16 rows]; rows
// past the end are zero.
size_t as_coded_row_size(as_coded type, size_t cols);
size_t as_coded_packed_size(as_coded type, size_t rows, size_t cols);
void as_coded_pack(as_coded type, size_t rows, size_t cols, const void *src, void *out);
void as_coded_row(const as_matrix *w, size_t row, float *x); // as_matrix_row of what is so packed

// For as_kernels.coded_panel: what it makes (of TQ bytes, which are there sooner and have the same
// products); the table of a type that it wants, once for many panels: each entry of a codebook, a
// byte a weight, which is its integer and 128, of IQ1 one more (of IQ2 and IQ3, also their
// codebook as grids.h has it, from AS_CODED_GRID_AT on); and what all tables do with NVFP4.
enum { AS_CODED_TABLE_SIZE = 2048 * 8, AS_CODED_GRID_AT = AS_CODED_TABLE_SIZE / 2 };
as_wtype as_coded_panel_type(as_coded type);
void as_coded_table(as_coded type, void *table);
void as_coded_nvfp4_panel(const as_matrix *w, size_t panel, const as_matrix *out, size_t at);

#endif
