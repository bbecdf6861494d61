// SPDX-License-Identifier: Apache-2.0
// emulated.c - the kernels of the GPU as C: the emulator's form of the list in
// kernels/cuda/dialect.h, and the same sources.
#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/angle.h"
#include "kernels/blocks.h"
#include "kernels/scalar.h"
#include "tests/kernels/emulator.h"

#define AS_EMULATED
#define AS_DEVICE static inline
#define AS_UNROLL
#define AS_UNROLL_BY(n)
#define AS_KERNEL_EAGER AS_KERNEL
#define AS_KERNEL_TWICE AS_KERNEL
#define AS_KERNEL(name, type, threads)                                                             \
    static void name(const type a);                                                                \
    static void name##_enter(const void *args) {                                                   \
        name(*(const type *)args);                                                                 \
    }                                                                                              \
    static void name(const type a)
#define AS_SHARED(type, name) type *name = as_emulated_here.shared

AS_DEVICE uint32_t thread_index(void) {
    return as_emulated_here.thread;
}
AS_DEVICE uint32_t block_x(void) {
    return as_emulated_here.block[0];
}
AS_DEVICE uint32_t block_y(void) {
    return as_emulated_here.block[1];
}
AS_DEVICE uint32_t block_z(void) {
    return as_emulated_here.block[2];
}

AS_DEVICE void wait_for_earlier(void) {}
AS_DEVICE void sync_block(void) {
    as_emulated_sync_block();
}
AS_DEVICE void sync_warp(void) {
    as_emulated_sync_warp();
}
AS_DEVICE float shuffle_f32(float x, uint32_t lane) {
    return bits_float(as_emulated_shuffle(float_bits(x), lane));
}
AS_DEVICE uint32_t shuffle_xor_u32(uint32_t x, uint32_t mask) {
    return as_emulated_shuffle(x, thread_index() ^ mask);
}
AS_DEVICE float shuffle_xor_f32(float x, uint32_t mask) {
    return bits_float(shuffle_xor_u32(float_bits(x), mask));
}

typedef as_emulated_words4 words4;
typedef as_emulated_words2 words2;
// Plain reads at types of that alignment: the undefined-behaviour sanitizer sees a crooked one.
AS_DEVICE uint32_t read_u32(const void *at) {
    return *(const uint32_t *)at;
}
AS_DEVICE uint16_t read_u16(const void *at) {
    return *(const uint16_t *)at;
}
AS_DEVICE uint8_t read_u8(const void *at) {
    return *(const uint8_t *)at;
}
AS_DEVICE uint32_t load_u32(const void *at) {
    return *(const uint32_t *)at;
}
AS_DEVICE words2 load_words2(const void *at) {
    uint64_t both = *(const uint64_t *)at;
    return (words2){(uint32_t)both, (uint32_t)(both >> 32)};
}
AS_DEVICE words4 load_words4(const void *at) {
    words4 out;
    if ((uintptr_t)at % 16) as_emulated_fail("four words that are not aligned");
    memcpy(&out, at, sizeof out);
    return out;
}
typedef struct floats4 {
    float x, y, z, w;
} floats4;
AS_DEVICE floats4 load_floats4(const float *at) {
    floats4 out;
    if ((uintptr_t)at % 16) as_emulated_fail("four floats that are not aligned");
    memcpy(&out, at, sizeof out);
    return out;
}
#define read_words4 load_words4

AS_DEVICE uint32_t add_shared(uint32_t *at, uint32_t x) {
    *at += x;
    return *at - x;
}

AS_DEVICE uint32_t choose_bytes(uint32_t x, uint32_t y, uint32_t s) {
    uint64_t both = (uint64_t)y << 32 | x;
    uint32_t out = 0;
    for (uint32_t i = 0; i < 4; i++)
        out |= (uint32_t)(both >> 8 * (s >> 4 * i & 7) & 0xff) << 8 * i;
    return out;
}

AS_DEVICE float widen_half(uint16_t bits) {
    return half_to_float(bits);
}
AS_DEVICE uint16_t narrow_half(float x) {
    return as_float_to_half(x);
}

#define copy_16 as_emulated_copy
#define commit_copies as_emulated_commit
#define wait_copies as_emulated_wait

AS_DEVICE void mma_32(int32_t c[4], const uint32_t a[4], uint32_t b0, uint32_t b1, int32_t start) {
    const uint32_t b[2] = {b0, b1};
    for (int i = 0; i < 4; i++) c[i] = start;
    as_emulated_mma(c, a, b, 2);
}
AS_DEVICE void mma_16(int32_t c[4], uint32_t a0, uint32_t a1, uint32_t b, int32_t start) {
    const uint32_t a[2] = {a0, a1};
    for (int i = 0; i < 4; i++) c[i] = start;
    as_emulated_mma(c, a, &b, 1);
}

AS_DEVICE float half_range(float x) {
    return x > 65504.0f ? 65504.0f : x < -65504.0f ? -65504.0f : x;
}
AS_DEVICE uint32_t pack_halves(float x, float y) {
    return as_float_to_half(half_range(x)) | (uint32_t)as_float_to_half(half_range(y)) << 16;
}
AS_DEVICE uint32_t to_bf16(float x) {
    uint32_t bits = float_bits(x);
    return x != x ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}
AS_DEVICE uint32_t pack_bf16(float x, float y) {
    return to_bf16(x) | to_bf16(y) << 16;
}
AS_DEVICE float half_at(uint32_t halves, int i) {
    return half_to_float((uint16_t)(halves >> 16 * i));
}
// a b + c of a half each; the product is exact in double.
AS_DEVICE uint32_t fma_half(float a, float b, float c) {
    return as_float_to_half((float)((double)a * (double)b + (double)c));
}
AS_DEVICE uint32_t add_halves(uint32_t a, uint32_t b) {
    return fma_half(half_at(a, 0), 1.0f, half_at(b, 0)) |
           fma_half(half_at(a, 1), 1.0f, half_at(b, 1)) << 16;
}
AS_DEVICE uint32_t scale_halves_above(uint32_t a, uint32_t scales) {
    float s = half_at(scales, 0), m = half_at(scales, 1);
    return fma_half(half_at(a, 0), s, m) | fma_half(half_at(a, 1), s, m) << 16;
}
AS_DEVICE uint32_t scale_halves(uint32_t a, uint32_t scales) {
    return scale_halves_above(a, scales & 0xffffu);
}
#define mma_halves(c, a, b0, b1) as_emulated_mma_16(c, a, b0, b1, half_to_float)
#define mma_bf16(c, a, b0, b1) as_emulated_mma_16(c, a, b0, b1, bf16_to_float)
#define load_matrices as_emulated_matrices

#include "kernels/cuda/kernels.cu"

#define ENTRY(name, type, threads) {"as_" #name, name##_enter, sizeof(type), threads},

const as_emulated *as_emulated_find(const char *name) {
    static const as_emulated all[] = {AS_CUDA_KERNELS(ENTRY)};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].name, name) == 0) return &all[i];
    return NULL;
}
