// SPDX-License-Identifier: Apache-2.0
// panel.h - the judges of a run: asks them what metrics/judged wants to know of each answer, many
// at once, and gives the samples back with their verdicts, in whatever order they are complete. The
// judges are targets like any other: answer cache, retries, limits and --offline hold for them.
//
// A judge is asked with the id "METRIC ID" (of further answers to a case "METRIC ID N"), and for
// the second order of a pair for a second answer; that is what a replay: judge is looked up by.
// One thread, the one that consumes the run.
#ifndef AS_PANEL_H
#define AS_PANEL_H

#include "harness/suite/prices.h"
#include "metrics/judged/judged.h"
#include "runner/plan.h"

typedef struct as_panel as_panel;

// Opens the judges' targets; *out NULL when no metric has one. `prices`, where given, must know
// their models. Paths in their URIs are relative to the suite.
as_rc as_panel_new(const as_plan *plan, const as_prices *prices, as_panel **out,
                   as_err *err) AS_MUST_USE;
void as_panel_free(as_panel *panel);

// Copies the sample and asks about it.
as_rc as_panel_add(as_panel *panel, const as_sample *sample, const as_case *case_, as_str asked,
                   as_err *err) AS_MUST_USE;

// A sample that is complete, until as_panel_done; NULL after `wait_ns` without one.
as_sample *as_panel_next(as_panel *panel, uint64_t wait_ns);
void as_panel_done(as_panel *panel, as_sample *sample);

size_t as_panel_pending(const as_panel *panel); // samples that are not given back yet
bool as_panel_is_full(const as_panel *panel);   // no more should be added for now
void as_panel_stop(as_panel *panel);            // gives up what is under way

#endif
