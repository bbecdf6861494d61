// SPDX-License-Identifier: Apache-2.0
// ceilings.cu - what the tensor cores do at most: by the instruction that the kernels use, products
// in registers alone, and, on a Hopper, by the one that is fastest there, from shared memory. Random
// bits. A thread's result is written only if it is impossible.
#include <stdint.h>

extern "C" __global__ void __launch_bounds__(256) peak_s8(uint32_t *out, uint32_t rounds) {
    uint32_t a[4], b[2];
    int32_t c[8][4] = {};
    for (int i = 0; i < 4; i++) a[i] = (threadIdx.x + i) * 2654435761u;
    for (int i = 0; i < 2; i++) b[i] = (threadIdx.x + 7 * i) * 2246822519u;
    for (uint32_t round = 0; round < rounds; round++)
#pragma unroll
        for (int j = 0; j < 8; j++)
            asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, "
                         "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                         : "+r"(c[j][0]), "+r"(c[j][1]), "+r"(c[j][2]), "+r"(c[j][3])
                         : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    int32_t sum = 0;
    for (int j = 0; j < 8; j++) sum += c[j][0] ^ c[j][3];
    if (sum == 0x7fffffff && rounds == 0) *out = (uint32_t)sum;
}

extern "C" __global__ void __launch_bounds__(256) peak_bf16(uint32_t *out, uint32_t rounds) {
    uint32_t a[4], b[2];
    float c[8][4] = {};
    for (int i = 0; i < 4; i++)
        a[i] = 0x3f803f80u ^ ((threadIdx.x + i) * 2654435761u & 0x807f807fu);
    for (int i = 0; i < 2; i++)
        b[i] = 0x3f803f80u ^ ((threadIdx.x + i) * 2246822519u & 0x807f807fu);
    for (uint32_t round = 0; round < rounds; round++)
#pragma unroll
        for (int j = 0; j < 8; j++)
            asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, "
                         "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                         : "+f"(c[j][0]), "+f"(c[j][1]), "+f"(c[j][2]), "+f"(c[j][3])
                         : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    float sum = 0;
    for (int j = 0; j < 8; j++) sum += c[j][0] - c[j][3];
    if (sum == 1e38f && rounds == 0) *out = 1;
}

// Two groups of four warps, each 64 by 128 by 16 an instruction; operands without a swizzle, eight
// rows of 16 bytes side by side. Elsewhere than on a Hopper nothing is done.
extern "C" __global__ void __launch_bounds__(256) peak_wgmma(uint32_t *out, uint32_t rounds) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    __shared__ __align__(128) uint32_t operands[2][1536]; // of a group: 2 KiB of a, 4 of b
    const uint32_t group = threadIdx.x / 128;
    for (uint32_t i = threadIdx.x; i < 2 * 1536; i += 256)
        operands[i / 1536][i % 1536] = 0x3f803f80u ^ ((i * 2654435761u) & 0x807f807fu);
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    __syncthreads();
    const uint64_t at = (uint64_t)__cvta_generic_to_shared(operands[group]);
    const uint64_t strides = (uint64_t)(128 >> 4) << 16 | (uint64_t)(256 >> 4) << 32;
    const uint64_t a = ((at & 0x3ffff) >> 4) | strides, b = (((at + 2048) & 0x3ffff) >> 4) | strides;
    float c[64];
    for (int i = 0; i < 64; i++) c[i] = 0.0f;
    for (uint32_t round = 0; round < rounds; round += 32) {
        asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
        for (int i = 0; i < 32; i++)
            asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
                         "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                         "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
                         "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
                         "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
                     "}, %64, %65, 1, 1, 1, 0, 0;"
                     :
                           "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]),
                           "+f"(c[4]), "+f"(c[5]), "+f"(c[6]), "+f"(c[7]),
                           "+f"(c[8]), "+f"(c[9]), "+f"(c[10]), "+f"(c[11]),
                           "+f"(c[12]), "+f"(c[13]), "+f"(c[14]), "+f"(c[15]),
                           "+f"(c[16]), "+f"(c[17]), "+f"(c[18]), "+f"(c[19]),
                           "+f"(c[20]), "+f"(c[21]), "+f"(c[22]), "+f"(c[23]),
                           "+f"(c[24]), "+f"(c[25]), "+f"(c[26]), "+f"(c[27]),
                           "+f"(c[28]), "+f"(c[29]), "+f"(c[30]), "+f"(c[31]),
                           "+f"(c[32]), "+f"(c[33]), "+f"(c[34]), "+f"(c[35]),
                           "+f"(c[36]), "+f"(c[37]), "+f"(c[38]), "+f"(c[39]),
                           "+f"(c[40]), "+f"(c[41]), "+f"(c[42]), "+f"(c[43]),
                           "+f"(c[44]), "+f"(c[45]), "+f"(c[46]), "+f"(c[47]),
                           "+f"(c[48]), "+f"(c[49]), "+f"(c[50]), "+f"(c[51]),
                           "+f"(c[52]), "+f"(c[53]), "+f"(c[54]), "+f"(c[55]),
                           "+f"(c[56]), "+f"(c[57]), "+f"(c[58]), "+f"(c[59]),
                           "+f"(c[60]), "+f"(c[61]), "+f"(c[62]), "+f"(c[63])
                     : "l"(a), "l"(b));
        asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
        asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
    }
    float sum = 0.0f;
    for (int i = 0; i < 64; i++) sum += c[i];
    if (sum == 1e38f && rounds == 0) *out = 1;
#else
    (void)out, (void)rounds;
#endif
}
