// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/image.h"

#ifdef AS_CUDA_IMAGE
// The file goes into the program as it is; the driver wants it aligned.
__asm__(".pushsection .rodata\n"
        ".balign 64\n"
        ".global as_cuda_image_begin\n"
        "as_cuda_image_begin:\n"
        ".incbin \"" AS_CUDA_IMAGE "\"\n"
        ".global as_cuda_image_end\n"
        "as_cuda_image_end:\n"
        ".byte 0\n"
        ".popsection\n");
extern const unsigned char as_cuda_image_begin[], as_cuda_image_end[];

const void *as_cuda_image(size_t *size) {
    *size = (size_t)(as_cuda_image_end - as_cuda_image_begin);
    return as_cuda_image_begin;
}
#else
const void *as_cuda_image(size_t *size) {
    *size = 0;
    return NULL;
}
#endif
