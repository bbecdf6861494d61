// SPDX-License-Identifier: Apache-2.0
// quantize.h - a model file with its weights brought to another type.
//
// Which type a tensor gets depends on its name and shape alone:
//   - norms, biases, vectors, routers and position tables stay as they are;
//   - output.weight, and token_embd.weight where it serves as the output too, matter most: they get
//     Q6_K (Q8_0 where rows are no multiple of 256), unless the type is Q8_0 or not quantized;
//   - rows that are no multiple of the type's block fall back: Q4_K to Q5_0, Q5_K to Q5_1, Q6_K to
//     Q8_0, and where rows are no multiple of 32 either, to F16;
//   - all others get the type itself.
// Metadata is kept, but for general.file_type and general.quantization_version.
#ifndef AS_QUANTIZE_H
#define AS_QUANTIZE_H

#include "harness/engine/gguf.h"
#include "kernels/kernels.h"

// "q8_0", "q4_k", ... in any case. AS_INVALID names those there are.
as_rc as_quantize_type(as_str name, as_wtype *out, as_err *err) AS_MUST_USE;

// Appends the new file's bytes to `out`. AS_INVALID for a part of a split model, a tensor of a type
// that cannot be read, and values that the new type cannot hold.
as_rc as_quantize_file(const as_gguf *file, as_wtype type, as_buf *out, as_err *err) AS_MUST_USE;

#endif
