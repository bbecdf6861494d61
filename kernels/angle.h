// SPDX-License-Identifier: Apache-2.0
// angle.h - sine and cosine in double, for angles of rotation. Private to kernels/.
//
// Only + - * and comparisons of IEEE numbers, in a fixed order; no libm.
#ifndef AS_ANGLE_H
#define AS_ANGLE_H

#include <stdint.h>

// rint for |x| <= 2^51, the double sibling of AS_ROUND_F32.
#define AS_ROUND_F64 0x1.8p52

// sin r for |r| <= pi/4, r = hi + lo.
static inline double sine_series(double hi, double lo) {
    double z = hi * hi;
    double p = 0x1.952c77030ad4ap-49;  // 1/17!
    p = p * z - 0x1.ae7f3e733b81fp-41; // 1/15!
    p = p * z + 0x1.6124613a86d09p-33;
    p = p * z - 0x1.ae64567f544e4p-26;
    p = p * z + 0x1.71de3a556c734p-19;
    p = p * z - 0x1.a01a01a01a01ap-13;
    p = p * z + 0x1.1111111111111p-7;
    p = p * z - 0x1.5555555555555p-3;
    return hi + (hi * z * p + lo);
}

static inline double cosine_series(double hi, double lo) {
    double z = hi * hi;
    double p = 0x1.ae7f3e733b81fp-45;  // 1/16!
    p = p * z - 0x1.93974a8c07c9dp-37; // 1/14!
    p = p * z + 0x1.1eed8eff8d898p-29;
    p = p * z - 0x1.27e4fb7789f5cp-22;
    p = p * z + 0x1.a01a01a01a01ap-16;
    p = p * z - 0x1.6c16c16c16c17p-10;
    p = p * z + 0x1.5555555555555p-5;
    return 1.0 + (z * z * p - 0.5 * z - hi * lo);
}

// x = n pi/2 + r. pi/2 is taken in three parts of at most 23 bits and a rest; n has at most 30
// bits, so n times a part is exact, and so are the first subtractions.
static inline void sincos_f64(double x, double *sine, double *cosine) {
    double n = (x * 0x1.45f306dc9c883p-1 + AS_ROUND_F64) - AS_ROUND_F64;
    double a = x - n * 0x1.921fb4p+0;
    a = a - n * 0x1.4442dp-24;
    double b = n * 0x1.846988p-48 + n * 0x1.8cc51701b839ap-72;
    double hi = a - b;
    double lo = (a - hi) - b;
    double s = sine_series(hi, lo), c = cosine_series(hi, lo);
    uint64_t quadrant = (uint64_t)(int64_t)n & 3;
    double swapped_s = quadrant & 1 ? c : s;
    double swapped_c = quadrant & 1 ? s : c;
    *sine = quadrant & 2 ? -swapped_s : swapped_s;
    *cosine = (quadrant + 1) & 2 ? -swapped_c : swapped_c;
}

#endif
