// SPDX-License-Identifier: Apache-2.0
#include "harness/target/reply.h"

#include "harness/base/clock.h"
#include "harness/net/retry.h"

as_reply as_reply_broken(as_arena *arena, const as_http_reply *r) {
    bool retry = r->end == AS_HTTP_REFUSED || r->end == AS_HTTP_BROKEN || r->end == AS_HTTP_TIMEOUT;
    // Offline is no reason to give up: other cases may be in the cache.
    bool fatal = r->end == AS_HTTP_TLS || r->end == AS_HTTP_REDIRECT || r->end == AS_HTTP_INVALID ||
                 r->end == AS_HTTP_DENIED;
    as_outcome outcome = r->end == AS_HTTP_TIMEOUT     ? AS_OUT_TIMEOUT
                         : r->end == AS_HTTP_TOO_LARGE ? AS_OUT_BAD_RESPONSE
                         : r->end == AS_HTTP_CANCELLED ? AS_OUT_CANCELLED
                                                       : AS_OUT_HTTP_ERROR;
    as_str where = AS_STR("");
    if (r->end == AS_HTTP_BROKEN || (r->end == AS_HTTP_TIMEOUT && r->body.len))
        where = as_strf(arena, " (status %d, %zu bytes of the body)", r->status, r->body.len);
    return (as_reply){.what = retry   ? AS_REPLY_RETRY
                              : fatal ? AS_REPLY_FATAL
                                      : AS_REPLY_FAILED,
                      .outcome = outcome,
                      .error = as_strf(arena, "%s%.*s", r->error, AS_STR_ARG(where)),
                      .targets_fault = retry,
                      .wait_ms = -1};
}

static bool says(as_str kind, as_str words, const char *what) {
    return as_str_find(kind, as_str_of(what), 0) != SIZE_MAX ||
           as_str_find(words, as_str_of(what), 0) != SIZE_MAX;
}

static as_str about_key(const as_wire_setup *setup, as_arena *arena, as_str error) {
    if (setup->has_key)
        return as_strf(arena, "%.*s; the key in %.*s is not accepted", AS_STR_ARG(error),
                       AS_STR_ARG(setup->key_hint));
    if (!setup->key_hint.len) return as_strf(arena, "%.*s; no key was sent", AS_STR_ARG(error));
    return as_strf(arena, "%.*s; no key was sent: %.*s is not set (see key_env)", AS_STR_ARG(error),
                   AS_STR_ARG(setup->key_hint));
}

as_reply as_reply_status(const as_wire_setup *setup, as_arena *arena, const as_http_reply *r,
                         int status, as_str kind, as_str words) {
    as_reply j = {.what = AS_REPLY_FAILED, .outcome = AS_OUT_HTTP_ERROR, .wait_ms = -1};
    j.error = as_strf(arena, "HTTP %d%s%.*s", status, words.len ? ": " : "", AS_STR_ARG(words));
    if (says(kind, AS_STR(""), "content_filter") || says(kind, words, "ResponsibleAIPolicy")) {
        j.outcome = AS_OUT_REFUSED; // what the provider's filter did is the model's doing
    } else if (status == 400 && (says(kind, words, "context_length_exceeded") ||
                                 says(kind, words, "context length"))) {
        j.outcome = AS_OUT_TRUNCATED;
    } else if (status == 401 || status == 403) {
        j.what = AS_REPLY_FATAL;
        j.error = about_key(setup, arena, j.error);
    } else if (status == 402 || status == 404 || status == 405) {
        j.what = AS_REPLY_FATAL;
        j.error = as_strf(arena, "%.*s (asked for '%.*s' at %.*s)", AS_STR_ARG(j.error),
                          AS_STR_ARG(setup->model_name), AS_STR_ARG(setup->endpoint));
    } else if (as_retry_status(status)) {
        j.what = AS_REPLY_RETRY;
        j.targets_fault = status >= 500;
        if (r)
            j.wait_ms = as_retry_after_ms(as_buf_view(&r->retry_after), as_buf_view(&r->date),
                                          as_clock_wall_ms());
        if (status == 408 || status == 504) j.outcome = AS_OUT_TIMEOUT;
    }
    return j;
}
