// SPDX-License-Identifier: Apache-2.0
// ahead.h - the lines of a file, parsed ahead of who takes them: beside the caller's thread one
// more parses, where there is a processor for it. Lines come in order and parsing looks at nothing
// but the line, so that nothing depends on which thread it was. Memory is bounded: a few batches of
// lines are held.
#ifndef AS_AHEAD_H
#define AS_AHEAD_H

#include "harness/base/file.h"
#include "harness/record/sample.h"

typedef struct as_ahead_line {
    uint64_t number; // in the file, from 1
    as_sample sample;
    const as_json *json; // the whole line
    const void *more;    // what else the parser makes of it
} as_ahead_line;

// Makes sample and json of a line. Called on any thread; looks at nothing but the text. `context`
// is the thread's own.
typedef as_rc as_ahead_parse(void *context, as_arena *arena, as_str text, as_ahead_line *out,
                             as_err *err);
enum { AS_AHEAD_THREADS = 2 };

typedef struct as_ahead as_ahead;

as_rc as_ahead_open(const char *path, size_t line_max, as_ahead_parse *parse,
                    void *const contexts[AS_AHEAD_THREADS], as_ahead **out,
                    as_err *err) AS_MUST_USE;
// The next line that is not blank, its views valid until the next call; NULL at the end. Fails at a
// line that cannot be read or parsed (the error names it), once all before were given out.
as_rc as_ahead_next(as_ahead *ahead, as_ahead_line **out, as_err *err) AS_MUST_USE;
void as_ahead_close(as_ahead *ahead); // NULL is fine

#endif
