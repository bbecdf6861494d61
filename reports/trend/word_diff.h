// SPDX-License-Identifier: Apache-2.0
// word_diff.h - two texts side by side, with the words that only one of them has marked.
//
// Words and the spaces between them are compared by their longest common subsequence; of very long
// texts the beginning. Content is escaped (content.h). Any thread.
#ifndef AS_WORD_DIFF_H
#define AS_WORD_DIFF_H

#include "harness/base/str.h"

// Appends `a` to `left` and `b` to `right` as markup; what differs is in <del> and <ins>.
void as_word_diff(as_buf *left, as_buf *right, as_str a, as_str b);

#endif
