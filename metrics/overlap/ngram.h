// SPDX-License-Identifier: Apache-2.0
// ngram.h - texts as lists of words, words as numbers, and how many n-grams two such lists share.
#ifndef AS_NGRAM_H
#define AS_NGRAM_H

#include "metrics/overlap/edit.h"

typedef struct as_tokens {
    as_str *items;
    size_t count;
} as_tokens;

as_tokens as_ngram_split(as_arena *arena, as_str text); // at Unicode white space

// The same words get the same numbers in all `count` lists.
void as_ngram_number(as_arena *arena, const as_tokens *lists, size_t count, as_symbols *out);

// n-grams of one length: how many the answer has, how many the references have, how many are in
// both. Among several references each n-gram counts as often as the one that has it most often.
typedef struct as_ngrams {
    size_t answer, reference, match;
} as_ngrams;
void as_ngram_count(as_arena *arena, as_symbols answer, const as_symbols *references,
                    size_t reference_count, size_t longest, as_ngrams *out); // out[longest]

#endif
