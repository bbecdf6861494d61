// SPDX-License-Identifier: Apache-2.0
// attempt.h - one request on the way to an answer. A sample that took more than one, or whose only
// one failed, lists them; of a single one that was answered the sample says everything itself.
#ifndef AS_ATTEMPT_H
#define AS_ATTEMPT_H

#include "harness/base/json.h"

enum { AS_ATTEMPTS_MAX = 64 }; // listed: of more the first ones, and the last

typedef struct as_attempt {
    double at_ms, took_ms; // sent so long after the first one; until its end
    as_str outcome;        // as a sample's: "ok", "timeout", "http_error"...
    int status;            // HTTP status; 0: none came
    uint64_t bytes;        // of the body that came
    double wait_ms;        // to be left before the next one; NaN: there was to be none
    as_str server;         // which one was asked; empty when there is only one
    as_str error;          // one sentence; empty when ok
} as_attempt;

typedef struct as_attempts {
    const as_attempt *items;
    size_t count;
} as_attempts;

// The list as the journal has it.
void as_attempts_write(as_json_out *out, as_attempts attempts);
as_attempts as_attempts_read(as_arena *arena, const as_json *list); // empty: it is none
as_attempts as_attempts_copy(as_arena *arena, as_attempts attempts);

// "503 http_error after 12.5 ms, next in 250 ms: busy", without a line end.
void as_attempt_say(as_buf *buf, const as_attempt *attempt);

#endif
