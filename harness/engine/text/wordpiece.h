// SPDX-License-Identifier: Apache-2.0
// wordpiece.h - WordPiece ("bert"): a text is lowered, its accents are taken off, it is cut into
// words at white space and around punctuation and Han characters, and a word into the longest
// pieces there are, from the left.
#ifndef AS_WORDPIECE_H
#define AS_WORDPIECE_H

#include "harness/engine/text/vocab.h"

// Fills in what vocab.c left open: texts, pieces, defaults.
as_rc as_wordpiece_load(as_vocab *vocab, const as_gguf *file, as_err *err) AS_MUST_USE;

// Appends the tokens of a text (valid UTF-8).
void as_wordpiece_encode(const as_vocab *vocab, as_str text, as_ids *ids);

#endif
