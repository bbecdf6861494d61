// SPDX-License-Identifier: Apache-2.0
// lora.h - a low-rank adapter in a GGUF file: for some matrices W of a model, A [rank][cols] and B
// [rows][rank], so that y = W x + alpha / rank * B (A x). Applied beside W, whose own storage stays
// what it is.
//
// An as_lora points into the file it was read from. Immutable: any thread.
#ifndef AS_LORA_H
#define AS_LORA_H

#include "harness/engine/arch.h"

enum { AS_LORA_RANK_MAX = 4096 };

typedef struct as_lora {
    const as_gguf *file;
    double alpha; // 0: the factor is 1
    bool *known;  // [tensor_count] tensors that were asked for
} as_lora;

typedef struct as_lora_pair {
    const as_gguf_tensor *a, *b; // NULL: the matrix is not adapted
    size_t rank;
    float scale;
} as_lora_pair;

// Checks that the file is an adapter for models of that architecture.
as_rc as_lora_read(as_lora *out, const as_arch *arch, const as_gguf *file, as_err *err) AS_MUST_USE;
void as_lora_free(as_lora *lora); // also for a zeroed one

// What adapts the model's tensor `name`, of shape [rows][cols].
as_rc as_lora_find(const as_lora *lora, const char *name, size_t rows, size_t cols,
                   as_lora_pair *out, as_err *err) AS_MUST_USE;

// AS_INVALID when there is a tensor that was not asked for: it would be ignored.
as_rc as_lora_finish(const as_lora *lora, as_err *err) AS_MUST_USE;

// n values from `first` on.
void as_lora_values(const as_gguf_tensor *tensor, size_t first, size_t n, float *out);

#endif
