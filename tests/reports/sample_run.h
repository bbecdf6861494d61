// SPDX-License-Identifier: Apache-2.0
// sample_run.h - a run as a team would see it, made up but consistent: 26 intents, 1,200 cases, a
// baseline, flips, slices, latencies, and a history. The same on every machine.
#ifndef AS_SAMPLE_RUN_H
#define AS_SAMPLE_RUN_H

#include "harness/record/findings.h"

typedef struct as_sample_run {
    as_arena arena;
    as_summary run, baseline;
    as_findings findings;
    as_summary *history; // oldest first
    size_t history_count;
} as_sample_run;

void as_sample_run_make(as_sample_run *out, size_t history_count);
void as_sample_run_free(as_sample_run *run);

#endif
