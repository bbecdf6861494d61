// SPDX-License-Identifier: Apache-2.0
// pretok.h - how byte-level BPE cuts a text into words before it merges: the regular expressions
// behind the names of tokenizer.ggml.pre. Immutable once made: any thread.
#ifndef AS_PRETOK_H
#define AS_PRETOK_H

#include "harness/base/str.h"

typedef struct as_pretok as_pretok;

// The pre-tokenizer of that name; AS_INVALID, naming those there are, for an unknown one.
as_rc as_pretok_new(as_str name, as_pretok **out, as_err *err) AS_MUST_USE;
void as_pretok_free(as_pretok *pretok);

bool as_pretok_takes_words(const as_pretok *pretok); // a word that is a token is not merged up
bool as_pretok_adds_bos(const as_pretok *pretok);    // when the file does not say

// Calls `word` for each word of `text` (valid UTF-8), in order; together they are the text.
// AS_INVALID when a match ran into its work limit.
typedef void as_pretok_word(void *context, as_str word);
as_rc as_pretok_split(const as_pretok *pretok, as_str text, as_pretok_word *word, void *context,
                      as_err *err) AS_MUST_USE;

#endif
