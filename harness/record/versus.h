// SPDX-License-Identifier: Apache-2.0
// versus.h - two or many runs held against the first of them, which is the baseline. Values only;
// metrics and runner fill them in, reports draw them.
#ifndef AS_VERSUS_H
#define AS_VERSUS_H

#include "harness/record/findings.h"

// How alike two runs choose, beyond right and wrong.
typedef struct as_agreement {
    uint64_t cases, same; // that both answered; with the same prediction
    as_interval same_ci;  // 95 %, of the share
    uint64_t kl_cases;    // with log-probabilities of the same choices in both
    double kl_mean;       // of KL(baseline || run) over the choices, in nats; NaN: none
    as_interval kl_ci;    // 95 %
    double kl_max;
    as_str kl_worst; // the case of kl_max
} as_agreement;

// One run against the baseline. The baseline itself has only the summary and its place.
typedef struct as_variant {
    const as_summary *run;
    uint64_t cases, missing;          // compared; in both, but an error in one
    as_findings findings;             // deltas, all and by slice, and flips
    const as_delta *const *regressed; // slices whose drop is found, BH at 0.10, surest first
    size_t regressed_count;
    as_agreement agreement;
    uint64_t base_memory;   // bytes of the baseline's weights; 0: not known
    as_delta latency, cost; // mean time and cost of a case: delta and ci are shares of the baseline
    as_gate gate;
    bool on_front; // no other run is as good in all and better in one of: quality, time, cost,
                   // memory
} as_variant;

typedef struct as_versus {
    const as_variant *variants; // [count], the baseline first
    size_t count;
    as_str quality; // the metric of the front; empty: there is none
} as_versus;

#endif
