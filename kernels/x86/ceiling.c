// SPDX-License-Identifier: Apache-2.0
// ceiling.c - register-only loops that show the peak rate of the instructions that matter.
//
// The empty asm statements make the inputs unknown and the results needed.
#include "kernels/x86/ceiling.h"
#include "kernels/x86/common.h"

enum { CHAINS = 12 };

#define TARGET512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

double as_ceiling_fma_avx2(long rounds) {
    __m256 acc[CHAINS], a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(1.0f);
    UNROLL
    for (int i = 0; i < CHAINS; i++) {
        acc[i] = a;
        __asm__ volatile("" : "+x"(acc[i])); // else all chains are one
    }
    __asm__ volatile("" : "+x"(a), "+x"(b));
    for (long r = 0; r < rounds; r++) {
        UNROLL
        for (int i = 0; i < CHAINS; i++) {
            acc[i] = _mm256_fmadd_ps(acc[i], a, b);
        }
    }
    UNROLL
    for (int i = 0; i < CHAINS; i++) __asm__ volatile("" : : "x"(acc[i]));
    return (double)rounds * CHAINS * 8 * 2;
}

TARGET512 double as_ceiling_fma_avx512(long rounds) {
    __m512 acc[CHAINS], a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(1.0f);
    UNROLL
    for (int i = 0; i < CHAINS; i++) {
        acc[i] = a;
        __asm__ volatile("" : "+v"(acc[i])); // else all chains are one
    }
    __asm__ volatile("" : "+v"(a), "+v"(b));
    for (long r = 0; r < rounds; r++) {
        UNROLL
        for (int i = 0; i < CHAINS; i++) {
            acc[i] = _mm512_fmadd_ps(acc[i], a, b);
        }
    }
    UNROLL
    for (int i = 0; i < CHAINS; i++) __asm__ volatile("" : : "v"(acc[i]));
    return (double)rounds * CHAINS * 16 * 2;
}

double as_ceiling_maddubs_avx2(long rounds) {
    __m256i acc[CHAINS], a = _mm256_set1_epi8(3), ones = _mm256_set1_epi16(1);
    UNROLL
    for (int i = 0; i < CHAINS; i++) {
        acc[i] = a;
        __asm__ volatile("" : "+x"(acc[i])); // else all chains are one
    }
    __asm__ volatile("" : "+x"(a), "+x"(ones));
    for (long r = 0; r < rounds; r++) {
        UNROLL
        for (int i = 0; i < CHAINS; i++) {
            __m256i pairs = _mm256_maddubs_epi16(a, _mm256_sign_epi8(acc[i], ones));
            acc[i] = _mm256_add_epi32(acc[i], _mm256_madd_epi16(pairs, ones));
        }
    }
    UNROLL
    for (int i = 0; i < CHAINS; i++) __asm__ volatile("" : : "x"(acc[i]));
    return (double)rounds * CHAINS * 32 * 2;
}

TARGET512 double as_ceiling_dpbusd_avx512(long rounds) {
    __m512i acc[CHAINS], a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5);
    UNROLL
    for (int i = 0; i < CHAINS; i++) {
        acc[i] = a;
        __asm__ volatile("" : "+v"(acc[i])); // else all chains are one
    }
    __asm__ volatile("" : "+v"(a), "+v"(b));
    for (long r = 0; r < rounds; r++) {
        UNROLL
        for (int i = 0; i < CHAINS; i++) {
            acc[i] = _mm512_dpbusd_epi32(acc[i], a, b);
        }
    }
    UNROLL
    for (int i = 0; i < CHAINS; i++) __asm__ volatile("" : : "v"(acc[i]));
    return (double)rounds * CHAINS * 64 * 2;
}
