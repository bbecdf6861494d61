// SPDX-License-Identifier: Apache-2.0
// spm.h - SentencePiece BPE ("llama"): spaces become U+2581, neighbouring pieces merge into the
// piece of the highest score (leftmost on a tie), what is left over is written in byte tokens.
#ifndef AS_SPM_H
#define AS_SPM_H

#include "harness/engine/text/vocab.h"

// Fills in what vocab.c left open: texts, pieces, bytes, defaults. Texts point into `file` before
// and into the vocabulary's arena after.
as_rc as_spm_load(as_vocab *vocab, const as_gguf *file, as_err *err) AS_MUST_USE;

// Appends the tokens of a text (valid UTF-8) that begins the input or follows a special token.
void as_spm_encode(const as_vocab *vocab, as_str text, as_ids *ids);

#endif
