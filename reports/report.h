// SPDX-License-Identifier: Apache-2.0
// report.h - what leaves for people and for build servers: pages, tables, XML, Markdown.
//
// Pure functions from values to text: they append to a buffer and cannot fail. All content (cases,
// model output, names) is hostile and escaped for where it lands. No file, no network, no clock.
#ifndef AS_REPORT_H
#define AS_REPORT_H

#include "harness/record/findings.h"
#include "harness/record/outlook.h"
#include "harness/record/summary.h"
#include "harness/record/timeline.h"
#include "harness/record/versus.h"

// One run as a self-contained page: no network, no script needed to read it. `baseline` may be
// NULL. Light and dark, print, phone.
void as_report_html(as_buf *out, const as_summary *run, const as_summary *baseline,
                    const as_findings *findings);
// Its <main> alone, for a server's page.
void as_report_html_body(as_buf *out, const as_summary *run, const as_summary *baseline,
                         const as_findings *findings);

// A suite over time: a whole page, and its body for a server, where the links are what stands
// before the id in the address of the page of a run or a case (NULL: there are none).
void as_report_trend_html(as_buf *out, const as_timeline *line);
void as_report_trend_body(as_buf *out, const as_timeline *line, const char *run_links,
                          const char *case_links);

// The table for a terminal. `color`: ANSI; `columns`: width of the terminal (0: 80).
void as_report_terminal(as_buf *out, const as_summary *run, const as_summary *baseline, bool color,
                        size_t columns);
// The metrics alone, for `assay score`.
void as_report_values_terminal(as_buf *out, const as_summary *run, bool color, size_t columns);
// Deltas of `assay compare`.
void as_report_compare_terminal(as_buf *out, const as_summary *a, const as_summary *b,
                                const as_findings *findings, const as_gate *gate, bool color,
                                size_t columns);
// Slices that got worse, agreement, time and cost of one run against the baseline.
void as_report_variant_terminal(as_buf *out, const as_variant *variant, bool color, size_t columns);
// What to call a run among others: its model, or its target where several have that model.
as_str as_versus_model(const as_versus *versus, size_t i);
// Three runs or more, a block a metric.
void as_report_versus_terminal(as_buf *out, const as_versus *versus, bool color, size_t columns);
// Two runs or more: contract.md's object, or a list of such under "variants".
void as_report_versus_json(as_buf *out, const as_versus *versus);
// Two runs or more on one page.
void as_report_versus_html(as_buf *out, const as_versus *versus);
// What `assay plan` says.
void as_report_outlook_terminal(as_buf *out, const as_outlook *outlook, bool color, size_t columns);
void as_report_outlook_json(as_buf *out, const as_outlook *outlook);
// A run a line for `assay history list`.
void as_report_history_terminal(as_buf *out, const as_summary *runs, const as_str *tags,
                                size_t count, bool color, size_t columns);

// JUnit XML in the dialect of GitHub, GitLab and Jenkins: a test case for each gate check
// (undecided and without a baseline: skipped; unmeasurable: an error), the failing cases (at most
// 200) as the suite's output.
void as_report_junit(as_buf *out, const as_summary *run, const as_findings *findings);

// Markdown for a step summary or a pull-request comment, at most 60,000 bytes.
void as_report_markdown(as_buf *out, const as_summary *run, const as_summary *baseline,
                        const as_findings *findings);

#endif
