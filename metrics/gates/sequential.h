// SPDX-License-Identifier: Apache-2.0
// sequential.h - gates that are looked at after every case and stop the run when they are decided.
//
// Shares and other means of scores in 0..1: thresholds, and drops against a baseline on the paired
// difference. E-processes at 0.01 (failing: divided by the number of gates that can fail so) may
// stop it; if none does, the whole run is judged at 0.04, so that all errors together stay below
// 0.05. Clusters are one value each: their mean. Cases come in an order that is drawn from a seed,
// whole clusters together; the samples must be added in that order.
// A missing answer counts against stopping: as wrong for a pass, as right for a fail.
//
// In simulation (tests/metrics/calibrate.c sequential, 2,000 runs each, margin 0.02): an unchanged
// model is stopped as worse 0.4-0.9 % of the time, one that is worse by the margin as unchanged 0.6
// %. Of 5,000 cases with 5 % flips an unchanged model takes 36 %; a drop of 5 points takes 6 %.
// With 20 % flips, or 2,000 cases with 10 %, three runs in four go to their end.
#ifndef AS_SEQUENTIAL_H
#define AS_SEQUENTIAL_H

#include "metrics/gate.h"

#define AS_SEQUENTIAL_ALPHA 0.01 // of stopping
#define AS_SEQUENTIAL_REST 0.04  // of the test at the end

typedef struct as_sequential as_sequential;

// `now` resolves metrics; `base` NULL without a baseline. Both must outlive it. Gates whose metric
// is no mean in 0..1 are judged at the end only; *able says how many can be decided early.
as_sequential *as_sequential_new(const as_gate_spec *specs, size_t count, const as_scorer *now,
                                 as_scorer *base, size_t *able);
void as_sequential_free(as_sequential *sequential);

// A scored sample. True when the run need not go on: a gate failed, or all are decided.
bool as_sequential_add(as_sequential *sequential, const as_sample *sample);

// After as_gate_judge on what was run: decided gates get their verdict and numbers; when the run
// was stopped, the others are undecided.
void as_sequential_apply(as_sequential *sequential, as_arena *arena, bool stopped, uint64_t planned,
                         as_gate *gate);

// Where a case comes in the order: smaller first; equal for the cases of one cluster.
uint64_t as_sequential_place(uint64_t seed, as_str id, as_str cluster);

#endif
