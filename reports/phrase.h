// SPDX-License-Identifier: Apache-2.0
// phrase.h - verdicts in words: what failed, by how much, what would decide it.
//
// The sentences hold no content (no names from a suite or a dataset), so they are safe in HTML,
// XML, Markdown and on a terminal as they are. Any thread.
#ifndef AS_PHRASE_H
#define AS_PHRASE_H

#include "harness/record/summary.h"

// "Passed", "Failed", "Undecided", "No baseline", "Not measured"; "Measured" for a run without a
// single gate check, which judges nothing.
const char *as_phrase_verdict(const as_gate *gate);
// The same of one check: "pass", "fail", "undecided", "no baseline", "not measured".
const char *as_phrase_check(as_verdict verdict);

// One character for a verdict, always beside its word.
const char *as_phrase_mark(as_verdict verdict);

// One sentence about the gate, without its full stop: "2 of 6 checks fail".
void as_phrase_gate(as_buf *out, const as_gate *gate);

// One clause about a check: "84.1%, down 6.2 points from 90.3% (p = 0.004); 40 cases broke, 10
// were fixed".
void as_phrase_reason(as_buf *out, const as_summary *run, const as_check *check);

// Whether the check's own note (content) says more than the clause above.
bool as_phrase_has_note(const as_check *check);

// True for `drop` gates, which compare with a baseline.
bool as_phrase_is_drop(const as_check *check);

// "1,000 cases", "1,000 cases, 5,000 answers".
void as_phrase_asked(as_buf *out, const as_summary *run);

// Of a metric with several answers a case: "12% of the variance of accuracy is between answers to
// one case; 3 cases flip often". Nothing where there is one answer each.
void as_phrase_spread(as_buf *out, const as_value *value);

// Of a metric that a judge scored: what it was asked, what is missing, how it agrees with people.
// Nothing for other metrics.
void as_phrase_judge(as_buf *out, const as_value *value);

size_t as_phrase_count(const as_gate *gate, as_verdict verdict);

#endif
