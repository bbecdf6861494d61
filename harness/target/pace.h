// SPDX-License-Identifier: Apache-2.0
// pace.h - when the next request may go out: limits a minute (token buckets that hold one second's
// worth), pauses that a server asked for, and a circuit breaker. Pure: the time is an argument, ns
// of any monotonic clock.
//
// The breaker opens when more attempts than were under way (and 8 more) have failed in a row. Then
// one attempt at a time goes out, after 0.5 s, 1 s, 2 s, ... at most 5 s; one that succeeds closes
// it. What fails for good: as_pace_failed.
#ifndef AS_PACE_H
#define AS_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct as_pace {
    double requests_per_s, tokens_per_s; // 0: no limit
    uint64_t patience_ns;                // of an open breaker, once something had succeeded
    uint64_t eject_after;                // failures in a row that open it; 0: as said above
    double requests, tokens;             // in the buckets; may be below 0
    uint64_t filled_ns, pause_ns;        // last refill; nothing goes out before
    bool succeeded;                      // ever
    uint64_t failures;                   // in a row
    bool open;
    unsigned probes; // since it opened
    uint64_t opened_ns, probe_ns;
} as_pace;

void as_pace_start(as_pace *pace, double requests_per_minute, double tokens_per_minute,
                   uint64_t patience_ns, uint64_t now);

// The time from which one more may go out, with `under_way` of them out already; at most `now`:
// at once. UINT64_MAX: not before one of those under way has ended.
uint64_t as_pace_ready(as_pace *pace, uint64_t now, size_t under_way);

void as_pace_sent(as_pace *pace, double tokens);    // as many as it is thought to take
void as_pace_correct(as_pace *pace, double tokens); // more than thought; negative: fewer
void as_pace_pause(as_pace *pace, uint64_t until);

void as_pace_ok(as_pace *pace);
// An attempt failed because of the target. True: it is to be given up. That is after 3 probes when
// nothing has ever succeeded, and when the breaker has been open for patience_ns otherwise.
bool as_pace_failed(as_pace *pace, uint64_t now, size_t under_way);

#endif
