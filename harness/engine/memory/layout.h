// SPDX-License-Identifier: Apache-2.0
// layout.h - one piece of memory for many arrays. It is laid out twice: first to add it up, then to
// hand it out. Pure.
#ifndef AS_LAYOUT_H
#define AS_LAYOUT_H

#include "kernels/kernels.h"

enum { AS_LAYOUT_ALIGNMENT = 64 }; // of `memory` and of each part

typedef struct as_layout {
    unsigned char *memory; // NULL: adding up
    size_t used;           // bytes
} as_layout;

void *as_layout_part(as_layout *layout, size_t count, size_t size); // NULL while adding up
float *as_layout_floats(as_layout *layout, size_t rows, size_t cols);

// Quantized rows of at most `widest` values, a multiple of AS_QBLOCK; their `cols` is the caller's.
as_qrows as_layout_qrows(as_layout *layout, size_t rows, size_t widest);

#endif
