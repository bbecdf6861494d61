// SPDX-License-Identifier: Apache-2.0
// regex.h - regular expressions, by PCRE2: UTF-8, Unicode classes, bounded in work.
#ifndef AS_REGEX_H
#define AS_REGEX_H

#include "harness/base/str.h"

typedef struct as_regex as_regex; // immutable after compilation: any thread may match

enum { AS_REGEX_GROUPS_MAX = 16 };

// Flags of as_regex_new.
enum { AS_REGEX_CASELESS = 1, AS_REGEX_DOTALL = 2, AS_REGEX_MULTILINE = 4 };

// The error names the offset in the pattern.
as_rc as_regex_new(as_str pattern, unsigned flags, as_regex **out, as_err *err) AS_MUST_USE;
void as_regex_free(as_regex *regex);

// First match at or after `from`. `text` is valid UTF-8 and `from` a character boundary. Returns
// how many groups are set (group 0 is the whole match), 0 when nothing matches, -1 when the work
// limit was reached. Groups that took no part have ptr NULL.
int as_regex_match(const as_regex *regex, as_str text, size_t from,
                   as_str groups[AS_REGEX_GROUPS_MAX]);

#endif
