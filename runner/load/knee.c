// SPDX-License-Identifier: Apache-2.0
#include "runner/load/knee.h"

enum { START = 4, WINDOW_MIN = 32, HOLD_FIRST = 4, HOLD_MAX = 64 };
static const double GAIN = 0.2, ENOUGH = 0.95, BETTER = 1.08, CLOSE = 1.25;

// The next window, at another limit or the same.
static void go(as_knee *k, size_t limit) {
    if (limit < 1) limit = 1;
    if (limit > k->most) limit = k->most;
    // What was sent under the old limit is let pass, and what waits behind it.
    k->pass = limit == k->limit ? 0 : limit + k->limit;
    k->limit = limit;
    k->want = 4 * limit > WINDOW_MIN ? 4 * limit : WINDOW_MIN;
    k->got = 0;
    k->sum_ms = 0;
}

void as_knee_start(as_knee *k, size_t most) {
    *k = (as_knee){.most = most, .hold_windows = HOLD_FIRST};
    go(k, START);
}

static void note(as_knee *k, as_knee_step step) {
    if (k->step_count < AS_KNEE_STEPS_MAX) k->step_count++;
    k->steps[k->step_count - 1] = step;
}

static size_t above(const as_knee *k, size_t limit) {
    if (!k->gentle) return 2 * limit;
    return limit + (limit >= 8 ? limit / 8 : 1);
}

static void hold(as_knee *k, as_knee_step at) {
    k->phase = AS_KNEE_HOLD;
    k->held_per_s = at.per_s;
    k->held = 0;
    go(k, at.limit);
}

// Looks at the geometric middle of (low, high], or is done.
static void refine(as_knee *k) {
    size_t low = k->low.limit, high = k->high.limit, middle = low + 1;
    if (high <= low + 1 || (double)high <= CLOSE * (double)low) {
        hold(k, k->high);
        return;
    }
    while (middle * middle < low * high) middle++;
    k->phase = AS_KNEE_FINE;
    go(k, middle < high ? middle : high - 1);
}

static void rise(as_knee *k, as_knee_step now) {
    double wider = k->low.limit ? (double)now.limit / (double)k->low.limit - 1 : 0;
    bool worth = !k->low.limit || now.per_s >= k->low.per_s * (1 + GAIN * wider);
    if (worth && now.limit == k->most) {
        hold(k, now);
    } else if (worth) {
        k->before = k->low;
        k->low = now;
        go(k, above(k, now.limit));
    } else {
        k->goal_per_s = ENOUGH * (now.per_s > k->low.per_s ? now.per_s : k->low.per_s);
        k->high = now;
        if (k->low.per_s >= k->goal_per_s) {
            k->high = k->low;
            k->low = k->before;
        }
        refine(k);
    }
}

static void fine(as_knee *k, as_knee_step now) {
    *(now.per_s >= k->goal_per_s ? &k->high : &k->low) = now;
    refine(k);
}

static void probe(as_knee *k, as_knee_step now) {
    if (now.per_s < BETTER * k->held_per_s) {
        if (k->hold_windows < HOLD_MAX) k->hold_windows *= 2;
        hold(k, (as_knee_step){.limit = k->low.limit, .per_s = k->held_per_s});
    } else if (k->phase == AS_KNEE_PROBE) {
        k->phase = AS_KNEE_CONFIRM;
        go(k, now.limit);
    } else {
        k->hold_windows = HOLD_FIRST;
        k->phase = AS_KNEE_RISE;
        k->before = k->low;
        k->low = now;
        go(k, above(k, now.limit));
    }
}

static void keep(as_knee *k, as_knee_step now) {
    k->held_per_s += (now.per_s - k->held_per_s) / 4;
    if (++k->held < k->hold_windows || now.limit == k->most) {
        go(k, now.limit);
        return;
    }
    k->low = now;
    k->phase = AS_KNEE_PROBE;
    go(k, now.limit + (now.limit >= 4 ? now.limit / 4 : 1));
}

static void take_window(as_knee *k, as_knee_step now) {
    note(k, now);
    switch (k->phase) {
    case AS_KNEE_RISE:
        rise(k, now);
        break;
    case AS_KNEE_FINE:
        fine(k, now);
        break;
    case AS_KNEE_HOLD:
        keep(k, now);
        break;
    case AS_KNEE_PROBE:
    case AS_KNEE_CONFIRM:
        probe(k, now);
        break;
    }
}

static void back_off(as_knee *k) {
    note(k, (as_knee_step){.limit = k->limit, .overload = true});
    k->gentle = true;
    k->phase = AS_KNEE_RISE;
    k->before = k->low = (as_knee_step){0};
    go(k, k->limit / 2);
    k->backing = true;
}

void as_knee_add(as_knee *k, double latency_ms, bool overload) {
    if (!k->pass) k->backing = false;
    if (overload && !k->backing) {
        back_off(k);
    } else if (k->pass) {
        k->pass--;
    } else {
        k->sum_ms += latency_ms;
        if (++k->got < k->want) return;
        double mean_s = k->sum_ms / (double)k->got / 1e3;
        take_window(k, (as_knee_step){.limit = k->limit,
                                      .per_s = (double)k->limit / (mean_s > 1e-9 ? mean_s : 1e-9)});
    }
}
