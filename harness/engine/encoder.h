// SPDX-License-Identifier: Apache-2.0
// encoder.h - the forward pass of encoders (BERT and its like): texts through all layers, every row
// seeing all rows of its own text, nothing kept between calls.
//
//   x = LayerNorm(token + type[0] + position)       position: where the architecture has `places`
//   x = LayerNorm(x + W_o attention(x))             softmax(q k / sqrt(head_width)) v, by heads;
//                                                   q and k rotated where there are no `places`
//   x = LayerNorm(x + W_down act(x))                GELU(W_up x), or SiLU(W_gate x) * W_up x
//
// GELU is x Phi(x), of erf, as models of this kind were trained with (hidden_act "gelu"); a file
// does not say. Engines that compute the form of tanh differ by up to 5e-4 an activation.
//
// Source: BERT (arXiv:1810.04805), nomic-embed (arXiv:2402.01613); tensor names as in GGUF files.
//
// An as_encoder belongs to one embedder: one caller at a time.
#ifndef AS_ENCODER_H
#define AS_ENCODER_H

#include "harness/engine/model.h"

typedef struct as_encoder as_encoder;

as_rc as_encoder_new(const as_model *model, size_t threads, as_encoder **out,
                     as_err *err) AS_MUST_USE;
void as_encoder_free(as_encoder *encoder);

// *rows: the last layer's rows of all texts, one after the other: [tokens of all][width], the
// encoder's own until the next call. Each text has 1 to context_length tokens. A row's bits do not
// depend on the other texts.
as_rc as_encoder_run(as_encoder *encoder, const as_tokens *texts, size_t count, const float **rows,
                     as_err *err) AS_MUST_USE;

#endif
