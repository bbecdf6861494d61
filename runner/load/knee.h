// SPDX-License-Identifier: Apache-2.0
// knee.h - how many requests at once a target is worth: the least concurrency that brings at least
// 95 % of the highest throughput seen. Pure.
//
// While the limit is kept full, throughput is limit / mean latency (Little's law), which unlike a
// count of answers a second has no edges. After a change as many answers as are under way are let
// pass, then max(4 x limit, 32) are averaged. From 4 the limit doubles while twice as many bring at
// least 20 % more; then the place where that ended is searched by halving the ratio of its bounds
// down to 1.25, and held. Now and then a quarter more is tried, ever more rarely, and kept only if
// it brings 8 % more, twice. An answer that took more than one attempt, or none at all, means
// overload: the limit is halved, and from then on it grows by an eighth at a time (additive
// increase, multiplicative decrease), as long as that brings a fifth of what it could.
#ifndef AS_KNEE_H
#define AS_KNEE_H

#include <stdbool.h>
#include <stddef.h>

enum { AS_KNEE_STEPS_MAX = 64 };

// What was measured at one limit.
typedef struct as_knee_step {
    size_t limit;
    double per_s;
    bool overload; // the window was cut short by one
} as_knee_step;

typedef struct as_knee {
    size_t limit; // requests at once, from now on
    size_t most;
    enum { AS_KNEE_RISE, AS_KNEE_FINE, AS_KNEE_HOLD, AS_KNEE_PROBE, AS_KNEE_CONFIRM } phase;
    bool gentle;            // there was an overload: no more doubling
    bool backing;           // and what is let pass now was sent before it
    size_t pass, want, got; // answers to let pass, to average, averaged
    double sum_ms;
    as_knee_step before, low;  // RISE: the last two that were worth it; FINE: low is too little
    as_knee_step high;         // FINE: enough
    double goal_per_s;         // FINE: what is enough
    double held_per_s;         // HOLD: at this limit
    size_t held, hold_windows; // HOLD: windows since the last probe, until the next
    as_knee_step steps[AS_KNEE_STEPS_MAX]; // the first ones; then the last one is the newest
    size_t step_count;
} as_knee;

void as_knee_start(as_knee *knee, size_t most);

// An answer came, after latency_ms, while the limit was kept full.
void as_knee_add(as_knee *knee, double latency_ms, bool overload);

#endif
