// SPDX-License-Identifier: Apache-2.0
// packing.h - the matrices of a model from their files into memory, as kernels.h wants them: by all
// processors at once, and what has been read is let go of.
#ifndef AS_PACKING_H
#define AS_PACKING_H

#include "harness/engine/gguf.h"
#include "kernels/kernels.h"

typedef struct as_packing_job {
    as_matrix matrix; // all set; values and scales are written
    uint32_t type;    // of the tensor
    const unsigned char *from;
    size_t row_size; // bytes
} as_packing_job;

typedef struct as_packing {
    as_packing_job *jobs; // [count]
    size_t count, room;
    bool forget; // what is read lies in a mapped file
} as_packing;

// `rows` rows of a tensor from `first` on, whatever its shape: rows lie one after the other.
void as_packing_add(as_packing *packing, const as_matrix *matrix, const as_gguf_tensor *tensor,
                    size_t first);

// Does all jobs. Whoever called may be joined by up to `threads` - 1 others.
void as_packing_run(as_packing *packing, size_t threads);

void as_packing_free(as_packing *packing);

#endif
