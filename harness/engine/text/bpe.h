// SPDX-License-Identifier: Apache-2.0
// bpe.h - byte-level BPE ("gpt2"): a text is cut into words (pretok.h), each word's bytes are
// tokens, and neighbours merge in the order of the file's list of merges.
#ifndef AS_BPE_H
#define AS_BPE_H

#include "harness/engine/text/vocab.h"

// Fills in what vocab.c left open: texts, pieces, bytes, merges, defaults. Texts point into
// `file` before and into the vocabulary's arena after.
as_rc as_bpe_load(as_vocab *vocab, const as_gguf *file, as_err *err) AS_MUST_USE;
void as_bpe_free(as_bpe *bpe);

// Appends the tokens of a text (valid UTF-8).
as_rc as_bpe_encode(const as_vocab *vocab, as_str text, as_ids *ids, as_err *err) AS_MUST_USE;

#endif
