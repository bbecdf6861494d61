// SPDX-License-Identifier: Apache-2.0
// wordnet.h - words that WordNet has for one meaning, from its own files (3.0 and 3.1): a folder
// with index.PART and data.PART for noun, verb, adj and adv. An index is sorted by word; its lines
// say where the data has the synsets (sets of words for one meaning) of a word. The files are
// mapped and searched, never read as a whole.
#ifndef AS_WORDNET_H
#define AS_WORDNET_H

#include "metrics/overlap/ngram.h"

typedef struct as_wordnet as_wordnet;

// AS_INVALID when a file cannot be read.
as_rc as_wordnet_open(as_str folder, as_wordnet **out, as_err *err) AS_MUST_USE;
void as_wordnet_free(as_wordnet *wordnet); // NULL, too

// Tells one WordNet from another: the first digits of a SHA-256 over sizes, beginnings and ends of
// the files. Of the wordnet.
as_str as_wordnet_digest(const as_wordnet *wordnet);

// The words of all synsets that `word` (lower case) is in, itself among them, those of several
// words ("_") left out; none when WordNet lacks it. As written there: with capitals, an adjective's
// place ("galore(ip)") included. Views of the files. AS_INVALID when the index leads nowhere.
as_rc as_wordnet_synonyms(const as_wordnet *wordnet, as_arena *arena, as_str word, as_tokens *out,
                          as_err *err) AS_MUST_USE;

// The same of one part of speech, given the two files; adds to `out`. `name` is the data's.
as_rc as_wordnet_look(as_str index, as_str data, const char *name, as_arena *arena, as_str word,
                      as_tokens *out, as_err *err) AS_MUST_USE;

#endif
