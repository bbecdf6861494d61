// SPDX-License-Identifier: Apache-2.0
// scheduler.h - keeps a target busy: workers answer, one consumer (the caller) takes the answers.
//
// The caller feeds jobs and takes finished ones from the same thread; neither side ever needs a
// lock of its own. Which worker answers, and in what order answers come back, decides nothing.
#ifndef AS_SCHEDULER_H
#define AS_SCHEDULER_H

#include "harness/target/target.h"
#include "runner/load/knee.h"

typedef struct as_job {
    as_arena arena; // case, request and answer live here; reset when the job is given back
    as_case case_;
    as_request request;
    as_answer answer;
    as_answer before, alone; // alone.h: the first of two answers, and the second
    void *tag;               // the caller's
    uint64_t due_ns;         // intended start (as_clock_ns), for targets that take one; 0: at once
} as_job;

typedef struct as_scheduler as_scheduler;

// Starts `workers` threads with a worker of the target each; for a target that waits rather than
// computes, one thread that keeps `workers` requests going.
as_rc as_scheduler_new(const as_target_ops *ops, as_target *target, size_t workers,
                       as_scheduler **out, as_err *err) AS_MUST_USE;

// The same for a target that waits, with as many requests at once as knee.h finds, at most `most`.
as_rc as_scheduler_new_adaptive(const as_target_ops *ops, as_target *target, size_t most,
                                as_scheduler **out, as_err *err) AS_MUST_USE;

// What was found so far, once nothing is under way; NULL for a fixed number.
const as_knee *as_scheduler_knee(const as_scheduler *scheduler);

// An empty job to fill, or NULL while as many as useful are under way.
as_job *as_scheduler_take(as_scheduler *scheduler);
void as_scheduler_submit(as_scheduler *scheduler, as_job *job);

// The next finished job; NULL after `wait_ns` without one, or when none is under way.
as_job *as_scheduler_finished(as_scheduler *scheduler, uint64_t wait_ns);
size_t as_scheduler_ready(const as_scheduler *scheduler); // so many come without any waiting
void as_scheduler_give_back(as_scheduler *scheduler, as_job *job);

size_t as_scheduler_under_way(const as_scheduler *scheduler);

// Cancels what a waiting target has under way; a computing one finishes its cases.
void as_scheduler_stop(as_scheduler *scheduler);

// Waits for the answers under way, then ends the workers.
void as_scheduler_free(as_scheduler *scheduler);

#endif
