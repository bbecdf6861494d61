// SPDX-License-Identifier: Apache-2.0
// pieces.h - how SentencePiece cuts a text into the pieces of a vocabulary, wherever that came
// from: a GGUF file of the engine, or SentencePiece's own (sentencepiece.h). The text is
// normalised, then either merged from its characters, the pair of the best score first (BPE), or
// cut where the scores add up to the most (Unigram).
//
// Whoever reads a vocabulary fills in an as_pieces; afterwards nothing changes it, and any thread
// may use it. Texts are UTF-8; a byte that is none counts as a character.
#ifndef AS_PIECES_H
#define AS_PIECES_H

#include "harness/base/pieces/charsmap.h"
#include "harness/base/pieces/lexicon.h"

enum { AS_PIECE_LEN_MAX = 4096 }; // bytes of a piece

#define AS_PIECE_NONE UINT32_MAX

// Numbered as in SentencePiece's files.
typedef enum as_piece_kind {
    AS_PIECE_NORMAL = 1,
    AS_PIECE_UNKNOWN,
    AS_PIECE_CONTROL,
    AS_PIECE_USER, // never cut and never normalised, wherever it is found
    AS_PIECE_UNUSED,
    AS_PIECE_BYTE,
} as_piece_kind;

typedef struct as_pieces {
    as_lexicon texts; // as written (U+2581 for a space), found: what text may be; as_pieces_free
    const unsigned char *kinds; // [count] as_piece_kind; the reader's
    float *scores;              // [count] finite; as_pieces_free frees it
    size_t count;
    // By as_pieces_finish:
    uint32_t *orders; // [count] of merging, 0 for the best score, equal ones equal; not for Unigram
    uint32_t *sorted; // what is looked for in a text, in the order of the bytes
    size_t begins_with[257]; // in `sorted`: those of first byte b are [.. [b], .. [b + 1])
    double least, most;      // score of a normal piece
    // What the model is:
    as_charsmap *table; // NULL: nothing becomes anything else; as_pieces_free frees it
    bool front, back;   // a space is put in front of a text, or behind it
    bool strips;        // runs of spaces become one, those at the ends go
    bool plain;         // spaces stay spaces
    bool rounds;        // sums of scores are floats, as SentencePiece has them; else doubles
    bool undoes;        // BPE: unused pieces are taken apart again; else they are as good as others
} as_pieces;

// To be called once texts, kinds, scores and count are there; `merges` for BPE, which the scores
// are not needed for any more.
void as_pieces_finish(as_pieces *pieces, bool merges);
void as_pieces_free(as_pieces *pieces); // what it owns; also for a zeroed one

// Appends the normalised text.
void as_pieces_normalize(const as_pieces *pieces, as_str text, as_buf *out);

// Told of each piece of a normalised text in turn: a view of that text; AS_PIECE_NONE: a character
// that is in no piece.
typedef void as_pieces_take(void *context, as_str text, uint32_t id);

void as_pieces_merge(const as_pieces *pieces, as_str text, as_pieces_take *take, void *context);
void as_pieces_cut(const as_pieces *pieces, as_str text, as_pieces_take *take, void *context);

// "<0x0A>" to 10; -1 for anything else.
int as_pieces_byte(as_str text);

#endif
