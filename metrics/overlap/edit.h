// SPDX-License-Identifier: Apache-2.0
// edit.h - edit distance and longest common subsequence of two sequences, 64 cells at a time.
//
// Symbols are any 32-bit numbers: code points, or numbers of words. Time is n * m / 64 words of
// work, memory n + m: 100,000 characters against 100,000 take a third of a second. Scratch memory
// is taken from the arena given.
// Sources: Myers 1999; Hyyro 2003 (blocks), Hyyro 2004 (LCS).
#ifndef AS_EDIT_H
#define AS_EDIT_H

#include "harness/base/str.h"

typedef struct as_symbols {
    const uint32_t *items;
    size_t count;
} as_symbols;

as_symbols as_edit_code_points(as_arena *arena, as_str text); // of valid UTF-8

// The least number of insertions, deletions and substitutions (Levenshtein).
size_t as_edit_distance(as_arena *arena, as_symbols a, as_symbols b);

// One cheapest way from `reference` to `answer`. Among several it is the one that rapidfuzz (and so
// jiwer) takes: equal ends first; then from the back a deletion, else an insertion, else a pair.
typedef struct as_edits {
    size_t hits, substitutions, deletions, insertions;
} as_edits;
as_edits as_edit_align(as_arena *arena, as_symbols reference, as_symbols answer);

size_t as_edit_common(as_arena *arena, as_symbols a, as_symbols b); // length of the LCS

// Sets marked[i] for the places in `reference` of one LCS. Among several it is the one that
// rouge_score takes: from the back equal ends, else a step in `answer` where that loses nothing and
// a step in `reference` would, else a step in `reference`.
void as_edit_mark_common(as_arena *arena, as_symbols reference, as_symbols answer, bool *marked);

#endif
