// SPDX-License-Identifier: Apache-2.0
// tensor_type.h - which tensor types of a file are read, and as what. Types are numbered as in the
// file.
#ifndef AS_TENSOR_TYPE_H
#define AS_TENSOR_TYPE_H

#include <stdbool.h>

#include "kernels/kernels.h"

// The type that the kernels compute with: the tensor's own, or for types that are only decoded
// (coded.h) one that holds every weight exactly. False for a type that is not read.
bool as_tensor_wtype(uint32_t type, as_wtype *out);
unsigned as_tensor_coded(uint32_t type);   // as_matrix.coded: 0 unless it is only decoded
uint32_t as_tensor_type_of(as_wtype type); // the inverse of as_tensor_wtype, for its own types
const char *as_tensor_wtype_names(void);   // all of them, for messages

// `n` weights of a type that is read: as floats, and (types that are only decoded) in the bytes of
// the type that as_tensor_wtype gives.
void as_tensor_decode(uint32_t type, const void *src, size_t n, float *x);
void as_tensor_recode(uint32_t type, const void *src, size_t n, void *out);

#endif
