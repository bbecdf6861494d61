// SPDX-License-Identifier: Apache-2.0
// encode_k.c - floats into K-quants: each group gets the scale (and the minimum) that fits it best,
// then the scales themselves become small codes of their block's.
#include "kernels/encode.h"

// Where weights count by their squares: sums of w x code and of w code^2, whose quotient is the
// best scale and whose xc^2 / cc the gain of it.
typedef struct sums {
    float xc, cc;
} sums;

static void count_in(sums *s, float x, int code) {
    float w = x * x;
    s->xc += w * x * (float)code;
    s->cc += w * (float)code * (float)code;
}

static bool is_better(sums a, sums b) {
    return a.cc > 0.0f && a.xc * a.xc * b.cc > b.xc * b.xc * a.cc;
}

// --- symmetric: weight = s * code ----------------------------------------------------------

// Q6_K: codes of -32..31, kept from 0 on. Of 19 scales around the one that uses all codes, the one
// with the greatest gain.
static float fit_6(const float *x, uint8_t *codes) {
    enum { N = 16, HALF = 32, STEPS = 9 };
    float top = extreme(x, N), scale = 0.0f, best = 0.0f;
    memset(codes, 0, N);
    if (magnitude(top) < AS_ENCODE_TINY) return 0.0f;
    for (int t = -STEPS - 1; t <= STEPS; t++) {
        int step = t < -STEPS ? 0 : t; // first the middle one
        if (t == 0) continue;
        float inverse = -((float)HALF + 0.1f * (float)step) / top;
        sums s = {0};
        for (size_t i = 0; i < N; i++)
            count_in(&s, x[i], between(-HALF, nearest(inverse * x[i]), HALF - 1));
        if (t >= -STEPS && !(s.cc > 0.0f && s.xc * s.xc > best * s.cc)) continue;
        for (size_t i = 0; i < N; i++)
            codes[i] = (uint8_t)(HALF + between(-HALF, nearest(inverse * x[i]), HALF - 1));
        scale = s.cc != 0.0f ? s.xc / s.cc : 0.0f;
        best = scale * s.xc;
    }
    return scale;
}

// Moves each code to where the others would have it, as long as that gains. Returns whether any
// moved.
static bool improve(const float *x, int *codes, size_t n, int half, sums *all) {
    bool moved = false;
    for (size_t i = 0; i < n; i++) {
        float w = x[i] * x[i];
        sums others = {all->xc - w * x[i] * (float)codes[i],
                       all->cc - w * (float)codes[i] * (float)codes[i]};
        if (!(others.xc > 0.0f)) continue;
        int code = between(-half, nearest(x[i] * others.cc / others.xc), half - 1);
        if (code == codes[i]) continue;
        count_in(&others, x[i], code);
        if (!is_better(others, *all)) continue;
        codes[i] = code;
        *all = others;
        moved = true;
    }
    return moved;
}

// Q3_K: codes of -4..3, kept from 0 on.
static float fit_3(const float *x, uint8_t *codes) {
    enum { N = 16, HALF = 4, ROUNDS = 5 };
    float top = extreme(x, N);
    int own[N];
    sums s = {0};
    memset(codes, 0, N);
    if (magnitude(top) < AS_ENCODE_TINY) return 0.0f;
    float inverse = -(float)HALF / top;
    for (size_t i = 0; i < N; i++) {
        own[i] = between(-HALF, nearest(inverse * x[i]), HALF - 1);
        count_in(&s, x[i], own[i]);
    }
    for (int round = 0; round < ROUNDS && improve(x, own, N, HALF, &s); round++) continue;
    for (size_t i = 0; i < N; i++) codes[i] = (uint8_t)(own[i] + HALF);
    return s.cc > 0.0f ? s.xc / s.cc : 0.0f;
}

// --- with a minimum: weight = s * code - m -------------------------------------------------

typedef struct offset_fit {
    size_t n;      // values of a group
    int top;       // the largest code
    float first;   // of the tried numbers of steps between least and largest, the first, less top
    int last;      // further ones, each 0.1 more
    bool by_size;  // errors count by size, else by their square
    float w[32];   // [n] what each value's error counts
    float sum, sx; // of w, and of w x
} offset_fit;

static float error_of(const offset_fit *f, const float *x, const uint8_t *codes, float scale,
                      float low) {
    float error = 0.0f;
    for (size_t i = 0; i < f->n; i++) {
        float off = scale * (float)codes[i] + low - x[i];
        off = f->by_size ? magnitude(off) : off * off;
        error += f->w[i] * off;
    }
    return error;
}

static void code_all(const offset_fit *f, const float *x, float inverse, float low,
                     uint8_t *codes) {
    for (size_t i = 0; i < f->n; i++)
        codes[i] = (uint8_t)between(0, nearest(inverse * (x[i] - low)), f->top);
}

// The scale and the least value that fit these codes best. False when nothing does.
static bool solve(const offset_fit *f, const float *x, const uint8_t *codes, float *scale,
                  float *low) {
    float c = 0.0f, cc = 0.0f, xc = 0.0f;
    for (size_t i = 0; i < f->n; i++) {
        float code = (float)codes[i], w = f->w[i];
        c += w * code;
        cc += w * code * code;
        xc += w * code * x[i];
    }
    float determinant = f->sum * cc - c * c;
    if (!(determinant > 0.0f)) return false;
    *scale = (f->sum * xc - f->sx * c) / determinant;
    *low = (cc * f->sx - c * xc) / determinant;
    if (*low > 0.0f) {
        *low = 0.0f;
        *scale = xc / cc;
    }
    return true;
}

// f's w is set. Returns the scale; *min is m.
static float fit_offset(offset_fit *f, const float *x, uint8_t *codes, float *min) {
    float low = x[0], high = x[0];
    uint8_t tried[32];
    f->sum = f->w[0];
    f->sx = f->w[0] * x[0];
    for (size_t i = 1; i < f->n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        f->sum += f->w[i];
        f->sx += f->w[i] * x[i];
    }
    low = low > 0.0f ? 0.0f : low;
    *min = -low;
    memset(codes, 0, f->n);
    if (high == low) return 0.0f;
    float inverse = (float)f->top / (high - low), scale = 1.0f / inverse;
    float start = low, range = high - low;
    code_all(f, x, inverse, start, codes);
    float best = error_of(f, x, codes, scale, start);
    for (int t = 0; t <= f->last; t++) {
        float s, m;
        code_all(f, x, (f->first + 0.1f * (float)t + (float)f->top) / range, low, tried);
        if (!solve(f, x, tried, &s, &m)) continue;
        float error = error_of(f, x, tried, s, m);
        if (!(error < best)) continue;
        best = error;
        scale = s;
        low = m;
        range = high - low;
        memcpy(codes, tried, f->n);
    }
    *min = -low;
    return scale;
}

// --- blocks --------------------------------------------------------------------------------

// Four runs of 32 weights of 2 bits in 32 bytes, a run at a shift.
static void put_pairs(const uint8_t *codes, unsigned char *out) {
    memset(out, 0, SUPER / 4);
    for (size_t i = 0; i < SUPER; i++)
        out[i / 128 * 32 + i % 32] |= (unsigned char)((codes[i] & 3) << i % 128 / 32 * 2);
}

// Bit `bit` of all codes: bit i of byte l is that of weight 32i + l.
static void put_bits(const uint8_t *codes, int bit, unsigned char *out) {
    memset(out, 0, SUPER / 8);
    for (size_t i = 0; i < SUPER; i++)
        out[i % 32] |= (unsigned char)((codes[i] >> bit & 1) << i / 32);
}

static float largest(const float *x, size_t n) {
    float best = 0.0f;
    for (size_t i = 0; i < n; i++) best = x[i] > best ? x[i] : best;
    return best;
}

// Codes once the scale and the minimum of their group are known; where the scale is 0 they stay.
static void code_group(const float *x, size_t n, float d, float min, int zero, int top,
                       uint8_t *codes) {
    for (size_t i = 0; d != 0.0f && i < n; i++)
        codes[i] = (uint8_t)(between(-zero, nearest((x[i] + min) / d), top - zero) + zero);
}

static bool encode_2(const float *x, unsigned char *out) {
    enum { COUNT = SUPER / 16, TOP = 15 };
    float s[COUNT], m[COUNT];
    uint8_t codes[SUPER];
    offset_fit f = {.n = 16, .top = 3, .first = -0.5f, .last = 15, .by_size = true};
    for (size_t g = 0; g < COUNT; g++) {
        for (size_t i = 0; i < f.n; i++) f.w[i] = magnitude(x[16 * g + i]);
        s[g] = fit_offset(&f, x + 16 * g, codes + 16 * g, &m[g]);
    }
    float s_top = largest(s, COUNT), m_top = largest(m, COUNT);
    uint16_t half = as_float_to_half(s_top / TOP), half_m = as_float_to_half(m_top / TOP);
    float to_s = s_top > 0.0f ? TOP / s_top : 0.0f, to_m = m_top > 0.0f ? TOP / m_top : 0.0f;
    for (size_t g = 0; g < COUNT; g++) {
        int scale = nearest(to_s * s[g]) & 15, min = nearest(to_m * m[g]) & 15;
        out[g] = (unsigned char)(scale | min << 4);
        code_group(x + 16 * g, 16, half_to_float(half) * (float)scale,
                   half_to_float(half_m) * (float)min, 0, 3, codes + 16 * g);
    }
    put_pairs(codes, out + 16);
    put_u16(out + 80, half);
    put_u16(out + 82, half_m);
    return is_finite_half(half) && is_finite_half(half_m);
}

static bool encode_3(const float *x, unsigned char *out) {
    enum { COUNT = SUPER / 16, HALF = 32 };
    float s[COUNT];
    uint8_t codes[SUPER];
    unsigned char *scales = out + 96;
    for (size_t g = 0; g < COUNT; g++) s[g] = fit_3(x + 16 * g, codes + 16 * g);
    float top = extreme(s, COUNT), inverse = top != 0.0f ? -(float)HALF / top : 0.0f;
    uint16_t half = as_float_to_half(top != 0.0f ? 1.0f / inverse : 0.0f);
    memset(scales, 0, 12);
    for (size_t g = 0; g < COUNT; g++) {
        // No scale at all is a code of 0, which stands for -32.
        int code = top != 0.0f ? between(-HALF, nearest(inverse * s[g]), HALF - 1) + HALF : 0;
        scales[g % 8] |= (unsigned char)((code & 15) << g / 8 * 4);
        scales[8 + g % 4] |= (unsigned char)(code >> 4 << g / 4 * 2);
        code_group(x + 16 * g, 16, half_to_float(half) * (float)(code - HALF), 0.0f, 4, 7,
                   codes + 16 * g);
    }
    put_bits(codes, 2, out);
    put_pairs(codes, out + 32);
    put_u16(out + 108, half);
    return is_finite_half(half);
}

// 6-bit scales and mins as read_q4_k takes them apart.
static void put_scales(const uint8_t *scales, const uint8_t *mins, unsigned char *out) {
    for (size_t g = 0; g < 4; g++) {
        out[g] = (unsigned char)(scales[g] | scales[4 + g] >> 4 << 6);
        out[4 + g] = (unsigned char)(mins[g] | mins[4 + g] >> 4 << 6);
        out[8 + g] = (unsigned char)((scales[4 + g] & 15) | (mins[4 + g] & 15) << 4);
    }
}

// What the 32 values' errors count: their size, and the root of their mean square.
static void weigh(const float *x, float *w) {
    float squares = 0.0f;
    for (size_t i = 0; i < 32; i++) squares += x[i] * x[i];
    float mean = sqrtf(squares / 32.0f);
    for (size_t i = 0; i < 32; i++) w[i] = mean + magnitude(x[i]);
}

static uint8_t scale_code(float x, int top) {
    uint8_t code = (uint8_t)(nearest(x) & 255);
    return code > top ? (uint8_t)top : code;
}

// Q4_K and Q5_K.
static bool encode_4_5(as_wtype type, const float *x, unsigned char *out) {
    enum { COUNT = SUPER / 32, TOP = 63 };
    bool fifth = type == AS_W_Q5_K;
    float s[COUNT], m[COUNT];
    uint8_t scales[COUNT], mins[COUNT], codes[SUPER];
    offset_fit f = {.n = 32, .top = 15, .first = -1.0f, .last = 20};
    if (fifth) f.top = 31, f.first = -0.5f, f.last = 15;
    for (size_t g = 0; g < COUNT; g++) {
        weigh(x + 32 * g, f.w);
        s[g] = fit_offset(&f, x + 32 * g, codes + 32 * g, &m[g]);
    }
    float s_top = largest(s, COUNT), m_top = largest(m, COUNT);
    uint16_t half = as_float_to_half(s_top / TOP), half_m = as_float_to_half(m_top / TOP);
    float to_s = s_top > 0.0f ? TOP / s_top : 0.0f, to_m = m_top > 0.0f ? TOP / m_top : 0.0f;
    for (size_t g = 0; g < COUNT; g++) {
        scales[g] = scale_code(to_s * s[g], TOP);
        mins[g] = scale_code(to_m * m[g], TOP);
        code_group(x + 32 * g, 32, half_to_float(half) * (float)scales[g],
                   half_to_float(half_m) * (float)mins[g], 0, f.top, codes + 32 * g);
    }
    put_u16(out, half);
    put_u16(out + 2, half_m);
    put_scales(scales, mins, out + 4);
    out += 16;
    if (fifth) {
        put_bits(codes, 4, out);
        out += 32;
    }
    for (size_t i = 0; i < SUPER / 2; i++) {
        const uint8_t *pair = codes + i / 32 * 64 + i % 32;
        out[i] = (unsigned char)((pair[0] & 15) | (pair[32] & 15) << 4);
    }
    return is_finite_half(half) && is_finite_half(half_m);
}

void as_encode_q6_k(const uint8_t *codes, const int8_t *scales, uint16_t d, unsigned char *out) {
    memset(out, 0, wfacts_of(AS_W_Q6_K).size);
    for (size_t i = 0; i < SUPER; i++) {
        size_t in = i % 128, base = i / 128;
        out[base * 64 + in % 64] |= (unsigned char)((codes[i] & 15) << in / 64 * 4);
        out[128 + base * 32 + in % 32] |= (unsigned char)((codes[i] >> 4) << in / 32 * 2);
    }
    memcpy(out + 192, scales, SUPER / 16);
    put_u16(out + 208, d);
}

static bool encode_6(const float *x, unsigned char *out) {
    enum { COUNT = SUPER / 16, ZERO = 32 };
    float s[COUNT];
    uint8_t codes[SUPER];
    int8_t scales[COUNT];
    for (size_t g = 0; g < COUNT; g++) s[g] = fit_6(x + 16 * g, codes + 16 * g);
    float top = extreme(s, COUNT);
    if (magnitude(top) < AS_ENCODE_TINY) {
        memset(out, 0, wfacts_of(AS_W_Q6_K).size);
        return true;
    }
    float inverse = -128.0f / top;
    uint16_t half = as_float_to_half(1.0f / inverse);
    for (size_t g = 0; g < COUNT; g++) {
        int scale = nearest(inverse * s[g]);
        scales[g] = (int8_t)(scale > 127 ? 127 : scale);
        code_group(x + 16 * g, 16, half_to_float(half) * (float)scales[g], 0.0f, ZERO, 63,
                   codes + 16 * g);
    }
    as_encode_q6_k(codes, scales, half, out);
    return is_finite_half(half);
}

bool as_encode_k(as_wtype type, const float *x, unsigned char *out) {
    switch (type) {
    case AS_W_Q2_K:
        return encode_2(x, out);
    case AS_W_Q3_K:
        return encode_3(x, out);
    case AS_W_Q6_K:
        return encode_6(x, out);
    default:
        return encode_4_5(type, x, out);
    }
}
