// SPDX-License-Identifier: Apache-2.0
// model.h - a loaded model from inside the engine: hyperparameters, vocabulary, packed weights.
// Immutable after as_model_open.
#ifndef AS_MODEL_H
#define AS_MODEL_H

#include "harness/base/file.h"
#include "harness/engine/engine.h"
#include "harness/engine/hparams.h"
#include "harness/engine/lora.h"
#include "harness/engine/text/vocab.h"
#include "kernels/kernels.h"

// What an adapter adds to a product: scale * b (a x).
typedef struct as_low_rank {
    size_t rank; // 0: nothing
    as_matrix a; // [rank][cols], F32
    as_matrix b; // [rows][rank], F32
    float scale;
} as_low_rank;

// The experts of a layer. The shared ones are not there without a shared expert, the biases are
// NULL but for clamped experts.
typedef struct as_mixture {
    as_matrix router;                 // [experts][width]
    as_matrix *gate, *up;             // [experts] of [expert_width][width]
    as_matrix *down;                  // [experts] of [width][expert_width]
    const float *router_bias;         // [experts]
    const float *gate_bias, *up_bias; // [experts][expert_width]
    const float *down_bias;           // [experts][width]
    const float *shared_router;       // [width]
    as_matrix shared_gate, shared_up; // [shared_width][width]
    as_matrix shared_down;            // [width][shared_width]
} as_mixture;

// q = heads * head_width, kv = kv_heads * head_width. A bias is NULL when the file has none, a norm
// when the architecture has none; gate, up and down are not there in a mixture, up not where
// nothing is gated. LayerNorms always have a bias.
typedef struct as_layer {
    const float *attention_norm, *attention_norm_bias; // [width]
    as_matrix query;                                   // [q][width]
    as_matrix key, value;                              // [kv][width]
    as_matrix output;                                  // [width][q]
    const float *query_bias, *key_bias, *value_bias, *output_bias;
    const float *query_norm, *key_norm;               // [head_width], or whole: [q], [kv]
    const float *sinks;                               // [heads] scores of nothing, or NULL
    const float *attention_post_norm;                 // [width]
    const float *ffn_norm, *ffn_norm_bias;            // [width]
    const float *ffn_post_norm;                       // [width]
    const float *attention_post_bias, *ffn_post_bias; // [width] of an encoder's norms
    as_matrix gate, up;                               // [ffn_width][width]
    as_matrix down;                                   // [width][ffn_width]
    const float *gate_bias, *up_bias, *down_bias;
    as_mixture mixture;
    as_low_rank query_delta, key_delta, value_delta, output_delta, gate_delta, up_delta, down_delta;
} as_layer;

// Rates of rotation, [rope.width/2] each; NULL where the model has none of the kind.
typedef enum as_rates {
    AS_RATES_USUAL,
    AS_RATES_LONG,  // longrope: for contexts beyond the original one
    AS_RATES_LOCAL, // layers that see a window and rotate in their own way
    AS_RATES_COUNT
} as_rates;

typedef struct as_keeper as_keeper; // who puts packed matrices into the cache

typedef struct as_weights {
    void *memory;               // whole pages that hold everything below,
    const unsigned char *start; // from here on,
    size_t size;                // so many bytes
    as_keeper *keeper;          // NULL when there is nothing to keep
    as_matrix embedding;        // [vocabulary][width]
    as_low_rank output_delta;
    size_t rank_max;     // of all deltas
    size_t scratch_size; // the most that a product needs: as_matrix_scratch_size
    bool coded;          // some matrices are as the file has them: as_matrix.coded
    bool plain;          // some matrices are not quantized
    as_matrix output;    // [vocabulary][width]; the same values as `embedding` when tied
    const float *output_norm, *output_norm_bias; // [width]
    const float *output_bias;                    // [vocabulary] or NULL
    as_matrix positions; // [context_length][width] of an encoder that has `places`
    as_matrix dense[2];  // [n][width], [width][n] that embeddings go through, or no rows
    as_matrix types;     // [kinds][width] of an encoder: rows[0] is added to each token's
    const float *embedding_norm, *embedding_bias; // [width] of an encoder
    double *rates[AS_RATES_COUNT];
    float *temperatures; // what scores at position p are multiplied by: [p / original_context]; or
                         // NULL
    as_layer *layers;    // [layers]
    uint64_t parameters;
    uint64_t product_parameters; // of the matrices that every token is multiplied with
    uint64_t product_size;       // their bytes in memory
} as_weights;

struct as_model {
    as_arena arena; // holds strings of `info`
    as_model_info info;
    as_hparams hparams;
    as_vocab vocab;
    as_weights weights;
    const as_kernels *kernels;
};

// as_model_open of bytes in memory, which are needed during the call only. `path` is for messages.
as_rc as_model_read(const char *path, const as_mapped *map, const as_model_options *options,
                    as_model **out, as_err *err) AS_MUST_USE;

// Of what as_weights_load lays out: one more whenever its order or a packed type's layout changes.
enum { AS_PACKED_VERSION = 2 };

// Checks every tensor's type and shape, refuses what it does not know, and packs. `lora` may be
// NULL. `kept` is the name under which the packed matrices of this very file are in the cache, or
// are put there; NULL to pack them in any case. With `decoded`, matrices of types that are only
// decoded are packed too, as the type that holds them.
as_rc as_weights_load(as_weights *out, const as_gguf *file, const as_lora *lora,
                      const as_hparams *hparams, size_t vocabulary, bool decoded, const char *kept,
                      as_err *err) AS_MUST_USE;
void as_weights_free(as_weights *weights); // also for zeroed ones

#endif
