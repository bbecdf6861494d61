// SPDX-License-Identifier: Apache-2.0
// grammar_text.h - the source of a grammar while it is read: where the reader is, and what is wrong
// there. Private to harness/base/grammar.
#ifndef AS_GRAMMAR_TEXT_H
#define AS_GRAMMAR_TEXT_H

#include "harness/base/grammar/grammar_make.h"

typedef struct as_source_text {
    as_maker *maker;
    as_str text;
    size_t at;
    size_t nest; // brackets that are open
    as_err *err;
    bool failed;
} as_source_text;

// The byte there, or 0 at the end (a source has no NUL).
char as_text_peek(const as_source_text *s);
bool as_text_take(as_source_text *s, char c); // moves past it

// "line 3, column 7: ...", once. Columns count characters.
void as_text_fail(as_source_text *s, size_t at, const char *format, ...) AS_PRINTF(3, 4);

// The line and column of an offset, from 1.
void as_text_place(as_str text, size_t at, size_t *line, size_t *column);

// Size, NUL bytes and UTF-8: false, and failed, when it is no text.
bool as_text_check(as_source_text *s);

// A number of at most AS_GRAMMAR_REPEAT_MAX; there is a digit.
int64_t as_text_count(as_source_text *s);

// Exactly `digits` hexadecimal digits: a code point.
uint32_t as_text_hex(as_source_text *s, size_t digits);

#endif
