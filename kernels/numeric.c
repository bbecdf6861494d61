// SPDX-License-Identifier: Apache-2.0
// numeric.c - scalar functions with the same bits on every machine.
//
// Only + - * / and comparisons of IEEE numbers, in a fixed order; no libm.
#include "kernels/angle.h"
#include "kernels/kernels.h"
#include "kernels/scalar.h"

// ln 2 = LN2_HI + LN2_LO; HI has 32 bits, so an exponent times HI is exact.
#define LN2_HI 0x1.62e42fee00000p-1
#define LN2_LO 0x1.a39ef35793c76p-33

float as_exp_f32(float x) {
    return exp_f32(x);
}

float as_half_to_float(uint16_t bits) {
    return half_to_float(bits);
}

uint16_t as_float_to_half(float x) {
    uint32_t bits = float_bits(x);
    uint32_t sign = bits >> 16 & 0x8000u;
    uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) { // NaN: quiet, with the upper bits of what it carries
        return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x01ffu));
    }
    if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); // rounds to 65536 or more
    if (magnitude < 0x38800000u) {
        // Below 2^-14: adding 0.5 rounds to multiples of 2^-24, the step of the denormal halves.
        uint32_t rounded = float_bits(bits_float(magnitude) + 0.5f) - float_bits(0.5f);
        return (uint16_t)(sign | rounded);
    }
    uint32_t odd = magnitude >> 13 & 1u;
    uint32_t rounded = magnitude + 0x0fffu + odd; // a carry moves into the exponent, as it should
    return (uint16_t)(sign | ((rounded >> 13) - (112u << 10)));
}

// Writes 2^exponent; -1022 <= exponent <= 1023.
static double power_of_two(int64_t exponent) {
    return bits_double((uint64_t)(exponent + 1023) << 52);
}

// x = n ln 2 + r, |r| <= 0.3466. The series of e^r to r^13 leaves 5e-18.
double as_exp_f64(double x) {
    if (x != x) return x;
    if (x > 709.79) return HUGE_VAL;
    if (x < -745.14) return 0.0;
    static const double terms[] = {
        // 1/13! down to 1/2!
        0x1.6124613a86d09p-33, 0x1.1eed8eff8d898p-29, 0x1.ae64567f544e4p-26, 0x1.27e4fb7789f5cp-22,
        0x1.71de3a556c734p-19, 0x1.a01a01a01a01ap-16, 0x1.a01a01a01a01ap-13, 0x1.6c16c16c16c17p-10,
        0x1.1111111111111p-7,  0x1.5555555555555p-5,  0x1.5555555555555p-3,  0.5,
    };
    double n = (x * 0x1.71547652b82fep+0 + AS_ROUND_F64) - AS_ROUND_F64;
    double hi = x - n * LN2_HI; // exact
    double lo = n * LN2_LO;
    double r = hi - lo;
    double lost = (hi - r) - lo; // what rounding took from r
    double q = terms[0];
    for (size_t i = 1; i < sizeof terms / sizeof *terms; i++) q = q * r + terms[i];
    double y = 1.0 + (r + (r * r * q + lost));
    // In two steps, since 2^n itself may lie outside the normal numbers.
    int64_t half = (int64_t)n / 2;
    return y * power_of_two(half) * power_of_two((int64_t)n - half);
}

// x = 2^k m, m in [0.707, 1.415); with f = m - 1 and s = f / (2 + f), ln m = 2 artanh(s)
// = 2s + s R(s^2), and 2s = f - s f, so ln m = f - s (f - R). The series to s^23 leaves 1e-20.
double as_log_f64(double x) {
    if (x != x || x < 0.0) return x < 0.0 ? bits_double(0x7ff8000000000000u) : x;
    if (x == 0.0) return -HUGE_VAL;
    if (x > DBL_MAX) return x;
    int64_t k = 0;
    if (x < DBL_MIN) {
        x *= 0x1p54;
        k = -54;
    }
    uint64_t bits = double_bits(x);
    k += (int64_t)(bits >> 52) - 1023;
    double m = bits_double((bits & 0x000fffffffffffffu) | 0x3ff0000000000000u);
    if (m > 0x1.6a09e667f3bcdp+0) {
        m *= 0.5;
        k += 1;
    }
    double f = m - 1.0;
    double s = f / (2.0 + f);
    double z = s * s;
    static const double terms[] = {2.0 / 21, 2.0 / 19, 2.0 / 17, 2.0 / 15, 2.0 / 13,
                                   2.0 / 11, 2.0 / 9,  2.0 / 7,  2.0 / 5,  2.0 / 3};
    double series = 2.0 / 23;
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) series = series * z + terms[i];
    double square = 0.5 * f * f;
    // f - s (f - R) regrouped so that the two largest terms, f and f^2/2, are rounded least.
    double tail = s * (square + series * z) + (double)k * LN2_LO;
    return (double)k * LN2_HI + (f - (square - tail));
}

void as_sincos_f64(double x, double *sine, double *cosine) {
    sincos_f64(x, sine, cosine);
}
