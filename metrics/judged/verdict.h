// SPDX-License-Identifier: Apache-2.0
// verdict.h - reads a judge's answer, strictly: the object that was asked for, its keys and no
// others, values of the right kind. Inside metrics/judged only.
#ifndef AS_VERDICT_H
#define AS_VERDICT_H

#include "metrics/judged/prompts.h"

typedef enum as_verdict_read {
    AS_VERDICT_VALUE,
    AS_VERDICT_EMPTY,  // the list is empty: nothing was judged
    AS_VERDICT_UNREAD, // not what was asked for
} as_verdict_read;

// `grades` of AS_PROMPT_GRADE; `items` contexts of AS_PROMPT_PRECISION. *value: 0..1; of a pair 1
// is A, 0 is B.
as_verdict_read as_verdict_parse(as_prompt_kind kind, size_t grades, size_t items, as_str text,
                                 double *value);

#endif
