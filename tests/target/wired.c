// SPDX-License-Identifier: Apache-2.0
#include "tests/target/wired.h"

#include "harness/net/sse.h"

as_rc as_wired_open(as_wired *w, const as_wire_ops *ops, const char *uri, as_err *err) {
    *w = (as_wired){.ops = ops};
    const char *keys[64] = {"key_env", "key_file"};
    for (size_t i = 0; ops->keys && ops->keys[i]; i++) keys[i + 2] = ops->keys[i];
    if (as_target_uri_parse(&w->arena, as_str_of(uri), keys, &w->parsed, err)) return AS_INVALID;
    w->setup = (as_wire_setup){
        .arena = &w->arena, .uri = as_str_of(uri), .base_dir = AS_STR("."), .parsed = &w->parsed};
    return ops->open(&w->setup, err);
}

static void drop_take(as_wired *w) {
    as_buf_free(&w->take.text);
    as_buf_free(&w->take.reasoning);
    as_buf_free(&w->take.tools);
    w->take = (as_wire_take){.arena = &w->arena, .scratch = &w->arena, .error = AS_STR("")};
}

void as_wired_close(as_wired *w) {
    drop_take(w);
    as_arena_free(&w->arena);
}

as_str as_wired_call(as_wired *w, const as_request *request, size_t call) {
    as_wire_call out;
    as_str sha;
    w->ops->build(w->setup.wire, &w->arena, request, call, &out, &sha);
    return as_strf(&w->arena, "%.*s\n%.*s", AS_STR_ARG(out.url), AS_STR_ARG(out.body));
}

static const as_answer *answer(as_wired *w) {
    w->answer = (as_answer){.outcome = w->take.outcome,
                            .error = w->take.error,
                            .output = AS_STR(""),
                            .reasoning = AS_STR(""),
                            .tokens_in = w->take.tokens_in,
                            .tokens_out = w->take.tokens_out};
    if (w->take.outcome == AS_OUT_OK) as_wire_answer(&w->take, &w->answer);
    return &w->answer;
}

const as_answer *as_wired_body(as_wired *w, const as_request *request, as_str body) {
    drop_take(w);
    w->take.request = request;
    w->ops->body(w->setup.wire, &w->take, body);
    return answer(w);
}

static void give(void *wired_in, as_str event, as_str data) {
    as_wired *w = wired_in;
    w->ops->event(w->setup.wire, &w->take, event, data);
}

const as_answer *as_wired_stream(as_wired *w, const as_request *request, as_str bytes,
                                 size_t piece) {
    drop_take(w);
    w->take.request = request;
    as_sse sse = {0};
    for (size_t i = 0; i < bytes.len; i += piece)
        as_sse_feed(&sse, as_str_sub(bytes, i, i + piece), give, w);
    as_sse_end(&sse, give, w);
    as_sse_free(&sse);
    return answer(w);
}
