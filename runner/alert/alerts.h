// SPDX-License-Identifier: Apache-2.0
// alerts.h - from a judged run to who is told: which metric on which slice began to fail, goes on
// failing or holds again, since when, and which cases show it.
//
// One alert a suite, branch, metric and slice (and target, where a suite has several): it fires
// when one of its gates fails, is over when all of them hold, and is left alone by what is
// undecided or not measured. What fires is known from the spool's state; a folder that knows
// nothing of the suite (a fresh checkout) asks the audit in the history, where what was sent is
// noted.
#ifndef AS_ALERTS_H
#define AS_ALERTS_H

#include "harness/record/findings.h"
#include "harness/store/store.h"
#include "harness/suite/suite.h"
#include "runner/alert/spool.h"

#define AS_ALERTS_DIR ".assay/alerts"

typedef struct as_alerts_request {
    const as_alert_rules *rules;
    const as_summary *run;
    const as_findings *findings;
    const char *dir;      // the spool's
    as_store *store;      // NULL: no history
    bool several_targets; // of the suite
    bool measured;        // false: too many errors, nothing begins and nothing ends
} as_alerts_request;

// Puts what has to be said on its way, and sends it and what waited before. A sink that cannot be
// reached is no failure; AS_UNMEASURED is an alert that is neither sent nor kept.
as_rc as_alerts_after(as_arena *arena, const as_alerts_request *request, as_err *err) AS_MUST_USE;

// What a suite's `alert` has wrong beyond its keys: URLs, templates that make no JSON.
void as_alerts_check(as_arena *arena, const as_suite *suite, as_buf *problems);

const char *as_alerts_dir(as_arena *arena, as_str given); // --spool, else the default

// What `assay alert test` sends.
as_alert as_alerts_sample(as_arena *arena, const as_suite *suite, bool resolved);

#endif
