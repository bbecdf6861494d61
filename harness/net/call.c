// SPDX-License-Identifier: Apache-2.0
#include "harness/net/call.h"

#include <time.h>

#include "harness/base/clock.h"
#include "harness/base/log.h"
#include "harness/net/retry.h"

enum { BACKOFF_MAX_MS = 5000, SHOWN_MAX = 160 };

static const uint64_t ms = 1000000;

bool as_call_succeeded(const as_http_reply *reply) {
    return reply->end == AS_HTTP_DONE && reply->status / 100 == 2;
}

static bool may_succeed_later(const as_http_reply *reply) {
    switch (reply->end) {
    case AS_HTTP_DONE:
        return as_retry_status(reply->status);
    case AS_HTTP_REFUSED:
    case AS_HTTP_BROKEN:
    case AS_HTTP_TIMEOUT:
    case AS_HTTP_OFFLINE:
    case AS_HTTP_DENIED:
    case AS_HTTP_CANCELLED:
        return true;
    case AS_HTTP_TOO_LARGE:
    case AS_HTTP_TLS:
    case AS_HTTP_REDIRECT:
    case AS_HTTP_INVALID:
        break;
    }
    return false;
}

static bool had_no_effect(const as_http_reply *reply) {
    return reply->end == AS_HTTP_REFUSED ||
           (reply->end == AS_HTTP_DONE && (reply->status == 429 || reply->status == 503));
}

static void pause_for(uint64_t wait_ms) {
    struct timespec time = {(time_t)(wait_ms / 1000), (long)(wait_ms % 1000 * ms)};
    nanosleep(&time, NULL);
}

as_call_result as_call(as_http *http, const as_http_request *request,
                       const as_call_policy *policy) {
    as_call_result result = {0};
    uint64_t start = as_clock_ns();
    as_rng rng = as_rng_of(start, 0);
    for (;;) {
        as_http_start(http, request);
        do result.reply = as_http_next(http, 1000 * ms);
        while (!result.reply);
        const as_http_reply *reply = result.reply;
        result.attempts++;
        result.later = may_succeed_later(reply);
        bool again = result.later && reply->end != AS_HTTP_OFFLINE &&
                     reply->end != AS_HTTP_DENIED && result.attempts < policy->attempts &&
                     (!policy->once || had_no_effect(reply));
        if (as_call_succeeded(reply) || !again) return result;
        int64_t asked_ms = as_retry_after_ms(as_buf_view(&reply->retry_after),
                                             as_buf_view(&reply->date), as_clock_wall_ms());
        uint64_t wait_ms =
            as_retry_backoff_ms(result.attempts - 1, policy->backoff_ms, BACKOFF_MAX_MS, &rng);
        if (asked_ms >= 0) wait_ms = (uint64_t)asked_ms;
        uint64_t spent_ms = (as_clock_ns() - start) / ms;
        if (spent_ms > policy->budget_ms || wait_ms > policy->budget_ms - spent_ms) return result;
        as_http_release(http, result.reply);
        pause_for(wait_ms);
    }
}

as_str as_call_reason(as_arena *arena, const as_http_reply *reply) {
    as_buf text = {0};
    if (reply->end == AS_HTTP_DONE) {
        as_str body = as_str_trim(as_str_sub(as_buf_view(&reply->body), 0, SHOWN_MAX));
        as_buff(&text, "HTTP %d", reply->status);
        if (body.len) as_buff(&text, ": %.*s", AS_STR_ARG(body));
    } else {
        as_buf_text(&text, reply->error);
    }
    as_log_redact(&text, 0);
    as_str out = as_str_copy(arena, as_buf_view(&text));
    as_buf_free(&text);
    return out;
}
