// SPDX-License-Identifier: Apache-2.0
// page.h - the frame of every HTML page: head, style, sections, verdicts, small parts.
//
// A page is one file without font, image or link to anywhere, and its policy forbids the rest. It
// reads without scripts; one that has more to offer with them carries page.js, which the policy
// allows by its hash. page.css and page.js are embedded when assay is built.
#ifndef AS_PAGE_H
#define AS_PAGE_H

#include "harness/record/summary.h"

// Everything up to and including <main>. The verdict colours the tab's icon.
void as_page_open(as_buf *out, as_str title, const char *kind, as_verdict verdict);
void as_page_close(as_buf *out);

// The same with page.js at the end.
void as_page_open_scripted(as_buf *out, as_str title, const char *kind, as_verdict verdict);
void as_page_close_scripted(as_buf *out);

// The policy of such a page, for its own <meta> and for the header of a server.
void as_page_policy(as_buf *out, bool scripted);

// <section> with a heading; `id` and `title` are our own words. `aside` may be NULL.
void as_page_section(as_buf *out, const char *id, const char *title, const char *aside);
void as_page_section_end(as_buf *out);

// Icon and word of a verdict; the word is `word`, or the verdict's own when NULL.
void as_page_verdict(as_buf *out, as_verdict verdict, const char *word);
void as_page_icon(as_buf *out, as_verdict verdict);
const char *as_page_verdict_class(as_verdict verdict); // "pass", "fail", ... as in page.css

// Content in an element that isolates its direction.
void as_page_text(as_buf *out, const char *tag, const char *css_class, as_str text, size_t most);

// One entry of a <dl>: a name of ours and a value that is content, or a figure. Empty: left out.
void as_page_fact(as_buf *out, const char *name, as_str value);
void as_page_fact_text(as_buf *out, const char *name, const char *value);

// A table cell: <td data-l="label">text</td>; `text` is safe as it is.
void as_page_cell(as_buf *out, const char *label, const char *text);

// "2026-11-24 03:04:05 UTC" of an RFC 3339 time in UTC; anything else as it is (content).
as_str as_page_when(as_arena *arena, as_str rfc3339);

#endif
