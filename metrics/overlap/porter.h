// SPDX-License-Identifier: Apache-2.0
// porter.h - the stem of an English word, by Porter 1980 with the extensions that NLTK 3.x makes
// and that rouge_score therefore uses: irregular words, y after a consonant only, -alli, -fulli,
// -logi, short words in -ies and -ied.
#ifndef AS_PORTER_H
#define AS_PORTER_H

#include "harness/base/str.h"

// `word` is in lower case; the stem is in the arena.
as_str as_porter_stem(as_arena *arena, as_str word);

#endif
