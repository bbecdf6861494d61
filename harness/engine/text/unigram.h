// SPDX-License-Identifier: Apache-2.0
// unigram.h - SentencePiece Unigram ("t5"): the text is normalized by the file's own table, then
// cut into the pieces whose scores add up to the most.
#ifndef AS_UNIGRAM_H
#define AS_UNIGRAM_H

#include "harness/engine/text/vocab.h"

// Fills in what vocab.c left open: texts, pieces, the table, defaults.
as_rc as_unigram_load(as_vocab *vocab, const as_gguf *file, as_err *err) AS_MUST_USE;

// Appends the tokens of a text (valid UTF-8).
void as_unigram_encode(const as_vocab *vocab, as_str text, as_ids *ids);

#endif
