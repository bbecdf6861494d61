// SPDX-License-Identifier: Apache-2.0
// kernel_weights.h - weights of every type as a file holds them, made to disagree, for the tests of
// products. Include cmocka.h first.
#ifndef AS_KERNEL_WEIGHTS_H
#define AS_KERNEL_WEIGHTS_H

#include "kernels/kernels.h"
#include "tests/kernels/kernel_inputs.h"

static const char *const type_names[AS_WTYPES_ALL] = {
    "f32",  "f16",  "bf16", "q8_0", "q4_0",   "q4_1",   "q5_0",  "q5_1",  "q2_k",
    "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs", "mxfp4", "q8_16",
};

static inline void put_half(unsigned char *at, int mode) {
    uint16_t half = as_float_to_half(random_unit() * (mode == 2   ? 1e-6f
                                                      : mode >= 5 ? 0x1p-7f
                                                                  : 1.0f));
    if (mode == 3) half = (uint16_t)(random_bits() & 0xfbffu); // finite, all exponents
    memcpy(at, &half, 2);
}

// Any bits, but for d and m, which would mostly be large; from mode 5 on they are as
// small as those of a model, and in mode 5 all codes at one end.
static inline void fill_block(as_wtype type, unsigned char *at, size_t size, int mode) {
    static const short places[AS_WTYPES_ALL][2] = {
        [AS_W_Q8_0] = {0, -1},   [AS_W_Q4_0] = {0, -1},   [AS_W_Q4_1] = {0, 2},
        [AS_W_Q5_0] = {0, -1},   [AS_W_Q5_1] = {0, 2},    [AS_W_Q2_K] = {80, 82},
        [AS_W_Q3_K] = {108, -1}, [AS_W_Q4_K] = {0, 2},    [AS_W_Q5_K] = {0, 2},
        [AS_W_Q6_K] = {208, -1}, [AS_W_IQ4_NL] = {0, -1}, [AS_W_IQ4_XS] = {0, -1},
        [AS_W_MXFP4] = {-1, -1}, [AS_W_Q8_16] = {0, -1},
    };
    unsigned char same = random_below(4) ? 0x00 : 0xff;
    if (type == AS_W_Q8_0 || type == AS_W_Q8_16) same = random_below(4) ? 0x80 : 0x7f;
    for (size_t i = 0; i < size; i++)
        at[i] = mode == 5 ? same : (unsigned char)(random_bits() & 0xff);
    if (type == AS_W_MXFP4) at[0] = (unsigned char)(mode == 3 ? at[0] : 115 + random_below(16));
    for (size_t i = 0; i < 2; i++)
        if (places[type][i] != -1) put_half(at + (places[type][i]), mode);
}

// `n` weights.
static inline void fill_weights(as_wtype type, unsigned char *file, size_t n, int mode) {
    if (type == AS_W_F32) {
        fill((float *)(void *)file, n, mode);
    } else if (type == AS_W_F16) {
        for (size_t i = 0; i < n; i++) {
            uint16_t half = as_float_to_half(random_of_mode(mode));
            if (mode == 1) half = (uint16_t)(random_bits() & 0xfbffu); // finite, all exponents
            memcpy(file + 2 * i, &half, 2);
        }
    } else if (type == AS_W_BF16) {
        for (size_t i = 0; i < n; i++) {
            float x = random_of_mode(mode);
            memcpy(file + 2 * i, (unsigned char *)&x + 2, 2);
        }
    } else {
        size_t block = as_wtype_block(type), size = as_wtype_size(type, block);
        for (size_t b = 0; b < n / block; b++) fill_block(type, file + b * size, size, mode);
    }
}

#endif
