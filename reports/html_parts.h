// SPDX-License-Identifier: Apache-2.0
// html_parts.h - the sections of a run's page, in the order in which html.c puts them. Each writes
// a whole <section>, or nothing when there is nothing to show.
#ifndef AS_HTML_PARTS_H
#define AS_HTML_PARTS_H

#include "harness/record/findings.h"
#include "harness/record/summary.h"

// What a page is made of.
typedef struct as_html {
    const as_summary *run;
    const as_summary *baseline; // may be NULL
    const as_findings *findings;
} as_html;

// html_head.c
void as_html_head(as_buf *out, const as_html *page);
void as_html_provenance(as_buf *out, const as_html *page);

// html_numbers.c
void as_html_gate(as_buf *out, const as_html *page);
void as_html_metrics(as_buf *out, const as_html *page);
void as_html_changes(as_buf *out, const as_html *page);
void as_html_slices(as_buf *out, const as_html *page);
void as_html_latency(as_buf *out, const as_html *page);

// html_cases.c
void as_html_flips(as_buf *out, const as_html *page);
void as_html_confusion(as_buf *out, const as_html *page);
void as_html_failures(as_buf *out, const as_html *page);

#endif
