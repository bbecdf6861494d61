// SPDX-License-Identifier: Apache-2.0
// text.h - texts made comparable, as SQuAD's official script does it. All texts are valid UTF-8.
#ifndef AS_TEXT_H
#define AS_TEXT_H

#include "metrics/metric.h"

as_str as_text_strip(as_str s);                    // Unicode white space at both ends
as_str as_text_squeeze(as_arena *arena, as_str s); // runs of white space to one blank; stripped

// Lower case; ASCII punctuation out; articles a, an, the out; white space squeezed.
as_str as_text_squad(as_arena *arena, const as_regex *articles, as_str s);

// Words between blanks of a squeezed text.
size_t as_text_words(as_arena *arena, as_str squeezed, const as_str **out);

// How many words two texts share, each counted as often as both have it.
size_t as_text_common(as_arena *arena, const as_str *a, size_t a_count, const as_str *b,
                      size_t b_count);

// AS_INVALID when the case's `expected` is neither a text nor a list of texts.
as_rc as_text_need(const as_metric *metric, const as_scoring *scoring, as_err *err) AS_MUST_USE;

#endif
