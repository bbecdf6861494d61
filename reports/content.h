// SPDX-License-Identifier: Apache-2.0
// content.h - hostile text made safe for where it lands, and readable there.
//
// Content is whatever a dataset, a model or a suite wrote. Everywhere: invalid UTF-8 becomes
// U+FFFD; control characters become control pictures; what is invisible or reorders text (bidi
// overrides, zero-width spaces, tag characters) becomes its number, as in "<U+202E>". Text is
// clipped before it is walked, so a 10 MB answer costs no more than a short one. Nothing is kept;
// any thread.
#ifndef AS_CONTENT_H
#define AS_CONTENT_H

#include "harness/base/str.h"

// Clipping lengths in code points: a name or a label, a line to scan, a text to read.
enum { AS_CLIP_NAME = 120, AS_CLIP_LINE = 240, AS_CLIP_TEXT = 2000 };

// At most `most` code points from the start of the text, at a character boundary.
as_str as_content_clip(as_str text, size_t most);

// For HTML, SVG and XML: element text and quoted attributes. A clipped text says how long it was.
void as_content_markup(as_buf *out, as_str text, size_t most);

// Clean but not escaped, on one line: for a format that escapes on its own.
void as_content_plain(as_buf *out, as_str text, size_t most);

// For a data block of a page: a JSON string, quotes included, that can end neither the string nor
// the element it stands in.
void as_content_json(as_buf *out, as_str text, size_t most);

// For Markdown: a code span, in which neither links, HTML, mentions nor table bars live.
void as_content_code(as_buf *out, as_str text, size_t most);

// For a terminal: one line of at most `columns` columns, ended by an ellipsis when clipped.
// Returns the columns used.
size_t as_content_terminal(as_buf *out, as_str text, size_t columns);

// Columns that a terminal gives to the text, unclipped.
size_t as_content_width(as_str text);

#endif
