// SPDX-License-Identifier: Apache-2.0
// terminal.h - parts that the tables on a terminal share: aligned cells, colour, wrapped text.
#ifndef AS_TERMINAL_H
#define AS_TERMINAL_H

#include "harness/record/summary.h"

typedef struct as_terminal {
    as_buf *out;
    bool color;
    size_t columns;
} as_terminal;

as_terminal as_terminal_of(as_buf *out, bool color, size_t columns); // 0 columns: 80

// ANSI codes, only where colour is wanted. NULL ends a style.
void as_terminal_style(const as_terminal *t, const char *code);
const char *as_terminal_code(as_verdict verdict); // of a verdict's colour

// Text in `width` columns: clipped, and filled up with spaces after it or, for numbers, before it.
void as_terminal_text(const as_terminal *t, as_str text, size_t width);
void as_terminal_number(const as_terminal *t, const char *text, size_t width);

// Words broken into lines of the terminal's width, each starting in column `indent`. The first
// line starts where the cursor is, the last is not ended.
void as_terminal_wrap(const as_terminal *t, as_str text, size_t indent);

void as_terminal_heading(const as_terminal *t, as_str text);

// The checks, then the verdict in one line.
void as_terminal_gate(const as_terminal *t, const as_summary *run, const as_gate *gate);

#endif
