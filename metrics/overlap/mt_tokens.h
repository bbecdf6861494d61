// SPDX-License-Identifier: Apache-2.0
// mt_tokens.h - sacreBLEU's tokenizers (2.6). Texts are valid UTF-8.
//
//   13a   mteval-v13a: entities &quot; &amp; &lt; &gt; undone, ASCII punctuation cut off, but for
//         full stops, commas and dashes inside numbers
//   intl  mteval-v14: Unicode punctuation and symbols cut off, except between digits
//   zh    each Chinese character a token, the rest cut as 13a cuts it
//   char  each character that is no white space
//   none  white space only
//   ja-mecab, ko-mecab   words of Japanese and Korean by MeCab (mecab.h)
//   spm, flores101, flores200, spBLEU-1K   pieces of a SentencePiece model (sentencepiece.h).
//         sacreBLEU fetches one for each of these names (spm is flores101); here the file is always
//         named, and its hash stands in the signature: sacreBLEU publishes none to hold it against
#ifndef AS_MT_TOKENS_H
#define AS_MT_TOKENS_H

#include "harness/base/regex.h"
#include "metrics/overlap/ngram.h"

typedef enum as_mt_kind {
    AS_MT_13A,
    AS_MT_INTL,
    AS_MT_ZH,
    AS_MT_CHAR,
    AS_MT_NONE,
    AS_MT_JA_MECAB,
    AS_MT_KO_MECAB,
    AS_MT_SPM, // and those behind it
    AS_MT_FLORES101,
    AS_MT_FLORES200,
    AS_MT_SPBLEU_1K,
} as_mt_kind;
extern const char *const as_mt_kinds[]; // names in that order, ends with NULL

typedef struct as_mt_tokenizer as_mt_tokenizer; // one thread at a time

// `vocabulary`: the path of a model (spm and its kin; needed) or of a dictionary's folder (mecab;
// may be empty); empty for the others.
as_rc as_mt_new(as_mt_kind kind, as_str vocabulary, as_mt_tokenizer **out, as_err *err) AS_MUST_USE;
void as_mt_free(as_mt_tokenizer *tokenizer);
as_rc as_mt_cut(as_mt_tokenizer *tokenizer, as_arena *arena, as_str text, as_tokens *out,
                as_err *err) AS_MUST_USE;

// As sacreBLEU's signature has it ("13a", "ja-mecab-0.996-IPA"), and what it does not say of the
// vocabulary: the first digits of the file's SHA-256; empty when there is none. Of the tokenizer.
as_str as_mt_name(const as_mt_tokenizer *tokenizer);
as_str as_mt_digest(const as_mt_tokenizer *tokenizer);

// Tercom's normalisation of Western texts, for TER: as 13a, but joins "\n-" and splits off 's.
as_str as_mt_tercom(as_arena *arena, as_str text);

#endif
