// SPDX-License-Identifier: Apache-2.0
// html_only.h - whether a text is HTML and nothing else: no text stands outside of all elements
// (unless there is a <body>), and one element at least is of HTML or a custom one (x-y). No XML
// document.
//
// Elements are told by their tags alone, not by a parser of all of HTML 5: void elements hold
// nothing, a </x> closes the nearest open x, and what is never closed is open to the end. So text
// behind a paragraph that HTML ends at the next block still counts as inside it.
// Source: promptfoo 0.12x, which parses with parse5.
#ifndef AS_HTML_ONLY_H
#define AS_HTML_ONLY_H

#include "harness/base/str.h"

bool as_html_only_is(as_str text);

#endif
