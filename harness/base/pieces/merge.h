// SPDX-License-Identifier: Apache-2.0
// merge.h - merging neighbouring symbols of a text, the best pair first, until none is left. What
// byte-level BPE and SentencePiece have in common; they differ in what a pair's order is.
//
// A heap of candidate pairs over a linked list of symbols: n log n for n symbols, whatever the
// text. A zeroed as_merger is ready; it keeps its memory from one text to the next.
#ifndef AS_MERGE_H
#define AS_MERGE_H

#include "harness/base/str.h"

#define AS_SYMBOL_NONE UINT32_MAX

typedef struct as_symbol {
    uint32_t start, len; // bytes of the text; len 0: merged into the one before
    uint32_t id;         // token, or AS_SYMBOL_NONE
    uint32_t prev, next; // AS_SYMBOL_NONE at the ends
} as_symbol;

typedef struct as_candidate {
    uint32_t order, at; // lowest order first, then the leftmost
    uint32_t id, len;   // of the merged symbol
} as_candidate;

typedef struct as_merger {
    as_symbol *symbols;
    size_t symbol_count, symbol_capacity;
    as_candidate *heap;
    size_t heap_count, heap_capacity;
} as_merger;

// Whether the two may become one, in which order, and as which token.
typedef bool as_pair(const void *context, as_str text, const as_symbol *left,
                     const as_symbol *right, uint32_t *order, uint32_t *id);

// Appends a symbol of `len` bytes after those already there. Reset with symbol_count = 0.
void as_merger_add(as_merger *merger, uint32_t len, uint32_t id);

// Merges. Afterwards symbols[0] and those reached from it by `next` remain.
void as_merger_run(as_merger *merger, as_str text, as_pair *pair, const void *context);

void as_merger_free(as_merger *merger);

#endif
