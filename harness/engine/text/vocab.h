// SPDX-License-Identifier: Apache-2.0
// vocab.h - the tokens of a model: what bytes each stands for, which are special, and text to
// tokens. Byte-level BPE ("gpt2", in bpe.h), SentencePiece BPE ("llama", in spm.h), Unigram ("t5",
// in unigram.h) and WordPiece ("bert", in wordpiece.h).
//
// Immutable after as_vocab_load: any thread may use it. It owns all it hands out and needs the
// GGUF file only while loading.
#ifndef AS_VOCAB_H
#define AS_VOCAB_H

#include "harness/base/pieces/pieces.h"
#include "harness/engine/engine.h"
#include "harness/engine/gguf.h"

enum {
    AS_VOCAB_MAX = 1024 * 1024,            // tokens
    AS_VOCAB_MERGES_MAX = 2 * 1024 * 1024, // merges
    AS_VOCAB_PIECE_MAX = AS_PIECE_LEN_MAX, // bytes of a token
    AS_VOCAB_TEXT_MAX = 256 * 1024 * 1024, // bytes of a text to tokenize
};

#define AS_TOKEN_NONE UINT32_MAX

// Numbered as in the file.
typedef enum as_token_kind {
    AS_TOKEN_NORMAL = AS_PIECE_NORMAL,
    AS_TOKEN_UNKNOWN = AS_PIECE_UNKNOWN,
    AS_TOKEN_CONTROL = AS_PIECE_CONTROL, // text only where asked for
    AS_TOKEN_USER = AS_PIECE_USER,       // found in any text before anything else
    AS_TOKEN_UNUSED = AS_PIECE_UNUSED,
    AS_TOKEN_BYTE = AS_PIECE_BYTE,
} as_token_kind;

typedef enum as_vocab_kind {
    AS_VOCAB_BPE,
    AS_VOCAB_SPM,
    AS_VOCAB_UNIGRAM,
    AS_VOCAB_WORDPIECE,
} as_vocab_kind;

typedef struct as_bpe as_bpe;

typedef struct as_special {
    as_str text;
    uint32_t id, shorter; // place of the longest special that this one begins with; or none
} as_special;

typedef struct as_vocab {
    as_arena arena; // holds what the pointers below point to
    as_vocab_kind kind;
    as_str name; // of the kind, as in the file
    size_t count;
    as_lexicon texts;     // the bytes a token stands for; of BPE found by them
    unsigned char *kinds; // [count] as_token_kind
    bool *ends;           // [count] ends an answer
    as_lexicon pieces; // as written; SPM, Unigram: in `spm`; of WordPiece found by that; BPE: empty
    uint32_t byte_ids[256]; // the token of each single byte; AS_TOKEN_NONE where there is none
    as_special *specials;   // tokens searched for in a text, in the order of their bytes
    size_t special_at[257]; // specials of first byte b: [special_at[b], special_at[b + 1])
    uint32_t bos, eos;      // AS_TOKEN_NONE when there is none
    bool add_bos;           // the model wants `bos` in front
    bool add_eos;           // and `eos` behind: encoders do (Unigram, WordPiece)
    bool asks_eos;    // the file wants `eos` behind; of a decoder that is for embeddings alone
    bool strips;      // special tokens swallow the white space after them (Phi-3)
    bool add_space;   // SPM: a space in front of the text and after special tokens
    as_bpe *bpe;      // BPE; else NULL
    as_pieces *spm;   // SPM, Unigram; else NULL
    uint32_t unknown; // Unigram: for what is in no piece; WordPiece: for words that cannot be cut
    bool lowers, drops_accents; // WordPiece: what becomes of a text first
} as_vocab;

// Token ids under way; a zeroed one is ready. The caller frees `ids`.
typedef struct as_ids {
    uint32_t *ids;
    size_t count, capacity;
} as_ids;

void as_ids_add(as_ids *ids, uint32_t id);

// For pieces.h: takes the pieces of a text. An unknown one becomes its bytes, where the vocabulary
// has tokens for those; else a run of unknown ones is one token.
typedef struct as_vocab_encoding {
    const as_vocab *vocab;
    as_ids *ids;
} as_vocab_encoding;
void as_vocab_put_piece(void *encoding, as_str piece, uint32_t id);

// For those that load a vocabulary of one kind. They find in vocab->pieces what is written for each
// token, and put into vocab->texts what it stands for. The scores of all tokens, into vocab->spm;
// an optional token id; the text of the byte token `id`, written like '<0x0A>', and that of a piece
// with spaces for their marks, into vocab->texts.
as_rc as_vocab_scores(as_vocab *vocab, const as_gguf *file, as_err *err) AS_MUST_USE;
as_rc as_vocab_id(const as_vocab *vocab, const as_gguf *file, const char *key, uint32_t *out,
                  as_err *err) AS_MUST_USE;
as_rc as_vocab_put_byte(as_vocab *vocab, const as_gguf *file, size_t id, as_str piece,
                        as_err *err) AS_MUST_USE;
void as_vocab_put_spoken(as_vocab *vocab, as_str piece);

as_rc as_vocab_load(as_vocab *out, const as_gguf *file, as_err *err) AS_MUST_USE;
void as_vocab_free(as_vocab *vocab); // also for a zeroed one

// As as_model_tokenize. Bytes that are not UTF-8 are read as U+FFFD.
as_rc as_vocab_tokenize(const as_vocab *vocab, as_arena *arena, as_str text, bool special, bool bos,
                        as_tokens *out, as_err *err) AS_MUST_USE;

// As as_model_guard.
as_str as_vocab_guard(const as_vocab *vocab, as_arena *arena, as_str text);

#endif
