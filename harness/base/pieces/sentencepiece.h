// SPDX-License-Identifier: Apache-2.0
// sentencepiece.h - SentencePiece's own model files (".model", a ModelProto of protocol buffers):
// Unigram and BPE, with the normalizer's table, user-defined and unused pieces, byte fallback.
// Texts come out as SentencePiece 0.2 cuts them.
//
// Not for the engine, whose vocabularies come in GGUF files. Immutable once read: any thread may
// use it.
#ifndef AS_SENTENCEPIECE_H
#define AS_SENTENCEPIECE_H

#include "harness/base/pieces/pieces.h"

enum {
    AS_SENTENCEPIECE_SIZE_MAX = 64 * 1024 * 1024, // bytes of a file
    AS_SENTENCEPIECE_COUNT_MAX = 1024 * 1024,     // pieces
};

typedef struct as_sentencepiece as_sentencepiece;

// Reads the bytes of a file, all of which are looked at, and keeps none of them. `name` is the
// file's, for messages, which also say the field and where it begins.
as_rc as_sentencepiece_read(as_str bytes, const char *name, as_sentencepiece **out,
                            as_err *err) AS_MUST_USE;
void as_sentencepiece_free(as_sentencepiece *model); // NULL, too

// The pieces of a text, as written (U+2581 for a space, "<0xE3>" for a byte): views, in `arena` or
// of the model. A run of characters that are in no piece is one.
as_str *as_sentencepiece_cut(const as_sentencepiece *model, as_arena *arena, as_str text,
                             size_t *count);

#endif
