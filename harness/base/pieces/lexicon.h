// SPDX-License-Identifier: Apache-2.0
// lexicon.h - the texts of a vocabulary, numbered from 0 in the order they are put in, and the
// number of a text. They lie one behind the other, and a number to be found takes four bytes: a map
// of the same texts takes four times as much.
//
// A zeroed as_lexicon is empty and ready. Whoever fills it owns it; afterwards nothing changes it,
// and any thread may use it.
#ifndef AS_LEXICON_H
#define AS_LEXICON_H

#include "harness/base/str.h"

enum {
    AS_LEXICON_COUNT_MAX = 1024 * 1024, // texts
    AS_LEXICON_SIZE_MAX = INT32_MAX,    // bytes of all of them
};

typedef struct as_lexicon {
    char *bytes;
    uint32_t *starts; // [count + 1] in `bytes`
    uint32_t *slots;  // [slot_count] of a hash table: some bits of the hash, number + 1; 0: empty
    size_t count, size, slot_count;
    size_t longest; // bytes of a text that can be found
} as_lexicon;

// Of an empty one: room for `count` texts of `size` bytes together; more cannot be put in.
void as_lexicon_reserve(as_lexicon *lexicon, size_t count, size_t size);
void as_lexicon_put(as_lexicon *lexicon, as_str text); // copies it
as_str as_lexicon_text(const as_lexicon *lexicon, size_t number);

// Lets the text of that number be found. False when one like it can be already: then *existing (if
// not NULL) is that one's number.
bool as_lexicon_index(as_lexicon *lexicon, size_t number, uint32_t *existing);
void as_lexicon_unindex(as_lexicon *lexicon); // none can be found
bool as_lexicon_find(const as_lexicon *lexicon, as_str text, uint32_t *number);

void as_lexicon_trim(as_lexicon *lexicon); // gives back room that is not used
void as_lexicon_free(as_lexicon *lexicon);

#endif
