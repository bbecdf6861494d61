// SPDX-License-Identifier: Apache-2.0
// image.h - the kernels as nvcc made them, to be given to a driver.
#ifndef AS_IMAGE_H
#define AS_IMAGE_H

#include <stddef.h>

// NULL in a program that was built without nvcc.
const void *as_cuda_image(size_t *size);

#endif
