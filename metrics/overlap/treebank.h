// SPDX-License-Identifier: Apache-2.0
// treebank.h - a sentence as the words and marks of the Penn Treebank, as the js-rouge package
// cuts it (and therefore promptfoo's rouge-n): marks apart from words, a full stop only at the end,
// "n't", "'s", "'ll" and their kin apart, cannot and gonna in two, quotation marks as `` and ''.
// One rule of js-rouge is left out: a quotation mark behind a superscript letter that marks a
// footnote.
#ifndef AS_TREEBANK_H
#define AS_TREEBANK_H

#include "metrics/overlap/ngram.h"

typedef struct as_treebank as_treebank; // immutable: any thread may cut

as_rc as_treebank_new(as_treebank **out, as_err *err) AS_MUST_USE;
void as_treebank_free(as_treebank *treebank);

// `text` is valid UTF-8; the tokens are in the arena.
as_tokens as_treebank_cut(const as_treebank *treebank, as_arena *arena, as_str text);

#endif
