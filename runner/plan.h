// SPDX-License-Identifier: Apache-2.0
// plan.h - everything about one suite that is decided before the first case is asked: files read,
// names resolved, every case rehearsed. Once there is a plan, nothing the user wrote can be wrong.
#ifndef AS_PLAN_H
#define AS_PLAN_H

#include "harness/base/map.h"
#include "harness/suite/dataset.h"
#include "harness/suite/prompt.h"
#include "harness/target/target.h"
#include "metrics/gate.h"

enum { AS_PLAN_RANKING_MAX = 1000 }; // documents that a ranking keeps, as trec_eval's runs do

typedef struct as_plan {
    as_suite suite;
    const as_prompt *prompt;
    as_dataset_options dataset;
    as_dataset_facts facts;
    const as_str *choices; // of the suite, or all labels of the dataset; per case: count 0
    size_t choice_count;
    const as_str *document_ids, *document_texts; // task embed: what all cases choose among
    size_t document_count;
    as_map document_places; // id -> place
    const as_metric_spec *metrics;
    const as_gate_spec *gates;
    size_t gate_count;
    const as_message *talk; // [talk_count], with prompt.messages: of the first case that has more
    size_t talk_count;      // than texts, else of the first
    uint64_t case_count;    // to be run: the dataset's, or --limit
} as_plan;

// Loads and checks. `more_gates` come from the command line. AS_INVALID: `problems` has a line for
// each thing that is wrong. `limit` 0: all cases.
as_rc as_plan_load(as_arena *arena, const char *suite_path, const as_str *more_gates,
                   size_t more_gate_count, uint64_t limit, as_plan *out,
                   as_buf *problems) AS_MUST_USE;
void as_plan_free(as_plan *plan);

// What its answers may be; NULL: any text.
const as_constraint_spec *as_plan_constraint(const as_suite *suite);

as_task as_plan_task(const as_suite *suite); // what a target is asked for

// The request for one case, in `arena`. Cannot fail for a case that was rehearsed, but a dataset
// that changed under the run can make it.
as_rc as_plan_request(const as_plan *plan, as_arena *arena, const as_case *case_, as_request *out,
                      as_err *err) AS_MUST_USE;

#endif
