// SPDX-License-Identifier: Apache-2.0
// settle.h - what a reply means for its case alone: its attempts, times and answer. Most 2xx are
// settled on the thread that takes answers, so that the one that sends has time to send; what may
// have to be asked again, or changes what is asked at all, never is.
#ifndef AS_SETTLE_H
#define AS_SETTLE_H

#include "harness/target/remote/remote_open.h"
#include "harness/target/reply.h"

// One exchange as attempts record it; times are as_clock_ns.
typedef struct as_settle_exchange {
    uint64_t first_ns, start_ns, end_ns; // first: sent by the case's first attempt
    uint64_t due_ns;                     // the case's intended start; 0: none
    int status;
    size_t bytes;  // of the body
    as_str server; // empty: there is but one
} as_settle_exchange;

// Of a case so far; begins with the first that failed.
typedef struct as_settle_tries {
    as_attempt *items; // [AS_ATTEMPTS_MAX] once there is one
    size_t count;
} as_settle_tries;

void as_settle_note(as_arena *arena, as_settle_tries *tries, const as_settle_exchange *exchange,
                    as_reply reply);

// From the intended start where there is one, else from the first byte sent.
uint64_t as_settle_start(const as_settle_exchange *exchange);

// Tokens of one call onto those of the case.
void as_settle_count(const as_wire_take *take, as_answer *out);

// The texts of an answer are the last thing to be done to it: secrets are taken out.
void as_settle_texts(as_arena *arena, as_settle_tries tries, as_answer *out);
as_str as_settle_redacted(as_arena *arena, as_str text);

// Whether a body can be settled later: whatever is in it, it asks for nothing. An error inside a
// 200, which may, stands under a key of that name.
bool as_settle_can(const as_wire_ops *ops, as_str body);

// Leaves the only call of a case for as_remote_settle: sets out->unsettled. The body is copied.
void as_settle_leave(as_arena *arena, const as_settle_exchange *exchange, as_settle_tries tries,
                     as_str body, as_answer *out);

#endif
