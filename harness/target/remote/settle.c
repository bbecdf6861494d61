// SPDX-License-Identifier: Apache-2.0
#include "harness/target/remote/settle.h"

#include <math.h>

#include "harness/base/log.h"

typedef struct unsettled {
    as_settle_exchange exchange;
    as_settle_tries tries;
    as_str body;
} unsettled;

as_str as_settle_redacted(as_arena *arena, as_str text) {
    if (!text.len) return AS_STR("");
    as_buf copy = {0};
    as_buf_str(&copy, text);
    as_log_redact(&copy, 0);
    as_str out = as_str_copy(arena, as_buf_view(&copy));
    as_buf_free(&copy);
    return out;
}

void as_settle_note(as_arena *arena, as_settle_tries *tries, const as_settle_exchange *x,
                    as_reply j) {
    bool answered = j.what == AS_REPLY_ANSWERED;
    if (answered && !tries->count) return;
    if (!tries->items) tries->items = AS_NEW_ARRAY(arena, as_attempt, AS_ATTEMPTS_MAX);
    if (tries->count < AS_ATTEMPTS_MAX) tries->count++;
    tries->items[tries->count - 1] = (as_attempt){
        .at_ms = (double)(x->start_ns - x->first_ns) / 1e6,
        .took_ms = (double)(x->end_ns - x->start_ns) / 1e6,
        .outcome = as_str_of(as_outcome_name(answered ? AS_OUT_OK : j.outcome)),
        .status = x->status,
        .bytes = x->bytes,
        .wait_ms = NAN,
        .server = x->server,
        .error = answered ? AS_STR("") : as_settle_redacted(arena, j.error),
    };
}

uint64_t as_settle_start(const as_settle_exchange *x) {
    return x->due_ns && x->due_ns < x->start_ns ? x->due_ns : x->start_ns;
}

void as_settle_count(const as_wire_take *take, as_answer *out) {
    out->tokens_in += take->tokens_in;
    out->tokens_out += take->has_usage ? take->tokens_out : take->pieces;
    if (!take->has_usage && take->pieces) out->estimated = true;
}

void as_settle_texts(as_arena *arena, as_settle_tries tries, as_answer *out) {
    out->tries = (as_attempts){tries.items, tries.count};
    out->output = as_settle_redacted(arena, out->output);
    out->reasoning = as_settle_redacted(arena, out->reasoning);
    out->error = as_settle_redacted(arena, out->error);
    if (out->outcome == AS_OUT_OK) out->error = AS_STR("");
}

bool as_settle_can(const as_wire_ops *ops, as_str body) {
    // A key may be spelled with escapes of letters.
    return !ops->asks_again && body.len && as_str_find(body, AS_STR("\"error\""), 0) == SIZE_MAX &&
           as_str_find(body, AS_STR("\\u00"), 0) == SIZE_MAX;
}

void as_settle_leave(as_arena *arena, const as_settle_exchange *exchange, as_settle_tries tries,
                     as_str body, as_answer *out) {
    unsettled *left = AS_NEW(arena, unsettled);
    *left = (unsettled){*exchange, tries, as_str_copy(arena, body)};
    out->unsettled = left;
}

void as_remote_settle(const as_target *t, as_arena *scratch, as_arena *arena,
                      const as_request *request, as_answer *out) {
    const unsettled *left = out->unsettled;
    const as_settle_exchange *x = &left->exchange;
    as_settle_tries tries = left->tries;
    as_reply reply = {.what = AS_REPLY_ANSWERED};
    as_wire_take take = {.arena = arena,
                         .scratch = scratch,
                         .request = request,
                         .outcome = AS_OUT_OK,
                         .error = AS_STR("")};
    out->unsettled = NULL;
    t->ops->body(t->setup.wire, &take, left->body);
    as_arena_reset(scratch);
    if (take.outcome != AS_OUT_OK)
        reply = (as_reply){.what = AS_REPLY_FAILED, .outcome = take.outcome, .error = take.error};
    as_settle_note(arena, &tries, x, reply);
    if (reply.what == AS_REPLY_ANSWERED) {
        out->latency_ms += (double)(x->end_ns - as_settle_start(x)) / 1e6;
        as_settle_count(&take, out);
        as_wire_answer(&take, out);
    } else {
        out->latency_ms += (double)(x->end_ns - x->start_ns) / 1e6;
        out->outcome = take.outcome;
        out->error = take.error;
    }
    as_settle_texts(arena, tries, out);
    as_buf *const buffers[] = {&take.text, &take.reasoning, &take.tools};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) as_buf_free(buffers[i]);
}
