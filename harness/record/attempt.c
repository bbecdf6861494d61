// SPDX-License-Identifier: Apache-2.0
#include "harness/record/attempt.h"

#include <math.h>

void as_attempts_write(as_json_out *out, as_attempts attempts) {
    as_jo_open(out, '[');
    for (size_t i = 0; i < attempts.count; i++) {
        const as_attempt *a = &attempts.items[i];
        as_jo_open(out, '{');
        as_jo_put_f64(out, "at_ms", a->at_ms);
        as_jo_put_f64(out, "ms", a->took_ms);
        as_jo_put_str(out, "outcome", a->outcome);
        as_jo_put_u64(out, "status", (uint64_t)a->status);
        as_jo_put_u64(out, "bytes", a->bytes);
        if (!isnan(a->wait_ms)) as_jo_put_f64(out, "wait_ms", a->wait_ms);
        if (a->server.len) as_jo_put_str(out, "server", a->server);
        if (a->error.len) as_jo_put_str(out, "error", a->error);
        as_jo_close(out, '}');
    }
    as_jo_close(out, ']');
}

as_attempts as_attempts_read(as_arena *arena, const as_json *list) {
    as_attempts out = {0};
    if (!list || list->kind != AS_JSON_ARRAY || !list->count) return out;
    as_attempt *items = AS_NEW_ARRAY(arena, as_attempt, list->count);
    for (const as_json *m = list->child; m; m = m->next) {
        double status = as_json_f64(m, "status", 0), bytes = as_json_f64(m, "bytes", 0);
        items[out.count++] = (as_attempt){
            .at_ms = as_json_f64(m, "at_ms", NAN),
            .took_ms = as_json_f64(m, "ms", NAN),
            .outcome = as_json_str(m, "outcome", AS_STR("")),
            .status = status >= 0 && status < 1000 ? (int)status : 0,
            .bytes = bytes >= 0 && bytes < 0x1p53 ? (uint64_t)bytes : 0,
            .wait_ms = as_json_f64(m, "wait_ms", NAN),
            .server = as_json_str(m, "server", AS_STR("")),
            .error = as_json_str(m, "error", AS_STR("")),
        };
    }
    out.items = items;
    return out;
}

as_attempts as_attempts_copy(as_arena *arena, as_attempts attempts) {
    if (!attempts.count) return (as_attempts){0};
    as_attempt *items = AS_NEW_ARRAY(arena, as_attempt, attempts.count);
    for (size_t i = 0; i < attempts.count; i++) {
        items[i] = attempts.items[i];
        items[i].outcome = as_str_copy(arena, items[i].outcome);
        items[i].server = as_str_copy(arena, items[i].server);
        items[i].error = as_str_copy(arena, items[i].error);
    }
    return (as_attempts){items, attempts.count};
}

void as_attempt_say(as_buf *buf, const as_attempt *a) {
    if (a->status) as_buff(buf, "%d ", a->status);
    as_buff(buf, "%.*s after %.1f ms", AS_STR_ARG(a->outcome), a->took_ms);
    if (a->server.len) as_buff(buf, " at %.*s", AS_STR_ARG(a->server));
    if (!isnan(a->wait_ms)) as_buff(buf, ", next in %.0f ms", a->wait_ms);
    if (a->error.len) as_buff(buf, ": %.*s", AS_STR_ARG(a->error));
}
