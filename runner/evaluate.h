// SPDX-License-Identifier: Apache-2.0
// evaluate.h - one plan against one target: dataset -> scheduler -> score -> journal. The only
// place where a case meets a target. Every finished case is on disk before it is counted.
#ifndef AS_EVALUATE_H
#define AS_EVALUATE_H

#include "harness/record/journal.h"
#include "harness/suite/prices.h"
#include "metrics/gates/sequential.h"
#include "runner/checks/checks.h"
#include "runner/judging/failing.h"
#include "runner/judging/panel.h"
#include "runner/ordered.h"
#include "runner/plan.h"
#include "runner/vectors/nearest.h"
#include "runner/vectors/similar.h"

typedef struct as_evaluation {
    const as_plan *plan;
    const as_target_ops *ops;
    as_target *target;
    const char *dir;      // where the journal is
    as_run_header header; // written, or checked when resuming
    size_t workers;
    bool adaptive;        // at most `workers` at once, as many as knee.h finds
    uint64_t deadline_ns; // of the whole, from its start; 0: none
    double per_s;         // open loop: cases started a second; 0: a closed loop
    bool poisson;
    const as_prices *prices; // NULL: nothing has a cost
    const as_price *price;
    bool resume, show_progress;
    as_ordered *ordered;       // NULL: in the order of the dataset, to the end
    as_documents documents;    // task embed: what all cases choose among; count 0: none
    as_similar *similar;       // NULL: no metric needs embeddings
    as_checks *checks;         // NULL: no metric is code of the suite
    bool alone;                // a metric needs the choices' log-probabilities after no prompt
    as_panel *panel;           // NULL: no metric asks a judge
    as_sequential *sequential; // with `ordered`: says when to stop
    as_failing *failing;       // filled
} as_evaluation;

// Fills `scorer` and the summary's total, skipped, scores_digest, wall_s, stopped, and what is
// known of `serving`. AS_INTERRUPTED after a signal (the journal holds what was finished);
// AS_UNMEASURED when the journal cannot be written or the deadline is over.
as_rc as_evaluate(const as_evaluation *evaluation, as_arena *arena, as_scorer *scorer,
                  as_summary *summary, as_err *err) AS_MUST_USE;

// Set by the signal handler: 1 ends feeding and waits for what is under way, 2 stops at once.
extern volatile int as_interrupts;

#endif
