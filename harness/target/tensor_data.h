// SPDX-License-Identifier: Apache-2.0
// tensor_data.h - tensors of the Open Inference Protocol's binary extension: the elements one after
// the other in little-endian order; a text (BYTES) is its length in four bytes and then itself.
#ifndef AS_TENSOR_DATA_H
#define AS_TENSOR_DATA_H

#include "harness/base/json.h"

// The elements of `data`, a list of texts (BYTES) or numbers (FP32, FP64, INT32, INT64).
void as_tensor_write(as_buf *out, as_str datatype, const as_json *data);

// A list of texts or numbers: BYTES, BOOL, (U)INT8 to 64, FP16, BF16, FP32, FP64. NULL when the
// bytes are none of them or not a whole number of elements. What is no UTF-8 in a text becomes
// U+FFFD.
const as_json *as_tensor_read(as_arena *arena, as_str datatype, as_str bytes);

// Where the JSON object at the start of a body ends: its length, or the body's if it does not.
size_t as_tensor_head(as_str body);

#endif
