// SPDX-License-Identifier: Apache-2.0
// sweep.h - loads of growing size on one target, until more brings nothing: where it saturates.
//
// Closed loop: 1, 2, 4, ... at once until two steps in a row bring less than 5 % more. Open loop:
// from --rate on, doubled while the target keeps up (at least 95 % of what was offered is answered
// in time, and 99 % at all), then halved in ratio twice between the last rate that it kept up with
// and the first that it did not.
#ifndef AS_SWEEP_H
#define AS_SWEEP_H

#include "runner/bench/bench.h"

// Writes text or JSON to `out`; load->concurrency is the most at once.
as_rc as_sweep(const as_target_ops *ops, as_target *target, as_bench_load load, bool json,
               as_buf *out, as_err *err) AS_MUST_USE;

#endif
