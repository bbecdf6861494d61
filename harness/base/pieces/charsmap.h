// SPDX-License-Identifier: Apache-2.0
// charsmap.h - the table of SentencePiece's normalizer ("precompiled_charsmap"): which texts become
// which others. A double-array trie from texts to offsets, and the texts at those offsets, each
// ended by a NUL. Immutable: any thread may use it.
#ifndef AS_CHARSMAP_H
#define AS_CHARSMAP_H

#include "harness/base/str.h"

typedef struct as_charsmap as_charsmap;

// A copy of the table; NULL when the bytes are none: little-endian size of the trie in bytes, the
// trie in units of 32 bits, the texts. No text reads past them, whatever the trie says.
as_charsmap *as_charsmap_new(const unsigned char *bytes, size_t size);
void as_charsmap_free(as_charsmap *table);

// What the longest rule for the front of `text` makes of it, and how many bytes that takes; a
// character where there is no rule, or where the rule ends inside a character. text.len > 0; the
// result is a view, of the table or of `text`. A NULL table has no rules.
as_str as_charsmap_next(const as_charsmap *table, as_str text, size_t *taken);

#endif
