// SPDX-License-Identifier: Apache-2.0
// recognizer.h - walks along a grammar byte by byte: where a text may go on, and where it may end.
//
// A place is all that the grammar may be in after a text: for each state the sets of states to come
// back to, one above the other. Places and sets are made when they are first come to, kept, and
// equal ones are one: a step that was taken before is a look into a table. How deep calls may be in
// each other is bounded: what would go deeper is not there.
//
// One thread at a time.
#ifndef AS_RECOGNIZER_H
#define AS_RECOGNIZER_H

#include "harness/base/grammar/grammar.h"

enum {
    AS_RECOGNIZER_DEPTH_MAX = 512, // calls in calls
};

typedef struct as_recognizer as_recognizer;

typedef uint32_t as_place; // of one recognizer

enum { AS_PLACE_DEAD = 1 };             // no text begins so
#define AS_PLACE_FULL (UINT32_MAX - 1u) // the memory is used up, or the step took too much work

// `size_max` bytes at most, counted roughly. The grammar is to outlive it.
as_recognizer *as_recognizer_new(const as_grammar *grammar, size_t size_max);
void as_recognizer_free(as_recognizer *recognizer);

as_place as_recognizer_start(as_recognizer *recognizer); // or AS_PLACE_FULL
as_place as_recognizer_step(as_recognizer *recognizer, as_place place, unsigned char byte);
bool as_recognizer_may_end(const as_recognizer *recognizer, as_place place);
bool as_recognizer_may_go_on(const as_recognizer *recognizer, as_place place);

// Whether the whole text is as the grammar says; false too when it is too much work.
bool as_recognizer_accepts(as_recognizer *recognizer, as_str text);

// The number that bytes share which are alike everywhere, and the table of a place's next places by
// that number, AS_PLACE_UNKNOWN where no step was taken yet; NULL: no step at all. For loops that
// take many steps.
#define AS_PLACE_UNKNOWN UINT32_MAX
const unsigned char *as_recognizer_classes(const as_recognizer *recognizer);
const as_place *as_recognizer_row(const as_recognizer *recognizer, as_place place);

// Places are numbered from 0.
size_t as_recognizer_place_count(const as_recognizer *recognizer);
// Memory that the caller keeps beside it counts too.
void as_recognizer_count(as_recognizer *recognizer, size_t size);

#endif
