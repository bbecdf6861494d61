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
// One of which two blocks share a multiprocessor.
#define AS_KERNEL_TWICE(name, type, threads)                                                       \
    AS_DEVICE void name##_body(const type &a);                                                     \
    extern "C" __global__ void __launch_bounds__(threads, 2)                                       \
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
// Of what an earlier kernel wrote, or this block.
AS_DEVICE uint32_t load_u32(const void *at) {
    return *(const uint32_t *)at;
}
AS_DEVICE words2 load_words2(const void *at) {
    return *(const uint2 *)at;
}
AS_DEVICE words4 load_words4(const void *at) {
    return *(const uint4 *)at;
}
typedef float4 floats4;
AS_DEVICE floats4 load_floats4(const float *at) {
    return *(const float4 *)at;
}

// Adds to a word of shared memory, one thread after the other; what was there before.
AS_DEVICE uint32_t add_shared(uint32_t *at, uint32_t x) {
    return atomicAdd(at, x);
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

// Copies 16 bytes into shared memory, both ends aligned so, while the thread goes on. Copies up to
// a `commit` are a group; after wait_copies(n) those of all but the last n groups of this thread
// are there, and after a sync_block behind it those of the others.
AS_DEVICE void copy_16(void *shared, const void *from) {
    uint32_t to = (uint32_t)__cvta_generic_to_shared(shared);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
AS_DEVICE void commit_copies(void) {
    asm volatile("cp.async.commit_group;" ::: "memory");
}
#define wait_copies(n) asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory")

// c = start + a b, of signed bytes: a is 16 rows by 32 (16) deep, b that by 8 columns. Lane 4 i + j
// holds of a the four j of rows i and i + 8, then (at depth 32) the four j + 4 of both; of b those
// of column i; of c columns 2 j and 2 j + 1 of row i, then of row i + 8.
AS_DEVICE void mma_32(int32_t c[4], const uint32_t a[4], uint32_t b0, uint32_t b1, int32_t start) {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%10,%10,%10,%10};"
        : "=r"(c[0]), "=r"(c[1]), "=r"(c[2]), "=r"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "r"(start));
}
AS_DEVICE void mma_16(int32_t c[4], uint32_t a0, uint32_t a1, uint32_t b, int32_t start) {
    asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5}, {%6}, "
        "{%7,%7,%7,%7};"
        : "=r"(c[0]), "=r"(c[1]), "=r"(c[2]), "=r"(c[3])
        : "r"(a0), "r"(a1), "r"(b), "r"(start));
}

// Two floats as halves, within their range, or as BF16; both to nearest even, x in the lower bits.
// A NaN stays one.
AS_DEVICE float half_range(float x) {
    return x > 65504.0f ? 65504.0f : x < -65504.0f ? -65504.0f : x;
}
AS_DEVICE uint32_t pack_halves(float x, float y) {
    uint32_t out;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(half_range(y)), "f"(half_range(x)));
    return out;
}
AS_DEVICE uint32_t pack_bf16(float x, float y) {
    uint32_t out;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(y), "f"(x));
    return out;
}

// Of two halves each: a + b, a times the lower half of `scales`, and that plus the upper one; each
// rounded once.
AS_DEVICE uint32_t add_halves(uint32_t a, uint32_t b) {
    uint32_t out;
    asm("add.rn.f16x2 %0, %1, %2;" : "=r"(out) : "r"(a), "r"(b));
    return out;
}
AS_DEVICE uint32_t scale_halves(uint32_t a, uint32_t scales) {
    uint32_t out;
    asm("{.reg .b16 s, m;\n.reg .b32 ss;\n"
        "mov.b32 {s, m}, %2;\nmov.b32 ss, {s, s};\nmul.rn.f16x2 %0, %1, ss;}"
        : "=r"(out)
        : "r"(a), "r"(scales));
    return out;
}
AS_DEVICE uint32_t scale_halves_above(uint32_t a, uint32_t scales) {
    uint32_t out;
    asm("{.reg .b16 s, m;\n.reg .b32 ss, mm;\n"
        "mov.b32 {s, m}, %2;\nmov.b32 ss, {s, s};\nmov.b32 mm, {m, m};\n"
        "fma.rn.f16x2 %0, %1, ss, mm;}"
        : "=r"(out)
        : "r"(a), "r"(scales));
    return out;
}

// c += a b in float, of halves or BF16: as mma_32 with pairs of two for fours of bytes.
AS_DEVICE void mma_halves(float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
AS_DEVICE void mma_bf16(float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Four matrices of 8 by 8 halves in shared memory, turned: lanes 8 m .. 8 m + 7 name the rows of
// the m-th, 16 bytes each, aligned so; lane 4 i + j gets its column i, rows 2 j and 2 j + 1. All
// lanes call it.
AS_DEVICE void load_matrices(uint32_t out[4], const void *row) {
    uint32_t from = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(from)
                 : "memory");
}

#elif !defined(AS_EMULATED)
#error "for nvcc, or for the emulator of tests/kernels, which defines AS_EMULATED"
#endif

#endif
