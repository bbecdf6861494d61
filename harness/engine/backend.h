// SPDX-License-Identifier: Apache-2.0
// backend.h - what computes: a device that holds pages of keys and values, and lanes that run
// batches of token rows over them. The CPU (forward.c) is one; another fills the same table.
//
// A page has AS_PAGE slots, each for the keys and values of one position in all layers. Which page
// holds what is decided outside, by number: a backend only stores and reads where it is told. Where
// the positions of a text lie is said by a view, a list of spans: text after text may share the
// front of it, and a fork needs no copy, it goes on in slots of its own.
//
// What a row computes depends on the tokens it sees alone: neither on the batch, the other rows,
// the pages and slots, nor on the lane. Which bits that is may differ between backends, and between
// the types of cache, never within one.
#ifndef AS_BACKEND_H
#define AS_BACKEND_H

#include "harness/engine/encoder.h"

enum { AS_PAGE = AS_PANEL }; // slots of a page

// `count` positions in slots slot..slot+count-1 of a page.
typedef struct as_span {
    uint32_t page;
    uint16_t slot, count; // count >= 1, slot + count <= AS_PAGE
} as_span;

// Where a text lies: positions 0, 1, ... in the order of the spans.
typedef struct as_view {
    const as_span *spans;
    size_t count;
} as_view;

// A token at a position of views[view]. It sees positions 0..position; its key and value are put
// where the view says. The positions before it were put there by earlier batches or are by rows of
// this one. Of an architecture that sees both ways a batch is one text, and each row sees all of
// it.
typedef struct as_row {
    uint32_t token, position, view;
} as_row;

// What is wanted of a row. logprobs[i] = log p(tokens[i] | what the row saw): the logit less the
// log of the sum of exp of all logits.
typedef struct as_want {
    uint32_t row;
    const uint32_t *tokens; // [count]; 0 of them: no log-probabilities
    size_t count;
    double *logprobs;            // [count]
    uint32_t *best;              // the likeliest token (ties: lowest id), or NULL
    const as_sampling *sampling; // by which `best` is drawn instead, or NULL: the likeliest
    uint64_t step;               // of its chance: sampler.h
    float *logits;               // [vocabulary], or NULL
    float *state;                // [width]: what the output matrix is multiplied with, or NULL
} as_want;

// Rows in any order that puts the rows of a view by position; those that share most of what they
// see side by side are the fastest. Wants in the order of their rows, at most one a row.
typedef struct as_batch {
    const as_view *views;
    const as_row *rows;
    const as_want *wants;
    size_t view_count, row_count, want_count;
} as_batch;

typedef struct as_device as_device; // pages; immutable but for what lanes put there
typedef struct as_lane as_lane;     // scratch memory and threads of batches: one caller at a time

struct as_backend {
    const char *name; // "cpu"
    size_t chunk;     // rows of a batch that keep it busy

    // Whether the device is there, before any memory is taken. NULL: it is.
    as_rc (*probe)(as_err *err);

    // Bytes of a page.
    size_t (*page_size)(const as_model *model, as_kv kv);

    // Room for `pages` pages, for texts of at most `context` tokens: models with two sets of rope
    // divisors take the one for that. AS_UNMEASURED when memory is not to be had.
    as_rc (*open)(const as_model *model, as_kv kv, size_t context, size_t pages, as_device **out,
                  as_err *err);
    void (*close)(as_device *device); // after its lanes

    // Batches of at most `rows` rows by `threads` threads, the caller's among them. Lanes of a
    // device run side by side: what one writes, no other reads before run() has returned.
    as_rc (*lane_new)(as_device *device, size_t rows, size_t threads, as_lane **out, as_err *err);
    void (*lane_free)(as_lane *lane);

    // Computes 1..rows rows and what is wanted of them. AS_UNMEASURED when the device fails.
    as_rc (*run)(as_lane *lane, const as_batch *batch, as_err *err);

    // Models that are encoders: as_encoder_new, as_encoder_run and as_encoder_free of encoder.h.
    as_rc (*encoder_new)(const as_model *model, size_t threads, as_encoder **out, as_err *err);
    as_rc (*encoder_run)(as_encoder *encoder, const as_tokens *texts, size_t count,
                         const float **rows, as_err *err);
    void (*encoder_free)(as_encoder *encoder);
};

extern const as_backend as_backend_cpu;

// "cpu" (or empty), "cuda:0" to "cuda:7", "cuda:0-fast" and so on. AS_INVALID for other names;
// whether a GPU is there is found out when it is opened.
as_rc as_backend_find(as_str name, const as_backend **out, as_err *err) AS_MUST_USE;

#endif
