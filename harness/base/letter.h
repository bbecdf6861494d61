// SPDX-License-Identifier: Apache-2.0
// letter.h - case and white space of Unicode code points, as str.lower(), str.upper() and
// str.isspace() of Python have them; of the few letters that become two, only sharp s does here.
#ifndef AS_LETTER_H
#define AS_LETTER_H

#include "harness/base/str.h"

uint32_t as_letter_lower(uint32_t code_point);
uint32_t as_letter_upper(uint32_t code_point);
bool as_letter_is_cased(uint32_t code_point); // has another case
bool as_letter_is_space(uint32_t code_point); // as str.isspace() of Python

// The whole string; `s` is valid UTF-8.
as_str as_letter_lower_str(as_arena *arena, as_str s);
as_str as_letter_upper_str(as_arena *arena, as_str s);

#endif
