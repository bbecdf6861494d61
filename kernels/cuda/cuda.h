// SPDX-License-Identifier: Apache-2.0
// cuda.h - the kernels of the GPU: their names, and what each takes.
//
// The arithmetic is that of kernels.h, bit for bit: sums of a product run in k order in one chain,
// sums over a vector in 16 lanes, and what is exact (integer dots, maxima) is shared among threads
// as it suits. So a score on a GPU is the score on a CPU, and depends neither on the batch nor on
// which kernel took a product. Matrices lie on the device as as_matrix_pack lays them out: a panel
// of 16 rows is the 16 rows of a tensor core's fragment, a four of weights its register.
//
// All pointers are the device's. Every kernel takes one struct by value, so that a launch is a
// name, a grid and a struct. Read by C (the host) and by nvcc.
#ifndef AS_CUDA_H
#define AS_CUDA_H

#include <stdint.h>

#include "kernels/kernels.h"

enum {
    AS_CUDA_TILE = 8,     // activation rows of one fragment
    AS_CUDA_PARTS = 3,    // matrices that one launch multiplies the same rows with
    AS_CUDA_QUERIES = 32, // of one block of attention: query heads that share keys, times rows
    AS_CUDA_SLOTS = 32,   // keys that a block of scores takes
    AS_CUDA_DIMS = 32,    // values of a head that a block of mixing takes
    AS_CUDA_NONE = -1,    // no such row
    AS_CUDA_RUN = 256,    // tokens whose odds are summed up by one thread
    AS_CUDA_DRAWN = 1024, // of the likeliest tokens, those that filters look at
};

// Activation rows in the order of the fragments that products read. Row m is column m % 8 of tile
// m / 8; the last tile is whole, whatever its unused columns hold. Four `lane % 4` of each half of
// a block of 32 values of column n are in lane 4 n + four.
typedef struct as_cuda_qrows {
    int8_t *q;       // [tiles][cols/32][32 lanes][2 halves][4]
    float *d;        // [tiles][cols/32][8]
    float *sums;     // [tiles][cols/32][8]: d * the sum of the block's q
    int32_t *halves; // [tiles][cols/32][2][8]: the sum of q of each half
    uint16_t *x;     // as q, of halves: for fast products, in place of all the others; or NULL
} as_cuda_qrows;

// A packed matrix, or one of an expert's: those of all experts lie `stride` bytes apart.
typedef struct as_cuda_part {
    const uint8_t *values, *scales;
    uint64_t values_stride, scales_stride;
    uint32_t rows, first_block; // the first block of the launch that works on it
    float *y;                   // [count][rows]
} as_cuda_part;

// y = W x for rows 0..count-1, or, of a mixture, for expert e = order[block z] rows starts[e] ..
// starts[e] + counts[e] - 1. starts are multiples of 8. Block x takes rows x % across and panels
// x / across: there may be more panels than a grid has blocks along y.
typedef struct as_cuda_product {
    as_cuda_part parts[AS_CUDA_PARTS];
    uint32_t part_count, cols, count, across;
    uint32_t fast; // by fast.cu or fast_blocks.cu, but for F32 and cols of 16 bits that are odd
    const uint32_t *order, *starts, *counts; // NULL: no mixture
    as_cuda_qrows quantized;                 // of quantized types
    const float *x;                          // [count][cols] of the others
} as_cuda_product;

// A row of the batch. What it sees at position p lies in slot slots[view + p], its own at
// slots[view + position]; it sees the positions before `end`, or a window: one that ends there, or
// one around it.
typedef struct as_cuda_row {
    uint32_t token, position, view, end;
} as_cuda_row;

// Rows of one view side by side, by position, which attention takes together.
typedef struct as_cuda_span {
    uint32_t first, count;
} as_cuda_span;

// Which row of a matrix becomes a row of the batch.
typedef enum as_cuda_which { AS_CUDA_TOKEN, AS_CUDA_POSITION, AS_CUDA_FIRST } as_cuda_which;

typedef struct as_cuda_embed { // grid: rows
    const uint8_t *values, *scales;
    uint32_t type, cols;
    uint32_t which, added; // as_cuda_which; whether it is added to what is in x
    const as_cuda_row *rows;
    float *x; // [count][cols]
    float scale;
} as_cuda_embed;

typedef struct as_cuda_angles { // grid: rows
    const as_cuda_row *rows;
    const double *rates; // [pairs]
    double magnitude;
    uint32_t pairs;
    float *cosines, *sines; // [count][pairs]
} as_cuda_angles;

// Ends a block: x += scale * norm(y + bias); then begins the next: h = norm(x), and quantized.
typedef struct as_cuda_finish { // grid: rows
    float *y;                   // [count][n], overwritten; NULL: nothing to end
    const float *bias;          // [n] or NULL
    const float *post_norm;     // [n] or NULL
    float scale;
    float *x;               // [..][n]
    const uint32_t *list;   // row m of h comes of row list[m] of x; NULL: m
    const float *norm;      // [n]; NULL: nothing to begin
    const float *norm_bias; // [n] of a LayerNorm; NULL: norm is of the root mean square
    float *h;               // [count][n]
    float eps;
    uint32_t n, quantize;
    as_cuda_qrows quantized;
} as_cuda_finish;

// Ends a block of an encoder: x = LayerNorm(x + (y + bias)), and quantized.
typedef struct as_cuda_settle { // grid: rows
    const float *y;             // [count][n] or NULL: nothing is added
    const float *bias;          // [n] or NULL
    float *x;                   // [count][n]
    const float *norm, *norm_bias;
    float eps;
    uint32_t n, quantize;
    as_cuda_qrows quantized;
} as_cuda_settle;

typedef struct as_cuda_quantize { // grid: rows
    const float *x;               // [count][n]
    const uint32_t *sources;      // row m is made of row sources[m] / per; NULL: of row m
    const uint32_t *places;       // and goes to place places[m]; NULL: to m
    uint32_t per, n;
    as_cuda_qrows quantized;
    float *copy; // [..][n] or NULL: the row as it is, too; then nothing is quantized
} as_cuda_quantize;

// Biases, norms and rotation of queries and keys; keys and values into the cache.
typedef struct as_cuda_place { // grid: rows
    float *q;                  // [count][heads][width]
    float *k, *v;              // [count][kv_heads][width]
    const float *q_bias, *k_bias, *v_bias, *q_norm, *k_norm;
    const float *cosines, *sines; // [count][pairs]
    const as_cuda_row *rows;
    const uint32_t *slots;
    // This layer's: [kv_heads][slot_count][width] of floats, halves or codes; behind codes their
    // scales, halves [kv_heads][slot_count][width / 32, rounded up].
    void *keys, *values;
    uint64_t slot_count; // even
    uint32_t heads, kv_heads, width, pairs, halves;
    uint32_t kv;               // as_kv of the cache
    uint32_t plain;            // values that are infinite or no number stay so
    uint32_t late;             // norms come after rotation
    const float *temperatures; // queries at position p are multiplied by [p / temperature_step]
    uint32_t temperature_step; // at last; or NULL
    float eps;
} as_cuda_place;

// Attention: scores, their softmax, the mix of values. Position p of a row's scores is at p.
typedef struct as_cuda_attention {
    const float *q; // [count][heads][width]
    float *scores;  // [count * heads][stride]
    float *mixed;   // [count][heads][width]
    const as_cuda_row *rows;
    const as_cuda_span *spans;
    const uint32_t *slots;
    const void *keys, *values; // as of as_cuda_place
    uint64_t slot_count, stride;
    uint32_t heads, kv_heads, width, kv;
    uint32_t window; // 0: none
    uint32_t around; // it reaches window / 2 to both sides
    float scale, cap;
    const float *sinks; // [heads] scores behind those of what a row sees; or NULL. The
                        // stride has room for them
    uint32_t quantize;  // the mix too, as rows of heads * width; width is a multiple of 32
    as_cuda_qrows quantized;
} as_cuda_attention;

// Of a clamped SwiGLU, gate and up go through AS_CLAMP and AS_CLAMP_SLOPE of kernels.h first.
// gate = act(gate + bias) * (up + bias); without an up, what is asked for alone, else the GELU of
// erf.
typedef struct as_cuda_activate {     // grid: rows
    float *gate;                      // [count][n]
    const float *up;                  // [count][n] or NULL
    const float *gate_bias, *up_bias; // [n], or of experts [experts][n]
    const uint32_t *chosen;           // the expert of each item, or NULL
    const uint32_t *places;           // rows are items, which lie there; NULL: at their own number
    uint32_t n, gelu, squared, clamped, quantize;
    as_cuda_qrows quantized;
} as_cuda_activate;

typedef struct as_cuda_route { // choose: grid rows; sort: one block
    float *odds;               // [count][experts]
    const float *bias;         // [experts] or NULL: added to the odds
    uint32_t *chosen;          // [count][used]
    float *weights;            // [count][used]
    uint32_t *places;          // [count][used]
    uint32_t *starts, *counts; // [experts]
    uint32_t *order;           // [experts]: first those that have rows
    uint32_t experts, used, normed, count;
    float scale;
} as_cuda_route;

typedef struct as_cuda_combine { // grid: rows
    const float *h;              // [count][n] what the experts got
    const float *shared_router;  // [n]; NULL: no shared expert
    const float *parts;          // [place][n]
    const float *biases;         // [experts][n] or NULL: added to the parts
    const uint32_t *chosen;      // [count][used]
    const float *weights;        // [count][used]
    const uint32_t *places;      // [count][used]
    float *y;                    // [count][n]: the shared expert's answer, and then the whole
    uint32_t n, used;
} as_cuda_combine;

typedef struct as_cuda_axpy { // y += a x; grid: n / 256
    float *y;
    const float *x;
    float a;
    uint64_t n;
} as_cuda_axpy;

typedef struct as_cuda_cap { // x = cap tanh(scale (x + bias) / cap); grid: n / 256
    float *x;
    const float *bias; // [row], or NULL
    uint32_t row;      // x is of rows of so many
    float scale, cap;  // 1 and 0: none
    uint64_t n;
} as_cuda_cap;

typedef struct as_cuda_fact { // of a row of logits
    float max, sum;           // as exp_sum has it
    uint32_t best, unused;    // as argmax has it
} as_cuda_fact;

typedef struct as_cuda_facts { // grid: rows
    const float *logits;       // [count][n]
    as_cuda_fact *facts;       // [count]
    uint32_t n;
} as_cuda_facts;

// A token to be drawn: AS_CUDA_UNDECIDED when the filters leave more tokens than are looked at.
#define AS_CUDA_UNDECIDED UINT32_MAX
typedef struct as_cuda_drawing {
    double unit, top_p, min_p; // unit: what chance says, [0, 1)
    float temperature;
    uint32_t row, top_k, all; // of the logits; 1: nothing is filtered
} as_cuda_drawing;

typedef struct as_cuda_draw { // grid: tokens to be drawn
    float *logits;            // [..][n]; of the rows that are drawn from, the odds afterwards
    const as_cuda_fact *facts;
    const as_cuda_drawing *drawings; // [count]
    double *runs;                    // [count][n / AS_CUDA_RUN, rounded up]
    uint32_t *tokens;                // [count]
    uint32_t n;
} as_cuda_draw;

typedef struct as_cuda_pick { // grid: count / 256
    const float *logits;
    const uint64_t *at; // [count]
    float *out;         // [count]
    uint32_t count;
} as_cuda_pick;

// Every kernel: K(name, struct, threads of a block). `few` is for some rows, `many` for prompts;
// the order of the types is that of as_wtype.
#define AS_CUDA_KERNELS(K)                                                                         \
    K(few_f32, as_cuda_product, 256)                                                               \
    K(few_f16, as_cuda_product, 256)                                                               \
    K(few_bf16, as_cuda_product, 256)                                                              \
    K(few_q8_0, as_cuda_product, 512)                                                              \
    K(few_q4_0, as_cuda_product, 512)                                                              \
    K(few_q4_1, as_cuda_product, 512)                                                              \
    K(few_q5_0, as_cuda_product, 512)                                                              \
    K(few_q5_1, as_cuda_product, 512)                                                              \
    K(few_q2_k, as_cuda_product, 512)                                                              \
    K(few_q3_k, as_cuda_product, 512)                                                              \
    K(few_q4_k, as_cuda_product, 512)                                                              \
    K(few_q5_k, as_cuda_product, 512)                                                              \
    K(few_q6_k, as_cuda_product, 512)                                                              \
    K(few_iq4_nl, as_cuda_product, 512)                                                            \
    K(few_iq4_xs, as_cuda_product, 512)                                                            \
    K(few_mxfp4, as_cuda_product, 512)                                                             \
    K(few_q8_16, as_cuda_product, 512)                                                             \
    K(many_f32, as_cuda_product, 256)                                                              \
    K(many_f16, as_cuda_product, 256)                                                              \
    K(many_bf16, as_cuda_product, 256)                                                             \
    K(many_q8_0, as_cuda_product, 256)                                                             \
    K(many_q4_0, as_cuda_product, 256)                                                             \
    K(many_q4_1, as_cuda_product, 256)                                                             \
    K(many_q5_0, as_cuda_product, 256)                                                             \
    K(many_q5_1, as_cuda_product, 256)                                                             \
    K(many_q2_k, as_cuda_product, 256)                                                             \
    K(many_q3_k, as_cuda_product, 256)                                                             \
    K(many_q4_k, as_cuda_product, 256)                                                             \
    K(many_q5_k, as_cuda_product, 256)                                                             \
    K(many_q6_k, as_cuda_product, 256)                                                             \
    K(many_iq4_nl, as_cuda_product, 256)                                                           \
    K(many_iq4_xs, as_cuda_product, 256)                                                           \
    K(many_mxfp4, as_cuda_product, 256)                                                            \
    K(many_q8_16, as_cuda_product, 256)                                                            \
    K(fast_few_f16, as_cuda_product, 64)                                                           \
    K(fast_few_bf16, as_cuda_product, 64)                                                          \
    K(fast_few_q8_0, as_cuda_product, 256)                                                         \
    K(fast_few_q4_0, as_cuda_product, 256)                                                         \
    K(fast_few_q4_1, as_cuda_product, 256)                                                         \
    K(fast_few_q5_0, as_cuda_product, 256)                                                         \
    K(fast_few_q5_1, as_cuda_product, 256)                                                         \
    K(fast_few_q2_k, as_cuda_product, 256)                                                         \
    K(fast_few_q3_k, as_cuda_product, 256)                                                         \
    K(fast_few_q4_k, as_cuda_product, 256)                                                         \
    K(fast_few_q5_k, as_cuda_product, 256)                                                         \
    K(fast_few_q6_k, as_cuda_product, 256)                                                         \
    K(fast_few_iq4_nl, as_cuda_product, 256)                                                       \
    K(fast_few_iq4_xs, as_cuda_product, 256)                                                       \
    K(fast_few_mxfp4, as_cuda_product, 256)                                                        \
    K(fast_few_q8_16, as_cuda_product, 256)                                                        \
    K(fast_many_f16, as_cuda_product, 256)                                                         \
    K(fast_many_bf16, as_cuda_product, 256)                                                        \
    K(fast_many_q8_0, as_cuda_product, 256)                                                        \
    K(fast_many_q4_0, as_cuda_product, 256)                                                        \
    K(fast_many_q4_1, as_cuda_product, 256)                                                        \
    K(fast_many_q5_0, as_cuda_product, 256)                                                        \
    K(fast_many_q5_1, as_cuda_product, 256)                                                        \
    K(fast_many_q2_k, as_cuda_product, 256)                                                        \
    K(fast_many_q3_k, as_cuda_product, 256)                                                        \
    K(fast_many_q4_k, as_cuda_product, 256)                                                        \
    K(fast_many_q5_k, as_cuda_product, 256)                                                        \
    K(fast_many_q6_k, as_cuda_product, 256)                                                        \
    K(fast_many_iq4_nl, as_cuda_product, 256)                                                      \
    K(fast_many_iq4_xs, as_cuda_product, 256)                                                      \
    K(fast_many_mxfp4, as_cuda_product, 256)                                                       \
    K(fast_many_q8_16, as_cuda_product, 256)                                                       \
    K(embed, as_cuda_embed, 128)                                                                   \
    K(angles, as_cuda_angles, 64)                                                                  \
    K(finish, as_cuda_finish, 256)                                                                 \
    K(settle, as_cuda_settle, 256)                                                                 \
    K(quantize, as_cuda_quantize, 256)                                                             \
    K(place, as_cuda_place, 128)                                                                   \
    K(scores, as_cuda_attention, 128)                                                              \
    K(weigh, as_cuda_attention, 128)                                                               \
    K(mix, as_cuda_attention, 128)                                                                 \
    K(activate, as_cuda_activate, 256)                                                             \
    K(choose, as_cuda_route, 128)                                                                  \
    K(sort, as_cuda_route, 1024)                                                                   \
    K(combine, as_cuda_combine, 256)                                                               \
    K(axpy, as_cuda_axpy, 256)                                                                     \
    K(cap, as_cuda_cap, 256)                                                                       \
    K(facts, as_cuda_facts, 512)                                                                   \
    K(draw, as_cuda_draw, 512)                                                                     \
    K(pick, as_cuda_pick, 256)

#define AS_CUDA_ENUM(name, type, threads) AS_CUDA_K_##name,
typedef enum as_cuda_kernel { AS_CUDA_KERNELS(AS_CUDA_ENUM) AS_CUDA_KERNEL_COUNT } as_cuda_kernel;

enum {
    AS_CUDA_FEW_ROWS = 32,     // up to which `few` is taken
    AS_CUDA_FEW_BLOCKS = 2048, // and of quantized types without experts, up to which blocks of it
    AS_CUDA_MANY_PANELS = 8,
    AS_CUDA_FAST_FEW_PANELS = 2,
    AS_CUDA_MANY_ROWS = 128,
    AS_CUDA_FAST_CODED_PANELS = 16,
    AS_CUDA_FAST_CODED_ROWS = 80,
};

// The kernel for a product of `count` rows (at most, of an expert) and its grid, with the blocks of
// each part set: x takes rows and panels, z experts (1: no mixture).
as_cuda_kernel as_cuda_plan(as_cuda_product *product, as_wtype type, uint32_t count,
                            uint32_t experts, uint32_t grid[3]);
// The same with `few` or `many` as it is told.
as_cuda_kernel as_cuda_plan_as(as_cuda_product *product, as_wtype type, bool few, uint32_t count,
                               uint32_t experts, uint32_t grid[3]);

// Bytes of shared memory of a block; a product's are of a launch of `count` rows.
enum {
    AS_CUDA_SHARED_FEW = 2 * 64 * (16 + 16 + 8 + 8) * 4, // scales, minima, d, sums; and
    AS_CUDA_SHARED_FEW_ROW = 2 * 64 * 16 * 4,            // dots of each row, up to 8
    AS_CUDA_SHARED_MANY = 3 * 2 * (4096 + 4096 + 512 + 1024 + 768) + 2 * 2 * 2048,
    AS_CUDA_SHARED_FAST_FEW = 2 * 8 * 4 * 512,
    AS_CUDA_SHARED_FAST_MANY = 3 * 2 * (8 * 512 + 128 * 32),
    AS_CUDA_SHARED_FAST_CODED = 3 * 2 * (16 * 512 + 10 * 512 + 16 * 96) + 2 * 2 * 2 * 256 * 4,
    AS_CUDA_SHARED_FEW_FLOATS = 2 * 8192 + 2 * 8192,
    AS_CUDA_SHARED_MANY_FLOATS = 2 * 16 * (128 + 132) * 4,
    AS_CUDA_SHARED_LANES = 8192 + 4 + 128 + 128,
    AS_CUDA_SHARED_DRAW = 8192 + 4 + 128 + 128 + 4 * 2033 + 8 * 1024 + 3 * 4 + 4 + 8,
    AS_CUDA_SHARED_PLACE = 16384,
    AS_CUDA_SHARED_SCORES = (32 * 68 + 32 * 64) * 4,
    AS_CUDA_SHARED_MIX = (64 * 32 + 32 * 64) * 4,
    AS_CUDA_SHARED_SORT = 3 * 4096,
};
uint32_t as_cuda_shared(as_cuda_kernel kernel, uint32_t count);

// "as_few_f32": the name in the module.
const char *as_cuda_name(as_cuda_kernel kernel);
uint32_t as_cuda_threads(as_cuda_kernel kernel);

#endif
