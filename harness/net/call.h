// SPDX-License-Identifier: Apache-2.0
// call.h - one request, waited for: asked again where that is worth it, as often and as long as
// the caller allows. For what talks to a service now and then; targets have their own scheduler.
#ifndef AS_CALL_H
#define AS_CALL_H

#include "harness/net/http.h"

typedef struct as_call_policy {
    unsigned attempts;   // at most, at least 1
    uint64_t backoff_ms; // before the second attempt; doubles, with jitter
    uint64_t budget_ms;  // no attempt is started after it
    bool once;           // asking twice is not the same as asking once: only what surely had no
                         // effect is asked again (nothing was reached, 429, 503)
} as_call_policy;

typedef struct as_call_result {
    as_http_reply *reply; // to be released; never NULL
    unsigned attempts;
    bool later; // the same request may succeed later
} as_call_result;

// A Retry-After that goes beyond the budget ends it.
as_call_result as_call(as_http *http, const as_http_request *request, const as_call_policy *policy);

bool as_call_succeeded(const as_http_reply *reply); // a whole response with a status of 2xx

// One sentence on what went wrong: "refused the connection", "HTTP 401: invalid token".
as_str as_call_reason(as_arena *arena, const as_http_reply *reply);

#endif
