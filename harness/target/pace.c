// SPDX-License-Identifier: Apache-2.0
#include "harness/target/pace.h"

enum { FAILURES_MIN = 8, PROBES_MAX = 3 };
static const uint64_t PROBE_NS = 500000000u, PROBE_NS_MAX = 5000000000u;

void as_pace_start(as_pace *p, double requests_per_minute, double tokens_per_minute,
                   uint64_t patience_ns, uint64_t now) {
    *p = (as_pace){.requests_per_s = requests_per_minute / 60,
                   .tokens_per_s = tokens_per_minute / 60,
                   .patience_ns = patience_ns,
                   .filled_ns = now};
    p->requests = 1;
    p->tokens = p->tokens_per_s;
}

static double filled(double level, double per_s, double seconds) {
    double most = per_s > 1 ? per_s : 1;
    level += per_s * seconds;
    return level < most ? level : most;
}

static void refill(as_pace *p, uint64_t now) {
    double seconds = (double)(now - p->filled_ns) / 1e9;
    p->filled_ns = now;
    if (p->requests_per_s > 0) p->requests = filled(p->requests, p->requests_per_s, seconds);
    if (p->tokens_per_s > 0) p->tokens = filled(p->tokens, p->tokens_per_s, seconds);
}

static uint64_t latest(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

uint64_t as_pace_ready(as_pace *p, uint64_t now, size_t under_way) {
    if (p->open && under_way) return UINT64_MAX;
    refill(p, now);
    uint64_t at = p->pause_ns;
    if (p->open) at = latest(at, p->probe_ns);
    if (p->requests_per_s > 0 && p->requests < 1)
        at = latest(at, now + (uint64_t)((1 - p->requests) / p->requests_per_s * 1e9) + 1);
    if (p->tokens_per_s > 0 && p->tokens <= 0)
        at = latest(at, now + (uint64_t)(-p->tokens / p->tokens_per_s * 1e9) + 1000000);
    return at;
}

void as_pace_sent(as_pace *p, double tokens) {
    if (p->requests_per_s > 0) p->requests -= 1;
    if (p->tokens_per_s > 0) p->tokens -= tokens;
}

void as_pace_correct(as_pace *p, double tokens) {
    if (p->tokens_per_s > 0) p->tokens -= tokens;
}

void as_pace_pause(as_pace *p, uint64_t until) {
    p->pause_ns = latest(p->pause_ns, until);
}

void as_pace_ok(as_pace *p) {
    p->succeeded = true;
    p->failures = 0;
    p->open = false;
}

bool as_pace_failed(as_pace *p, uint64_t now, size_t under_way) {
    p->failures++;
    if (!p->open) {
        uint64_t least = p->eject_after ? p->eject_after : FAILURES_MIN + under_way;
        if (p->failures < least) return false;
        p->open = true;
        p->probes = 0;
        p->opened_ns = now;
        p->probe_ns = now + PROBE_NS;
        return false;
    }
    // Those that were out when it opened are no probes.
    if (under_way) return false;
    p->probes++;
    uint64_t wait = PROBE_NS << (p->probes < 5 ? p->probes : 5);
    p->probe_ns = now + (wait < PROBE_NS_MAX ? wait : PROBE_NS_MAX);
    if (!p->succeeded) return p->probes >= PROBES_MAX;
    return now - p->opened_ns >= p->patience_ns;
}
