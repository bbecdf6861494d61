// SPDX-License-Identifier: Apache-2.0
// normal.h - Unicode normalisation, where somebody asks for it; nothing does it unasked.
#ifndef AS_NORMAL_H
#define AS_NORMAL_H

#include "harness/base/str.h"

typedef enum as_normal_form {
    AS_NORMAL_NONE,
    AS_NORMAL_NFC,  // canonical: e with an accent is one code point however it was written
    AS_NORMAL_NFKC, // compatibility too: ligatures, widths, superscripts lose their difference
} as_normal_form;

// `s` is valid UTF-8; in `arena` where it changes.
as_str as_normal_str(as_arena *arena, as_normal_form form, as_str s);

#endif
