// SPDX-License-Identifier: Apache-2.0
// pick.h - which of the choices a generated text means. Strict first, then lenient, never guessing:
// 1. the trimmed text is the choice; 2. it is after taking off quotes, markdown and a final full
// stop, without regard to case; 3. exactly one choice stands in it as words of its own (a choice
// inside a longer one that also stands there does not count).
#ifndef AS_PICK_H
#define AS_PICK_H

#include "harness/base/str.h"

// Its index; SIZE_MAX when it is none or several.
size_t as_pick_choice(as_str text, const as_str *choices, size_t count);

#endif
