// SPDX-License-Identifier: Apache-2.0
// bench.h - load on one target and what it does to it. Definitions (as vLLM's, so that figures can
// be put side by side):
//   e2e    from the start to the last byte; in an open loop from the intended start
//   ttft   from the same start to the first piece of text
//   tpot   (e2e - ttft) / (tokens out - 1)
//   itl    between one piece of a stream and the next, over all requests
//   late   how much after its intended start a request was sent (open loop)
//   goodput  answered requests that keep every bound of the SLO, a second
// And what others call by these names (as_bench_peers), from the same requests.
#ifndef AS_BENCH_H
#define AS_BENCH_H

#include "harness/record/summary.h"
#include "harness/target/target.h"
#include "runner/bench/arrivals.h"

typedef enum as_bench_time {
    AS_BENCH_E2E,
    AS_BENCH_TTFT,
    AS_BENCH_TPOT,
    AS_BENCH_ITL,
    AS_BENCH_LATE,
    AS_BENCH_OWN,                       // how many have a name of ours
    AS_BENCH_WITH_FIRST = AS_BENCH_OWN, // (last piece - start) / tokens out
    AS_BENCH_BETWEEN,                   // (last piece - first piece) / (tokens out - 1)
    AS_BENCH_SECOND,                    // second piece - first piece
    AS_BENCH_TIMES
} as_bench_time;

extern const char *const as_bench_time_names[AS_BENCH_OWN]; // "e2e", ...

// "guidellm" calls `time` "tpot".
typedef struct as_bench_peer {
    const char *tool, *name, *definition;
    as_bench_time time;
} as_bench_peer;
extern const as_bench_peer as_bench_peers[]; // by tool; ends with tool NULL

enum { AS_BENCH_BOUNDS_MAX = 8 };

// "ttft<=200ms,tpot<=50ms,e2e<=2s": bounds on single requests.
typedef struct as_slo {
    as_bench_time time[AS_BENCH_BOUNDS_MAX];
    double most_ms[AS_BENCH_BOUNDS_MAX];
    size_t count;
} as_slo;
as_rc as_slo_parse(as_str text, as_slo *out, as_err *err) AS_MUST_USE;

typedef struct as_bench_load {
    as_arena *arena;       // of strings in results
    const as_str *prompts; // taken in turn
    size_t prompt_count;
    size_t max_tokens;
    uint64_t requests, warmup; // warm-up is asked first and not measured
    size_t concurrency;        // at most that many at once
    bool adaptive;             // as many of them as knee.h finds
    double per_s;              // 0: closed loop
    bool poisson;
    as_slo slo;
} as_bench_load;

typedef struct as_bench_times {
    double *ms; // sorted once as_bench_sort has been there; owned by the result
    size_t count;
} as_bench_times;

typedef struct as_bench_result {
    as_bench_times times[AS_BENCH_TIMES];
    uint64_t requests, answered, good; // asked; ok or the model's own fault; within the SLO
    uint64_t outcomes[AS_OUT_COUNT];
    uint64_t tokens_in, tokens_out, attempts;
    bool estimated; // tokens_out is, for some
    double wall_s;
    as_serving serving; // concurrency at the end, replicas, the server's metrics; in `load`'s arena
    char first_error[256];
} as_bench_result;

// Load that comes in parts, in the same connections: begun with the warm-up, then any number of
// parts, each added to a result. AS_INTERRUPTED after a signal.
typedef struct as_bench_session as_bench_session;
as_rc as_bench_begin(const as_target_ops *ops, as_target *target, const as_bench_load *load,
                     as_bench_session **out, as_err *err) AS_MUST_USE;
as_rc as_bench_part(as_bench_session *session, uint64_t requests, as_bench_result *out,
                    as_err *err) AS_MUST_USE;
void as_bench_end(as_bench_session *session, as_bench_result *out); // out: its serving; NULL: none
void as_bench_sort(as_bench_result *result);                        // before its times are ranked

// All of that at once. AS_INTERRUPTED after a signal; what was measured until then is in *out.
as_rc as_bench_run(const as_target_ops *ops, as_target *target, const as_bench_load *load,
                   as_bench_result *out, as_err *err) AS_MUST_USE;
void as_bench_free(as_bench_result *result);

// A quantile that fewer than one request lies beyond says nothing but the largest: NaN.
double as_bench_quantile(const as_bench_times *times, double q);
double as_bench_mean(const as_bench_times *times);
double as_bench_per_s(double count, const as_bench_result *result);

#endif
