// SPDX-License-Identifier: Apache-2.0
// forward_state.h - the CPU as a backend: what the parts of its forward pass share. Private to
// forward.c, attention.c and experts.c.
#ifndef AS_FORWARD_STATE_H
#define AS_FORWARD_STATE_H

#include "harness/base/thread.h"
#include "harness/engine/backend.h"
#include "harness/engine/sampler.h"

// Rows of attention work taken together, at most: query heads that share keys, times tokens.
enum { AS_TILE = 64, AS_TILE_MIN = 16 };

// Scratch of one member of the team.
typedef struct as_tile {
    float *queries;      // [TILE][head_width], scaled
    float *scores;       // [TILE][score_stride]
    float *mixed;        // [TILE][room]
    as_piece *pieces;    // [context + 1] of what a row sees
    void *scratch;       // of as_matrix_multiply
    float *low;          // [rows][rank] an adapter's a x
    float *added;        // [rows][16] a panel of its b (a x)
    as_sampler *sampler; // made when a token is first drawn

    // What all members work out for themselves where the batch is a row alone: that takes less time
    // than to wait for the one who would do it for all.
    float *x, *h;                 // [width]
    float *cosines[2], *sines[2]; // [rope.width/2]
    as_qrows quantized;           // [widest]
} as_tile;

// Which experts the rows of a batch go to. The rows of one expert are put side by side, in the
// order of the batch, so that it is one matrix product. Item i = row * experts_used + rank is in
// place places[i]; expert e has places starts[e]..starts[e + 1] - 1.
typedef struct as_routing {
    float *odds;       // [chunk][experts] what the router says
    uint32_t *chosen;  // [item] expert, the likeliest one first
    float *weights;    // [item]
    uint32_t *places;  // [item]
    uint32_t *sources; // [place] row
    uint32_t *starts;  // [experts + 1]
    float *gathered;   // [place][width] normed rows
    float *parts;      // [place][width] what an expert makes of them
} as_routing;

struct as_device {
    const as_model *model;
    as_kv kv;
    size_t context, pages;
    size_t head_size;       // bytes of one head of a page
    size_t page_size;       // [layers][kv_heads] heads
    const double *rates[2]; // of layers that see everything, and of local ones
    void *memory;
    unsigned char *store; // [pages][page_size], in `memory`
};

// A lane of the CPU.
typedef struct as_lane as_forward;

struct as_lane {
    const as_device *device;
    const as_model *model;
    as_team *team;
    void *memory;

    size_t chunk;        // rows of a batch
    size_t members;      // of the team
    size_t room;         // head_width up to a whole panel
    size_t score_stride; // floats between rows of scores

    // The batch. q = heads * head_width, kv = kv_heads * head_width. An item is a row, or a row
    // times one of its experts. In the last layer only the rows that something is wanted of go on:
    // `rows` and everything by row is then theirs.
    const as_batch *batch;
    bool alone;   // it is one row, whose x, h, quantized, cosines and sines are each member's own
    as_row *rows; // [chunk]
    size_t count;
    uint32_t *pages, *slots;      // [chunk] where a row's key and value go
    float *cosines[2], *sines[2]; // [chunk][rope.width/2] as device->rates
    float *x;                     // [chunk][width] the residual stream
    float *h;                     // [chunk][width] normed
    float *y;                     // [chunk][width] what a block adds to x; may be h: lay_out_stages
    float *q, *k, *v;             // [chunk][q], [chunk][kv], [chunk][kv]
    float *mixed;                 // [chunk][q] attention's answer
    float *gate, *up;             // [item][ffn_width], also of experts; where q, k, v, mixed are
    as_qrows quantized;           // [item][widest]
    as_qrows joint;               // the same, or where all members put parts of a row alone
    float *scores;                // [heads][score_stride] of a row alone
    float *sum;                   // [width] y of a row alone, which lies over nothing
    as_routing routing;           // of mixtures
    as_tile *tiles;               // [team]

    size_t want_from, want_count; // the wants whose logits are being made
    size_t logit_rows;            // of them at most
    float *logits;                // [logit_rows][vocabulary]; where q and so on are
};

// Member `index`'s share of n things: [*begin, *end).
void as_forward_share(size_t n, size_t index, size_t members, size_t *begin, size_t *end);

// Where a page keeps a head.
unsigned char *as_forward_head(const as_device *device, size_t layer, size_t kv_head, size_t page);

// Whether products with w take quantized rows.
bool as_forward_quantizes(const as_matrix *w);

// Quantizes row m of x[][cols] for products with matrices of `cols` columns.
void as_forward_quantize(as_forward *f, const float *x, size_t m, size_t cols);

// Rows from..from+count-1 of y[][w->rows] = w x, this member's panels. Those rows of `x` were
// quantized if w wants it so.
void as_forward_multiply(as_forward *f, const as_matrix *w, const float *x, size_t from,
                         size_t count, float *y, size_t index, size_t members);

// gate = act(gate) * up, or act(gate) where the architecture has no up.
void as_forward_activate(as_forward *f, float *gate, const float *up, size_t n);

// Makes of gate and up what SiLU and a product turn into a clamped SwiGLU.
void as_forward_clamp(float *gate, float *up, size_t n);

// Adds a bias (NULL: none) to `count` heads of row m, norms and turns them as the layer's are.
void as_forward_turn(const as_forward *f, size_t layer, size_t m, float *heads, size_t count,
                     const float *bias, const float *norm);

// f->mixed of a row alone, from f->q, f->k and f->v as they were multiplied: this member's part.
void as_attention_alone(as_forward *f, size_t layer, size_t index, size_t members);

// f->mixed of all rows = attention of a layer, this member's tiles of it.
void as_attention_run(as_forward *f, size_t layer, size_t index, size_t members);

// f->y = what the mixture of a layer makes of f->h, which is not changed and need not be quantized.
// This member's share of it; rows of f->y are shared as `share` does.
void as_experts_run(as_forward *f, const as_mixture *mixture, size_t index, size_t members);

#endif
