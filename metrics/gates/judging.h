// SPDX-License-Identifier: Apache-2.0
// judging.h - what the files that judge gates share. level.c holds one run against a limit, drop.c
// compares two; gate.c runs both and draws the overall verdict.
#ifndef AS_JUDGING_H
#define AS_JUDGING_H

#include "metrics/change.h"
#include "metrics/gate.h"

#define AS_PARTS_ALPHA 0.05
#define AS_PARTS_ALPHA_REST 0.04

typedef struct as_judging {
    as_arena *arena, scratch;
    const as_summary *summary;
    as_scorer *now, *base;
    bool rest; // of a sequential run: less is left to err with
} as_judging;

// A drop gate between its measurement and its verdict.
typedef struct as_drop {
    as_metric run_metric; // for metrics of the run, which a suite need not ask for
    const as_metric *a, *b;
    as_pairs pairs;
    as_change change;
    bool measured, relative, rest;
} as_drop;

void as_parts_unmeasurable(as_check *check, as_str note);

// A metric of the scorer, or one of the run, which is made in *run_metric; NULL: neither.
const as_metric *as_parts_metric(as_scorer *scorer, as_str name, as_metric *run_metric);

// level.c: value against limit, bound against limit (`prove`), every case against limit.
void as_level_judge(as_judging *j, const as_gate_spec *spec, as_check *check);

// drop.c: everything but the verdicts first; they wait for one another (Holm).
void as_drop_measure(as_judging *j, const as_gate_spec *spec, as_drop *drop, as_check *check);
void as_drop_judge_all(as_judging *j, as_drop *drops, as_check *checks, size_t count);

#endif
