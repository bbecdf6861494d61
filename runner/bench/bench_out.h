// SPDX-License-Identifier: Apache-2.0
// bench_out.h - what `assay bench` prints of a result: text for people, an object for programs.
// Pure functions of values.
#ifndef AS_BENCH_OUT_H
#define AS_BENCH_OUT_H

#include "runner/bench/bench.h"

// The block of one load on one target, and its definitions.
void as_bench_put_text(as_buf *out, as_str uri, const as_bench_load *load,
                       const as_bench_result *result);
void as_bench_put_json(as_json_out *out, as_str uri, const as_bench_load *load,
                       const as_bench_result *result);

// Nine columns behind a blank; "-" for NaN.
void as_bench_put_number(as_buf *out, double value);

#endif
