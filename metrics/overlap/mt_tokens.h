// SPDX-License-Identifier: Apache-2.0
// mt_tokens.h - sacreBLEU's tokenizers (2.6). Texts are valid UTF-8.
//
//   13a   mteval-v13a: entities &quot; &amp; &lt; &gt; undone, ASCII punctuation cut off, '.' and
//   ','
//         and '-' kept inside numbers
//   intl  mteval-v14: Unicode punctuation and symbols cut off, except between digits
//   zh    each Chinese character a token, the rest cut as 13a cuts it
//   char  each character that is no white space
//   none  white space only
#ifndef AS_MT_TOKENS_H
#define AS_MT_TOKENS_H

#include "harness/base/regex.h"
#include "metrics/overlap/ngram.h"

typedef enum as_mt_kind { AS_MT_13A, AS_MT_INTL, AS_MT_ZH, AS_MT_CHAR, AS_MT_NONE } as_mt_kind;
extern const char *const as_mt_kinds[]; // names in that order, ends with NULL

typedef struct as_mt_tokenizer as_mt_tokenizer; // one thread at a time

as_rc as_mt_new(as_mt_kind kind, as_mt_tokenizer **out, as_err *err) AS_MUST_USE;
void as_mt_free(as_mt_tokenizer *tokenizer);
as_tokens as_mt_cut(as_mt_tokenizer *tokenizer, as_arena *arena, as_str text);

// Tercom's normalisation of Western texts, for TER: as 13a, but joins "\n-" and splits off 's.
as_str as_mt_tercom(as_arena *arena, as_str text);

#endif
