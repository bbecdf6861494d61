// SPDX-License-Identifier: Apache-2.0
// ceilings.cu - what the tensor cores do at most by the instruction that the kernels use: products
// in registers alone, on random bits. A thread's result is written only if it is impossible.
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
