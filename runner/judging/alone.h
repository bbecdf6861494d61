// SPDX-License-Identifier: Apache-2.0
// alone.h - log-probabilities of choices after an empty prompt, for acc_mutual_info: asked of the
// target once for choices that are spelled alike (most suites: once), kept for the run.
// One thread: the one that consumes answers.
#ifndef AS_ALONE_H
#define AS_ALONE_H

#include "harness/base/map.h"
#include "runner/plan.h"
#include "runner/scheduler.h"

typedef struct as_alone {
    as_arena arena;
    as_map known;          // choices as they are spelled -> index into `values`
    const double **values; // [count] each [choice_count]
    size_t count, capacity;
} as_alone; // a zeroed one is empty

// Whether a metric of the plan needs them.
bool as_alone_wanted(const as_plan *plan);

// With a job that is back: true when its answer is whole; then *out has the log-probabilities, or
// is NULL where the answer is none, and job->alone is what was answered to the second request, if
// there was one for this job. False: the job was submitted again, for the choices alone.
bool as_alone_settle(as_alone *alone, as_scheduler *scheduler, as_job *job, const double **out);

void as_alone_free(as_alone *alone);

#endif
