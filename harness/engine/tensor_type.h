// SPDX-License-Identifier: Apache-2.0
// tensor_type.h - which tensor types of a file the kernels compute with.
#ifndef AS_TENSOR_TYPE_H
#define AS_TENSOR_TYPE_H

#include <stdbool.h>

#include "kernels/kernels.h"

// False for a type (as numbered in the file) that the engine does not compute with.
bool as_tensor_wtype(uint32_t type, as_wtype *out);
uint32_t as_tensor_type_of(as_wtype type); // the inverse
const char *as_tensor_wtype_names(void);   // all of them, for messages

#endif
