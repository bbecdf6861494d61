// SPDX-License-Identifier: Apache-2.0
// detect.c - asks the CPU what it has and the operating system what it saves.
//
// Linux gives the tiles' state, 8 KiB a thread, only to a process that asks for it.
//
// A CPU may have registers that the kernel does not preserve across a switch, so XGETBV decides
// along with CPUID.
#include <cpuid.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/tables.h"

#define BIT(n) (1u << (n))

enum {
    STATE_AVX = 0x06,      // XCR0: SSE and AVX halves of the ymm registers
    STATE_TILES = 0x60000, // configuration and data
    STATE_AVX512 = 0xe6,   // and the mask registers, the upper halves of zmm, zmm16-31
};

typedef struct leaves {
    uint32_t leaf1_ecx, leaf7_ebx, leaf7_ecx, leaf7_edx, state;
} leaves;

static leaves read_leaves(void) {
    leaves out = {0};
    uint32_t eax, ebx, ecx, edx;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) out.leaf1_ecx = ecx;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
        out.leaf7_ebx = ebx;
        out.leaf7_ecx = ecx;
        out.leaf7_edx = edx;
    }
    if (out.leaf1_ecx & BIT(27)) { // OSXSAVE: xgetbv may be executed
        __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
        out.state = eax;
    }
    return out;
}

bool as_detect_avx2(void) {
    leaves cpu = read_leaves();
    uint32_t fma_avx_f16c = BIT(12) | BIT(28) | BIT(29);
    return (cpu.state & STATE_AVX) == STATE_AVX && (cpu.leaf1_ecx & fma_avx_f16c) == fma_avx_f16c &&
           (cpu.leaf7_ebx & BIT(5)) != 0;
}

bool as_detect_avx512(void) {
    leaves cpu = read_leaves();
    uint32_t f_dq_bw_vl = BIT(16) | BIT(17) | BIT(30) | BIT(31);
    uint32_t vnni = BIT(11);
    return as_detect_avx2() && (cpu.state & STATE_AVX512) == STATE_AVX512 &&
           (cpu.leaf7_ebx & f_dq_bw_vl) == f_dq_bw_vl && (cpu.leaf7_ecx & vnni) != 0;
}

bool as_detect_amx(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18 };
    leaves cpu = read_leaves();
    uint32_t tile_int8 = BIT(24) | BIT(25);
    return as_detect_avx512() && (cpu.state & STATE_TILES) == STATE_TILES &&
           (cpu.leaf7_edx & tile_int8) == tile_int8 &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0;
}
