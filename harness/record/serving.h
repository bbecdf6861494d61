// SPDX-License-Identifier: Apache-2.0
// serving.h - how a target behind HTTP was asked and what it says of itself: the record behind
// `serving` in summary.json. Values only. Undefined numbers are NaN here and null in JSON.
#ifndef AS_SERVING_H
#define AS_SERVING_H

#include "harness/base/json.h"

// Throughput measured at one concurrency while the knee was searched (runner/load/knee.h).
typedef struct as_serving_step {
    uint64_t concurrency;
    double per_s;  // NaN: broken off because of an overload
    bool overload; // attempts failed
} as_serving_step;

// One of several servers of the same model. Attempts count: a case that was retried elsewhere
// appears in both rows.
typedef struct as_serving_replica {
    as_str url;
    uint64_t answers, errors;      // attempts that were answered, and that failed
    double p50_ms, p95_ms, max_ms; // of the answers, as the target measures latency
    uint64_t ejected;              // times that its circuit breaker opened
    bool lost;                     // given up for good
    uint64_t compared, disagreed;  // asked a second time here after an answer elsewhere; other text
} as_serving_replica;

typedef struct as_serving_value {
    as_str name; // "queue_ms"
    double value;
} as_serving_value;

typedef struct as_serving {
    uint64_t concurrency; // at the end; 0: nothing is known, and nothing is written
    bool adaptive;
    double rate; // open loop, a second; NaN: closed
    const as_serving_step *steps;
    size_t step_count;
    const as_serving_replica *replicas;
    size_t replica_count; // 0 unless there were several
    as_str server;        // whose metrics these are: "vllm"; empty: none were scraped
    uint64_t scrapes;
    const as_serving_value *values; // between the first and the last scrape
    size_t value_count;
} as_serving;

// The object alone; one that is not known writes null.
void as_serving_write(as_json_out *out, const as_serving *serving);
// Whatever is not there or no such thing is left out. `object` may be NULL.
void as_serving_read(as_arena *arena, const as_json *object, as_serving *out);

// What a value of `values` is, for people: "mean time in the server's queue, ms"; NULL for a name
// that is not known.
const char *as_serving_label(as_str name);

#endif
