// SPDX-License-Identifier: Apache-2.0
// reply.h - what an HTTP exchange that brought no answer means for its case, and for the target.
// Pure functions.
#ifndef AS_REPLY_H
#define AS_REPLY_H

#include "harness/target/wire.h"

typedef enum as_reply_what {
    AS_REPLY_ANSWERED,
    AS_REPLY_RETRY,  // the same again, later
    AS_REPLY_FAILED, // this case
    AS_REPLY_FATAL,  // and all that is still to be asked
} as_reply_what;

typedef struct as_reply {
    as_reply_what what;
    as_outcome outcome;
    as_str error;       // one sentence
    bool targets_fault; // counts for the circuit breaker
    int64_t wait_ms;    // RETRY: as the server asked; -1: it did not
} as_reply;

// The exchange ended without a whole response.
as_reply as_reply_broken(as_arena *arena, const as_http_reply *r);

// A status that is no success, with the words of its body and their code. `r` is NULL when the
// status came inside a 200.
as_reply as_reply_status(const as_wire_setup *setup, as_arena *arena, const as_http_reply *r,
                         int status, as_str kind, as_str words);

#endif
