// SPDX-License-Identifier: Apache-2.0
// inline.h - words that the wide kernels are written in.
#ifndef AS_INLINE_H
#define AS_INLINE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

// Register tiles are arrays indexed by constants: they become registers only when fully unrolled.
// A rolled loop around them keeps a compiler from interleaving, and then spilling, too much.
#ifdef __has_feature
#define SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
#if SANITIZED // whose checks stand in the way, and speed is not asked for
#define UNROLL
#define ROLL
#elif defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#define ROLL _Pragma("clang loop unroll(disable)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#define ROLL _Pragma("GCC unroll 1")
#endif

// Four neighbouring int8 as one dword, to broadcast.
INLINE int32_t load_dword(const int8_t *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

#endif
