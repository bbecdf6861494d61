// SPDX-License-Identifier: Apache-2.0
// prom.h - reads what servers publish at /metrics: the Prometheus text format 0.0.4 and OpenMetrics
// 1.0 (https://prometheus.io/docs/instrumenting/exposition_formats/). Samples one by one; comments,
// timestamps and exemplars are passed over. Pure; nothing is kept.
#ifndef AS_PROM_H
#define AS_PROM_H

#include "harness/base/str.h"

typedef struct as_prom_sample {
    as_str name;   // "vllm:num_requests_running"
    as_str labels; // between the braces, as written and checked; may be empty
    double value;  // may be NaN or infinite
} as_prom_sample;  // views into the text

// Calls `each` for every sample. AS_INVALID, with the line, at the first that is none; the ones
// before it were given.
as_rc as_prom_read(as_str text, void (*each)(void *context, const as_prom_sample *sample),
                   void *context, as_err *err) AS_MUST_USE;

#endif
