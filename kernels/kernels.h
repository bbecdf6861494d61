// SPDX-License-Identifier: Apache-2.0
// kernels.h - the arithmetic of the engine, as a table of functions.
//
// The portable table is the specification, bit for bit. Every other table must return the same
// bits for the same input, so that a score depends neither on the CPU nor on the thread count, the
// batch or the shard. Three rules make that possible at full speed:
//
//   chain   a matrix product sums each output in k order in one chain. SIMD lanes are *rows*, so
//           a wider register computes more outputs and never regroups one output's sum.
//   lanes   a sum over one vector (norm, attention dot, softmax) runs in 16 virtual lanes:
//           element i goes to lane i % 16; then lane j += lane j+8, +4, +2, +1.
//   fma     where the text below says fma, one rounding; everywhere else, two. No contraction.
//
// No I/O, no allocation, no errors: callers own all memory and have checked all shapes. Every
// function may be called from any thread. Matrices are packed in panels of AS_PANEL rows (below),
// once, at load; rows past the end of the last panel are zero.
#ifndef AS_KERNELS_H
#define AS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    AS_PANEL = 16,  // rows of one packed panel
    AS_QBLOCK = 32, // activations that share one scale
};

// The storage of a packed matrix W[rows][cols]: that of GGUF tensors.
typedef enum as_wtype {
    AS_W_F32,
    AS_W_F16,
    AS_W_BF16,
    AS_W_Q8_0,
    AS_W_Q4_0,
    AS_W_Q4_1,
    AS_W_Q5_0,
    AS_W_Q5_1,
    AS_W_Q2_K,
    AS_W_Q3_K,
    AS_W_Q4_K,
    AS_W_Q5_K,
    AS_W_Q6_K,
    AS_W_IQ4_NL,
    AS_W_IQ4_XS,
    AS_W_MXFP4,
    AS_W_Q8_16, // of no file: bytes in groups of 16, which hold the IQ types (coded.h)
} as_wtype;

enum {
    AS_WTYPES = AS_W_MXFP4 + 1, // those of files
    AS_WTYPES_ALL = AS_W_Q8_16 + 1,
};

// A packed matrix. Panel p holds rows 16p..16p+15.
//   F32        values[panel][cols][16]
//   F16, BF16  values[panel][cols][16], the file's 16 bits
//   the rest   codes of the weights and their scales, of about the file's size: blocks.h
typedef struct as_matrix {
    as_wtype type;
    size_t rows, cols; // cols is a multiple of as_wtype_block(type)
    void *values;      // 64-byte aligned
    void *scales;      // 64-byte aligned; of quantized types only
    unsigned coded; // 0; or 1 + an as_coded: values are what as_coded_pack makes of the file's, in
                    // a type that `type` holds exactly. For as_matrix_multiply and _row alone
} as_matrix;

// A batch of activation rows x[count][cols], and the form that products with quantized weights take
// them in: per block of 32: d = amax / 127, q = rint(x * (127 / amax)) to nearest even, in
// [-127, 127]. A block whose amax is below 2^-100 gets d = 0 and q = 0 (127 / amax must stay
// finite); one that holds an infinity or a NaN gets d = NaN and q = 0, so that its products are
// NaN. The rest follows from d and q, and is here because every panel needs it.
typedef struct as_qrows {
    int8_t *q;        // [count][cols], 64-byte aligned
    float *d;         // [count][cols/32]
    float *sums;      // [count][cols/32]: d * the sum of the block's q
    int32_t *offsets; // [count][cols/32]: -128 * the sum of the block's q. Instructions that
                      // multiply unsigned by signed take a weight as w + 128; this undoes it
    int32_t *halves;  // [count][cols/16]: the same for each half of a block
    size_t cols;      // multiple of 32
} as_qrows;

// How keys and values are kept: as they are, rounded to half, or per position in blocks of 32
// values (the last one of a head may be shorter) as the Q8_0 of GGUF: d a half, q a byte, x = d *
// q.
typedef enum as_kv { AS_KV_F32, AS_KV_F16, AS_KV_Q8_0 } as_kv;

// A head is the keys and values of AS_PANEL positions, its slots, for one head of attention: kv.h.
// A piece is `count` of its slots from `slot` on; they are the text's positions from `at` on.
typedef struct as_piece {
    const void *head; // 64-byte aligned
    size_t at;
    uint32_t slot, count;
} as_piece;

typedef struct as_kernels {
    const char *name; // "portable", "avx2", "avx512", "amx", "neon", "dotprod"

    // Quantizes row x[cols] into row `at` of `out`.
    void (*quantize_row)(as_qrows *out, size_t at, const float *x);

    // y[m][row] = sum over k, for m in 0..count-1 and row in panel_begin*16 .. panel_end*16-1
    // (rows past w->rows are not written). y has `y_stride` floats between rows of the batch.
    // f32:  acc = fma(w[row][k], x[m][k], acc), k ascending, from 0.
    void (*matmul_f32)(const as_matrix *w, size_t panel_begin, size_t panel_end, const float *x,
                       size_t x_stride, size_t count, float *y, size_t y_stride);
    // f16, bf16: the same with each weight widened to float first (exact).
    void (*matmul_f16)(const as_matrix *w, size_t panel_begin, size_t panel_end, const float *x,
                       size_t x_stride, size_t count, float *y, size_t y_stride);
    void (*matmul_bf16)(const as_matrix *w, size_t panel_begin, size_t panel_end, const float *x,
                        size_t x_stride, size_t count, float *y, size_t y_stride);
    // Quantized types: w = s * v + m, where the integer v is the weight's own and the floats s and
    // m (exact: blocks.h) are those of its group g of 32 weights (Q2_K, Q3_K, Q6_K, Q8_16: 16).
    // Per group ascending: isum = exact int32 dot of v with q;
    //       acc = fma(s * d, (float)isum, acc); and in types with a minimum, then
    //       acc = fma(m, d * (float)(sum of the group's q), acc).
    void (*matmul_quant)(const as_matrix *w, size_t panel_begin, size_t panel_end,
                         const as_qrows *x, size_t count, float *y, size_t y_stride);

    // Panel `panel` of a coded matrix as panel `at` of `out`, a packed one of its
    // as_coded_panel_type. `table` is what as_coded_table made.
    void (*coded_panel)(const as_matrix *w, size_t panel, const void *table, const as_matrix *out,
                        size_t at);

    // Attention over pieces of a text, the first of which may be anywhere in it. What is kept as
    // half or Q8_0 is widened to float first (exact).
    // scores[m][at + i] = sum of key[k] * q[m][k] for slot i of every piece:
    //       acc = fma(key[k], q[m][k], acc), k ascending in 0..width-1, from 0.
    void (*attend_keys)(as_kv kv, size_t width, const as_piece *pieces, size_t piece_count,
                        const float *q, size_t count, float *scores, size_t stride);
    // y[m][i] += sum of value[i] * weights[m][at + j] over the slots j of all pieces, for i in
    // panel_begin*16 .. panel_end*16-1:
    //       y = fma(value[i], weights[m][at + j], y), pieces and slots ascending.
    //       y[count][y_stride] is written up to a whole panel of i.
    void (*attend_values)(as_kv kv, size_t width, const as_piece *pieces, size_t piece_count,
                          size_t panel_begin, size_t panel_end, const float *weights, size_t stride,
                          size_t count, float *y, size_t y_stride);

    // y = x * (1 / sqrt(sum(x*x) / n + eps)) * w; the sum in lanes with fma. y may be x.
    void (*rms_norm)(float *y, const float *x, const float *w, size_t n, float eps);

    // y = fma((x - mean) * (1 / sqrt(variance + eps)), w, b), where mean = sum(x) / n, the sum in
    // lanes, and variance = dot(x - mean, x - mean) / n. y may be x.
    void (*layer_norm)(float *y, const float *x, const float *w, const float *b, size_t n,
                       float eps);

    // Rotates pairs (x[2i], x[2i+1]), i < n/2, by the angle whose cosine and sine are given:
    // a' = a*c - b*s as fma(a, c, -(b*s)); b' = a*s + b*c as fma(a, s, b*c).
    void (*rope_pairs)(float *x, const float *cosines, const float *sines, size_t n);

    // The same for pairs (x[i], x[i + n/2]).
    void (*rope_halves)(float *x, const float *cosines, const float *sines, size_t n);

    // sum x[i]*y[i] in lanes with fma.
    float (*dot)(const float *x, const float *y, size_t n);

    // y[i] = fma(a, x[i], y[i]).
    void (*axpy)(float *y, float a, const float *x, size_t n);

    // y[i] = y[i] + x[i].
    void (*add)(float *y, const float *x, size_t n);

    // gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i].
    void (*silu_mul)(float *gate, const float *up, size_t n);

    // gate[i] = gate[i] / (1 + exp(fma(C3, gate[i]*gate[i], C1) * gate[i])) * up[i], where
    // C1 = -2 sqrt(2/pi) and C3 = 0.044715 C1: the GELU of the tanh form, times up.
    void (*gelu_mul)(float *gate, const float *up, size_t n);

    // x[i] = x[i] * (1 + erf(x[i] / sqrt(2))) / 2 as gelu_erf_f32 of scalar.h has it: the GELU
    // itself.
    void (*gelu_erf)(float *x, size_t n);

    // x[i] = cap * tanh(x[i] / cap), tanh as in scalar.h.
    void (*softcap)(float *x, float cap, size_t n);

    // x[i] = exp(x[i] - max) / sum, sum in lanes. n >= 1.
    void (*softmax)(float *x, size_t n);

    // Returns max and the sum in lanes of exp(x[i] - max). A zero max is +0. n >= 1.
    void (*exp_sum)(const float *x, size_t n, float *max_out, float *sum_out);

    // Index of the largest value, the lowest one on a tie; NaN is never the largest, 0 when all
    // are NaN. n >= 1.
    size_t (*argmax)(const float *x, size_t n);
} as_kernels;

// The widest table that this CPU runs and that `limit` allows: "auto" or NULL for no limit, else
// a table's name. NULL when the name is unknown or this CPU cannot run it.
const as_kernels *as_kernels_select(const char *limit);

// All tables that this CPU runs, portable first; returns how many (at most 8).
size_t as_kernels_available(const as_kernels *tables[8]);

// Weights of a type that stand together in a file: cols and counts are multiples of it.
size_t as_wtype_block(as_wtype type);
size_t as_wtype_size(as_wtype type, size_t cols); // bytes of a row in a file
bool as_wtype_quantized(as_wtype type);           // products go through as_qrows

// `n` weights as a file holds them, widened to float: every x is the exact value rounded once.
// `src` needs no alignment.
void as_wtype_decode(as_wtype type, const void *src, size_t n, float *x);

// The opposite, for types of files, with the bytes of the format's reference quantizers (without
// weights of importance). False, and `out` of no use, when a value is not finite or too large for
// the type.
bool as_wtype_encode(as_wtype type, const float *x, size_t n, void *out);

// Bytes that pack() needs for values and for scales (0 unless quantized).
size_t as_matrix_values_size(as_wtype type, size_t rows, size_t cols);
size_t as_matrix_scales_size(as_wtype type, size_t rows, size_t cols);

// Bytes of a head; a multiple of 64. A head begins as zeros.
size_t as_kv_size(as_kv kv, size_t width);

// Puts key[width] and value[width] into a slot. Values that the type cannot hold become its largest
// or smallest, NaN the smallest: what a weight of 0 masks must not be infinite. Of F32 and F16,
// keys stay as they are.
void as_kv_put(as_kv kv, size_t width, void *head, size_t slot, const float *key,
               const float *value);

// Packs rows in the file's layout into w, whose type, rows, cols, values and scales are set. `src`
// needs no alignment.
void as_matrix_pack(as_matrix *w, const void *src);

size_t as_matrix_size(const as_matrix *w); // bytes of its values and scales

// The product of w, whatever its type, as the function of the table for it has it: x[count][cols],
// or `rows` where w->type is quantized. `scratch` is as_matrix_scratch_size(w) bytes, 64-byte
// aligned.
size_t as_matrix_scratch_size(const as_matrix *w); // 0 unless w is coded
void as_matrix_multiply(const as_kernels *kernels, const as_matrix *w, size_t panel_begin,
                        size_t panel_end, const float *x, const as_qrows *rows, size_t count,
                        float *y, size_t y_stride, void *scratch);

// Row `row` of a packed matrix, as as_wtype_decode has it: x[cols]. For embeddings.
void as_matrix_row(const as_matrix *w, size_t row, float *x);

// Scalar functions with the same bits on every machine: no libm, no contraction. The bounds in
// parentheses are the worst error seen against long double.
float as_exp_f32(float x); // the exp of the kernels, within 1.01 ulp (all floats: 1.0086);
                           // 0 below -87.3, +inf above 88.7
float as_half_to_float(uint16_t bits);                      // exact; a NaN turns quiet
uint16_t as_float_to_half(float x);                         // to nearest even
double as_log_f64(double x);                                // natural, within 1 ulp (0.74)
double as_exp_f64(double x);                                // within 1 ulp (0.87)
void as_sincos_f64(double x, double *sine, double *cosine); // |x| <= 2^30, within 2e-16 absolute
                                                            // (1.4e-16)

// The clamped SwiGLU of gpt-oss: x sigmoid(SLOPE x) (y + 1), where x is the gate, up to CLAMP, and
// y what it is multiplied with, within CLAMP. It is SiLU of SLOPE x times (y + 1) / SLOPE.
#define AS_CLAMP 7.0f
#define AS_CLAMP_SLOPE 1.702f

#endif
