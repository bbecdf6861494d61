// SPDX-License-Identifier: Apache-2.0
// cmd:COMMAND - a program of the user's: started once a worker by /bin/sh in the suite's folder, it
// reads a JSON line a case on stdin and writes a JSON line an answer on stdout, in the same order.
//
//   in:  {"id": .., "task": "generate"|"choice", "prompt": .., "messages": [..], "choices": [..],
//         "max_tokens": .., "temperature": .., where the suite has them "top_p", "top_k" and
//         "min_p", "seed": .., "stop": [..]}
//   out: {"output": ..}, for a choice also {"choice_logprobs": [..]}; optional: "reasoning",
//        "tokens_in", "tokens_out", "ttft_ms", "finish_reason": "length", "refused": true;
//        "tool_calls" (in place of "output" too), "trace", "skill_calls", "guardrails", which
//        assertions look at; {"error": ..} when it failed
//
// A program that ends, hangs past `timeout`, or writes no such line fails its case and is started
// anew for the next one. Its stderr is ours.
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/child.h"
#include "harness/base/clock.h"
#include "harness/base/utf8.h"
#include "harness/target/wire.h"

enum { LINE_MAX_BYTES = 64 << 20, GRACE_MS = 500, TURN_MS = 50 };

struct as_target {
    as_arena arena;
    const char *command, *dir;
    int64_t timeout_s, workers;
    as_target_info info;
};

struct as_target_worker {
    const as_target *target;
    as_child child;
    as_buf pending; // read and not yet a line
    atomic_bool cancelled;
};

static void cmd_close(as_target *t) {
    as_arena_free(&t->arena);
    free(t);
}

static as_rc cmd_open(as_str uri, as_str base_dir, as_target **out, as_err *err) {
    static const char *const keys[] = {"timeout", "workers", NULL};
    as_target *t = as_mem_new(sizeof *t);
    as_target_uri parsed;
    t->timeout_s = 120, t->workers = 1;
    as_rc rc = as_target_uri_parse(&t->arena, uri, keys, &parsed, err);
    if (!rc) rc = as_target_uri_count(uri, &parsed, "timeout", 1, 86400, &t->timeout_s, err);
    if (!rc) rc = as_target_uri_count(uri, &parsed, "workers", 1, 1024, &t->workers, err);
    if (!rc && !as_str_trim(parsed.rest).len)
        rc = as_fail(err, AS_INVALID, "target '%.*s' names no command", AS_STR_ARG(uri));
    if (rc) {
        cmd_close(t);
        return rc;
    }
    // exec: so that the process is the program and not a shell around it.
    t->command = as_strf(&t->arena, "exec %.*s", AS_STR_ARG(parsed.rest)).ptr;
    t->dir = as_str_copy(&t->arena, base_dir).ptr;
    t->info = (as_target_info){.uri = as_str_copy(&t->arena, uri),
                               .model_sha256 = AS_STR(""),
                               .model_name = as_str_copy(&t->arena, parsed.rest),
                               .device = AS_STR("command"),
                               .engine = AS_STR("command"),
                               .workers = (size_t)t->workers};
    *out = t;
    return AS_OK;
}

static const as_target_info *cmd_info(const as_target *t) {
    return &t->info;
}

static as_rc cmd_worker_new(as_target *t, as_target_worker **out, as_err *err) {
    (void)err;
    as_target_worker *w = as_mem_new(sizeof *w);
    w->target = t;
    *out = w;
    return AS_OK;
}

static as_rc start(as_target_worker *w, as_err *err) {
    const char *argv[] = {"/bin/sh", "-c", w->target->command, NULL};
    as_child_start how = {.argv = argv, .dir = w->target->dir, .reads = true};
    as_buf_clear(&w->pending);
    return as_child_new(&how, &w->child, err);
}

// Its input closes; one that does not go by itself is killed.
static void cmd_worker_free(as_target_worker *w) {
    as_child_stop(&w->child, GRACE_MS);
    as_buf_free(&w->pending);
    free(w);
}

static void cmd_cancel(as_target_worker *w) {
    atomic_store(&w->cancelled, true);
}

static as_str request_line(as_arena *arena, const as_request *request) {
    as_buf line = {0};
    as_json_out jo = {.buf = &line};
    as_jo_open(&jo, '{');
    as_jo_key(&jo, "id"), as_jo_str(&jo, request->id);
    as_jo_key(&jo, "task");
    as_jo_str(&jo, request->task == AS_TASK_CHOICE ? AS_STR("choice") : AS_STR("generate"));
    as_jo_key(&jo, "prompt"), as_jo_str(&jo, as_wire_prompt(arena, request));
    as_jo_key(&jo, "messages"),
        as_wire_put_messages(&jo, request->messages, request->message_count, AS_CHAT_OPENAI);
    as_jo_key(&jo, "choices");
    as_jo_open(&jo, '[');
    for (size_t i = 0; i < request->choice_count; i++) as_jo_str(&jo, request->choices[i]);
    as_jo_close(&jo, ']');
    as_jo_key(&jo, "max_tokens"), as_jo_i64(&jo, (int64_t)request->max_tokens);
    as_jo_key(&jo, "temperature"), as_jo_f64(&jo, request->temperature);
    as_target_put_filters(&jo, request);
    as_jo_key(&jo, "seed"), as_jo_i64(&jo, (int64_t)as_target_seed(request));
    as_jo_key(&jo, "stop");
    as_jo_open(&jo, '[');
    for (size_t i = 0; i < request->stop_count; i++) as_jo_str(&jo, request->stops[i]);
    as_jo_close(&jo, ']');
    as_jo_close(&jo, '}');
    as_buf_char(&line, '\n');
    as_str copy = as_str_copy(arena, as_buf_view(&line));
    as_buf_free(&line);
    return copy;
}

typedef enum talk { TALK_LINE, TALK_ENDED, TALK_TIMEOUT, TALK_TOO_LONG, TALK_CANCELLED } talk;

// Writes the request while reading what comes, until a line is whole.
static talk exchange(as_target_worker *w, as_str out, as_str *line) {
    uint64_t until = as_clock_ns() + (uint64_t)w->target->timeout_s * 1000000000u;
    as_buf_clear(&w->pending);
    char bytes[16384];
    for (;;) {
        char *end = w->pending.len ? memchr(w->pending.ptr, '\n', w->pending.len) : NULL;
        if (end && !out.len) {
            *line = (as_str){w->pending.ptr, (size_t)(end - w->pending.ptr)};
            return TALK_LINE;
        }
        if (w->pending.len > LINE_MAX_BYTES) return TALK_TOO_LONG;
        uint64_t now = as_clock_ns();
        if (now >= until) return TALK_TIMEOUT;
        if (atomic_load(&w->cancelled)) return TALK_CANCELLED;
        struct pollfd fds[] = {{.fd = w->child.out, .events = POLLIN},
                               {.fd = w->child.in, .events = POLLOUT}};
        uint64_t wait_ms = (until - now) / 1000000 + 1;
        poll(fds, out.len ? 2 : 1, wait_ms < TURN_MS ? (int)wait_ms : TURN_MS);
        if (out.len && fds[1].revents) {
            ssize_t n = write(w->child.in, out.ptr, out.len);
            if (n < 0 && errno != EAGAIN) return TALK_ENDED;
            if (n > 0) out = as_str_sub(out, (size_t)n, out.len);
        }
        if (!fds[0].revents) continue;
        ssize_t n = read(w->child.out, bytes, sizeof bytes);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return TALK_ENDED;
        if (n > 0) as_buf_add(&w->pending, bytes, (size_t)n);
    }
}

static void take_line(as_arena *arena, const as_request *request, as_str line, as_answer *out) {
    as_wire_take take = {.arena = arena, .scratch = arena, .request = request, .error = AS_STR("")};
    const as_json *object = as_wire_json(&take, as_str_copy(arena, line));
    as_str id = as_json_str(object, "id", request->id);
    if (!as_str_eq(id, request->id))
        as_wire_bad(&take, "the line answers '%.*s', not this case", AS_STR_ARG(id));
    const as_json *text = as_json_get(object, "output");
    const as_json *scores = as_json_get(object, "choice_logprobs");
    if (!text || text->kind == AS_JSON_NULL) text = as_json_get(object, "tool_calls");
    if (object && (!text || text->kind == AS_JSON_NULL) && !scores)
        as_wire_bad(&take, "the line has no 'output'");
    if (text && text->kind != AS_JSON_NULL) as_buf_str(&take.text, as_json_plain(arena, text));
    as_buf_str(&take.reasoning, as_json_str(object, "reasoning", AS_STR("")));
    if (object && scores && request->task == AS_TASK_CHOICE) {
        size_t i = 0;
        take.choice_logprobs = AS_NEW_ARRAY(arena, double, request->choice_count);
        if (scores->kind != AS_JSON_ARRAY || scores->count != request->choice_count)
            as_wire_bad(&take, "choice_logprobs is no list of %zu numbers", request->choice_count);
        else
            for (const as_json *n = scores->child; n; n = n->next)
                take.choice_logprobs[i++] = n->kind == AS_JSON_NUMBER ? n->number : -INFINITY;
    }
    take.finish = as_str_is(as_json_str(object, "finish_reason", AS_STR("")), "length")
                      ? AS_WIRE_LENGTH
                      : AS_WIRE_STOP;
    if (as_json_bool(object, "refused", false)) take.finish = AS_WIRE_FILTER;
    out->tokens_in = as_wire_count(object, "tokens_in");
    out->tokens_out = as_wire_count(object, "tokens_out");
    out->ttft_ms = as_json_f64(object, "ttft_ms", NAN);
    out->outcome = take.outcome;
    out->error = take.error;
    out->details = as_sample_details_of(arena, object);
    if (take.outcome == AS_OUT_OK) as_wire_answer(&take, out);
    as_buf_free(&take.text);
    as_buf_free(&take.reasoning);
}

static as_str how_it_ended(as_arena *arena, int status) {
    as_str said = as_child_status(arena, status);
    if (!said.len) said = AS_STR("ended with exit code 0");
    return as_strf(arena, "the command %.*s before it answered", AS_STR_ARG(said));
}

static void cmd_answer(as_target_worker *w, as_arena *arena, const as_request *request,
                       as_answer *out) {
    uint64_t start_ns = as_clock_ns();
    *out = (as_answer){.outcome = AS_OUT_OK,
                       .output = AS_STR(""),
                       .error = AS_STR(""),
                       .ttft_ms = NAN,
                       .attempts = 1};
    as_wire_messages(arena, request, true, &out->prompt_sha256);
    as_err err = {0};
    if (!w->child.pid && start(w, &err)) {
        out->outcome = AS_OUT_BAD_RESPONSE;
        out->error = as_str_copy(arena, as_str_of(err.text));
        return;
    }
    as_str line;
    switch (exchange(w, request_line(arena, request), &line)) {
    case TALK_LINE:
        take_line(arena, request, line, out);
        break;
    case TALK_ENDED:
        out->outcome = AS_OUT_BAD_RESPONSE;
        out->error = how_it_ended(arena, as_child_stop(&w->child, GRACE_MS));
        break;
    case TALK_TIMEOUT:
        out->outcome = AS_OUT_TIMEOUT;
        out->error = as_strf(arena, "the command did not answer within %lld s",
                             (long long)w->target->timeout_s);
        as_child_stop(&w->child, 0);
        break;
    case TALK_TOO_LONG:
        out->outcome = AS_OUT_BAD_RESPONSE;
        out->error = AS_STR("the command wrote more than 64 MiB without a line end");
        as_child_stop(&w->child, 0);
        break;
    case TALK_CANCELLED:
        out->outcome = AS_OUT_CANCELLED;
        out->error = AS_STR("the run was stopped");
        as_child_stop(&w->child, 0);
        break;
    }
    out->latency_ms = (double)(as_clock_ns() - start_ns) / 1e6;
}

const as_target_ops as_target_cmd = {
    .scheme = "cmd",
    .syntax = "cmd:COMMAND[?timeout=S&workers=N]",
    .open = cmd_open,
    .info = cmd_info,
    .worker_new = cmd_worker_new,
    .answer = cmd_answer,
    .worker_free = cmd_worker_free,
    .cancel = cmd_cancel,
    .close = cmd_close,
};
