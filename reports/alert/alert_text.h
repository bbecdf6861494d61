// SPDX-License-Identifier: Apache-2.0
// alert_text.h - an alert in words. What comes from a suite, a dataset or a model is clean
// (content.h: no control characters, nothing that reorders text) but not escaped for any format.
#ifndef AS_ALERT_TEXT_H
#define AS_ALERT_TEXT_H

#include "harness/record/alert.h"

typedef struct as_alert_text {
    as_str title;  // "support: accuracy[tag=edge] fails on main: 84.1%, down 6.2 points from 90.3%"
    as_str facts;  // lines: each check with its interval, since when, what was run
    as_str cases;  // lines: up to three cases; empty where there are none
    as_str link;   // an http(s) URL, or empty
    as_str metric; // "accuracy[tag=edge]"
} as_alert_text;

as_alert_text as_alert_text_of(as_arena *arena, const as_alert *alert);

#endif
