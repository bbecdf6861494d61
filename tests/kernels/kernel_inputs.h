// SPDX-License-Identifier: Apache-2.0
// kernel_inputs.h - inputs made to disagree, and the comparison, for the tests of the kernels.
//
// All exponents, denormals, both zeros, values whose sums cancel. Include cmocka.h first.
#ifndef AS_KERNEL_INPUTS_H
#define AS_KERNEL_INPUTS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { MODES = 6 };

static uint64_t random_state;

static inline uint64_t random_bits(void) {
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline size_t random_below(size_t n) {
    return (size_t)(random_bits() % n);
}

static inline float random_unit(void) {
    return (float)((double)(random_bits() >> 11) * 0x1p-52 - 1.0);
}

static inline float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline double double_of(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

// Any finite float whose exponent field lies in [low, high].
static inline float random_float(uint32_t low, uint32_t high) {
    uint32_t exponent = low + (uint32_t)random_below(high - low + 1);
    return float_of(((uint32_t)random_bits() & 0x807fffffu) | exponent << 23);
}

static inline float random_of_mode(int mode) {
    switch (mode) {
    case 0:
        return random_unit();
    case 1:
        return random_float(0, 254); // everything finite
    case 2:
        return random_float(0, 1); // denormal or just above
    case 3:
        return random_float(60, 70); // products that underflow
    case 4:
        return random_float(120, 131); // ordinary, wide
    default:                           // zeros, ones, and the rest now and then
        switch (random_below(4)) {
        case 0:
            return 0.0f;
        case 1:
            return -0.0f;
        case 2:
            return random_below(2) ? 1.0f : -1.0f;
        default:
            return random_float(100, 150);
        }
    }
}

static inline void fill(float *x, size_t n, int mode) {
    for (size_t i = 0; i < n; i++) x[i] = random_of_mode(mode);
}

// Equal bits; which NaN an operation returns is open.
static inline void check_same(const float *got, const float *want, size_t n, const char *table,
                              const char *what) {
    for (size_t i = 0; i < n; i++) {
        if (memcmp(got + i, want + i, sizeof *got) == 0) continue;
        if (isnan(got[i]) && isnan(want[i])) continue;
        fail_msg("%s %s, n %zu: [%zu] is %a, not %a", table, what, n, i, (double)got[i],
                 (double)want[i]);
    }
}

// Each test has its own inputs, whichever ran before it.
static inline int seed(void **state) {
    (void)state;
    random_state = 2026;
    return 0;
}

#endif
