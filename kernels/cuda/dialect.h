// SPDX-License-Identifier: Apache-2.0
// dialect.h - the language that the kernels are written in: C, and the few things below.
//
// So the same text compiles with nvcc for the GPU and with a C compiler for the emulator of
// tests/kernels, which has its own form of this list and checks every kernel against the portable
// table, to the bit, where there is no GPU. Kernels use no other built-in thing of CUDA.
#ifndef AS_DIALECT_H
#define AS_DIALECT_H

#ifdef __CUDACC__

#include <cuda_fp16.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// The specification's own functions, as functions of the device.
#ifndef FP_FAST_FMAF
#define FP_FAST_FMAF 1
#endif
#define inline inline __device__
#include "kernels/angle.h"
#include "kernels/blocks.h"
#include "kernels/scalar.h"
#undef inline

#define AS_DEVICE static __device__ __forceinline__
// A kernel, and one that calls wait_for_earlier itself, after it has begun to read weights.
#define AS_KERNEL_EAGER(name, type, threads)                                                       \
    AS_DEVICE void name##_body(const type &a);                                                     \
    extern "C" __global__ void __launch_bounds__(threads, 2)                                       \
        as_##name(const __grid_constant__ type a) {                                                \
        name##_body(a);                                                                            \
    }                                                                                              \
    AS_DEVICE void name##_body(const type &a)
#define AS_KERNEL(name, type, threads)                                                             \
    AS_DEVICE void name##_body(const type &a);                                                     \
    extern "C" __global__ void __launch_bounds__(threads)                                          \
        as_##name(const __grid_constant__ type a) {                                                \
        wait_for_earlier();                                                                        \
        name##_body(a);                                                                            \
    }                                                                                              \
    AS_DEVICE void name##_body(const type &a)
#define AS_UNROLL _Pragma("unroll")
#define AS_UNROLL_BY(n) AS_PRAGMA(unroll n)
#define AS_PRAGMA(text) _Pragma(#text)
// The shared memory of the block: `name` points to it.
extern __shared__ __align__(16) unsigned char as_shared_memory[];
#define AS_SHARED(type, name) type *name = (type *)as_shared_memory

AS_DEVICE uint32_t thread_index(void) {
    return threadIdx.x;
}
AS_DEVICE uint32_t block_x(void) {
    return blockIdx.x;
}
AS_DEVICE uint32_t block_y(void) {
    return blockIdx.y;
}
AS_DEVICE uint32_t block_z(void) {
    return blockIdx.z;
}

// A kernel may begin while the one before it in the stream still runs. Everything that kernel
// writes is seen after this, which every thread comes to before it reads or writes such memory.
AS_DEVICE void wait_for_earlier(void) {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}

// All threads of the block, or of the warp, have come here; what they wrote is seen.
AS_DEVICE void sync_block(void) {
    __syncthreads();
}
AS_DEVICE void sync_warp(void) {
    __syncwarp();
}

// The x of lane `lane`, or of this lane xor `mask`. All lanes call it.
AS_DEVICE float shuffle_f32(float x, uint32_t lane) {
    return __shfl_sync(0xffffffffu, x, (int)lane);
}
AS_DEVICE float shuffle_xor_f32(float x, uint32_t mask) {
    return __shfl_xor_sync(0xffffffffu, x, (int)mask);
}
AS_DEVICE uint32_t shuffle_xor_u32(uint32_t x, uint32_t mask) {
    return __shfl_xor_sync(0xffffffffu, x, (int)mask);
}

// Reads of weights, which nobody writes; 4, 8 and 16 bytes aligned so.
typedef uint4 words4;
typedef uint2 words2;
AS_DEVICE uint32_t read_u32(const void *at) {
    return __ldg((const uint32_t *)at);
}
AS_DEVICE uint16_t read_u16(const void *at) {
    return __ldg((const uint16_t *)at);
}
AS_DEVICE uint8_t read_u8(const void *at) {
    return __ldg((const uint8_t *)at);
}
AS_DEVICE words4 read_words4(const void *at) {
    return __ldg((const uint4 *)at);
}
// Of what an earlier kernel wrote.
AS_DEVICE words2 load_words2(const void *at) {
    return *(const uint2 *)at;
}

// Byte i of the result is byte s_i of y:x, where s_i is the i-th four bits of s, below 8.
AS_DEVICE uint32_t choose_bytes(uint32_t x, uint32_t y, uint32_t s) {
    return __byte_perm(x, y, s);
}

AS_DEVICE float widen_half(uint16_t bits) {
    return __half2float(__ushort_as_half(bits));
}
AS_DEVICE uint16_t narrow_half(float x) {
    return __half_as_ushort(__float2half_rn(x));
}

// c += a b, of signed bytes: a is 16 rows by 32 (16) deep, b that by 8 columns. Lane 4 i + j holds
// of a the four j of rows i and i + 8, then (at depth 32) the four j + 4 of both; of b those of
// column i; of c columns 2 j and 2 j + 1 of row i, then of row i + 8.
AS_DEVICE void mma_32(int32_t c[4], const uint32_t a[4], uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
AS_DEVICE void mma_16(int32_t c[4], uint32_t a0, uint32_t a1, uint32_t b) {
    asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5}, {%6}, "
        "{%0,%1,%2,%3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a0), "r"(a1), "r"(b));
}

#elif !defined(AS_EMULATED)
#error "for nvcc, or for the emulator of tests/kernels, which defines AS_EMULATED"
#endif

#endif
