// SPDX-License-Identifier: Apache-2.0
// serving_out.h - how a target behind HTTP was asked and what it says of itself, as text and as a
// section of a page. Nothing when nothing is known.
#ifndef AS_SERVING_OUT_H
#define AS_SERVING_OUT_H

#include "harness/record/summary.h"
#include "reports/terminal.h"

void as_serving_text(const as_terminal *terminal, const as_serving *serving);
void as_serving_html(as_buf *out, const as_serving *serving);

#endif
