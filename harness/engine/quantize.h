// SPDX-License-Identifier: Apache-2.0
// quantize.h - a model file with its weights brought to another type, by a recipe (recipe.h).
//
// Metadata is kept, but for general.file_type, general.quantization_version, which come last, and
// split.*: of a model in parts one file is made.
#ifndef AS_QUANTIZE_H
#define AS_QUANTIZE_H

#include "harness/engine/recipe.h"

// Appends the new file's bytes to `out`, the same with any number of threads. AS_INVALID for a
// tensor of a type that cannot be read, and values that the new type cannot hold. `file` may be
// that of an as_shards.
as_rc as_quantize_file(const as_gguf *file, const as_recipe *recipe, size_t threads, as_buf *out,
                       as_err *err) AS_MUST_USE;

#endif
