// SPDX-License-Identifier: Apache-2.0
// mecab.h - words of Japanese and Korean texts by MeCab, for BLEU as sacreBLEU cuts them. The
// library is loaded when it is first asked for (libmecab.so.2, wherever the loader finds one), so
// nothing needs it that does not name it; it stays loaded.
#ifndef AS_MECAB_H
#define AS_MECAB_H

#include "metrics/overlap/ngram.h"

typedef enum as_mecab_kind { AS_MECAB_JA, AS_MECAB_KO } as_mecab_kind;

typedef struct as_mecab as_mecab; // one thread at a time

// `dictionary`: its folder; empty for the one that the library is set up with. AS_INVALID, saying
// what to install, when there is no library or it finds no dictionary, or when that is not the one
// of sacreBLEU: IPA for Japanese (Debian's, which has one word more, counts as another), mecab-ko's
// for Korean with mecab-ko's library.
as_rc as_mecab_new(as_mecab_kind kind, as_str dictionary, as_mecab **out, as_err *err) AS_MUST_USE;
void as_mecab_free(as_mecab *m); // NULL, too

// As sacreBLEU's signature has it, behind "ja-mecab-" or "ko-mecab-": "0.996-IPA".
const char *as_mecab_version(const as_mecab *m);

// The words of a text, in `arena`.
as_rc as_mecab_cut(as_mecab *m, as_arena *arena, as_str text, as_tokens *out,
                   as_err *err) AS_MUST_USE;

#endif
