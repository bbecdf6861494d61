// SPDX-License-Identifier: Apache-2.0
#include "harness/target/wire_openai.h"

#include <math.h>

#include "harness/base/utf8.h"

static void take_usage(as_wire_take *take, const as_json *object) {
    const as_json *usage = as_json_get(object, "usage");
    if (!usage || usage->kind != AS_JSON_OBJECT) return;
    take->has_usage = true;
    take->tokens_in = as_wire_count(usage, "prompt_tokens");
    take->tokens_out = as_wire_count(usage, "completion_tokens");
}

static void take_finish(as_wire_take *take, const as_json *choice) {
    as_str finish = as_json_str(choice, "finish_reason", AS_STR(""));
    if (!finish.len || take->finish == AS_WIRE_FILTER) return;
    take->finish = as_str_is(finish, "length") || as_str_is(finish, "model_length") ? AS_WIRE_LENGTH
                   : as_str_is(finish, "content_filter")                            ? AS_WIRE_FILTER
                                                                                    : AS_WIRE_STOP;
}

// A text, or a list of parts of which those with a text count. False: something else.
static bool add_content(as_buf *to, const as_json *content) {
    if (!content || content->kind == AS_JSON_NULL) return true;
    if (content->kind == AS_JSON_STRING) {
        as_buf_str(to, content->text);
        return true;
    }
    if (content->kind != AS_JSON_ARRAY) return false;
    for (const as_json *part = content->child; part; part = part->next)
        as_buf_str(to, as_json_str(part, "text", AS_STR("")));
    return true;
}

// [{"name": .., "arguments": ".."}, ..] is built as text: a stream brings arguments in pieces.
static void add_tool_calls(as_wire_take *take, const as_json *calls) {
    if (!calls || calls->kind != AS_JSON_ARRAY) return;
    as_buf piece = {0};
    for (const as_json *c = calls->child; c; c = c->next) {
        const as_json *function = as_json_get(c, "function");
        as_str name = as_json_str(function, "name", AS_STR(""));
        as_str arguments = as_json_str(function, "arguments", AS_STR(""));
        if (!name.len && !take->tools.len) continue; // arguments of nothing
        if (name.len) {
            if (take->tools.len) take->tools.len -= 3; // "}]" and the quote before
            as_buf_text(&take->tools, take->tools.len ? "\"},{\"name\":" : "[{\"name\":");
            as_json_write_str(&take->tools, name);
            as_buf_text(&take->tools, ",\"arguments\":\"\"}]");
        }
        as_buf_clear(&piece);
        as_json_write_str(&piece, arguments);
        take->tools.len -= 3;
        as_buf_add(&take->tools, piece.ptr + 1, piece.len - 2);
        as_buf_text(&take->tools, "\"}]");
        take->piece = true;
    }
    as_buf_free(&piece);
}

static void add_message(as_wire_take *take, const as_json *message, const char *where) {
    size_t before = take->text.len, thought = take->reasoning.len;
    if (!add_content(&take->text, as_json_get(message, "content"))) {
        as_wire_bad(take, "%s.content is %s, not a text", where,
                    as_json_kind_name(as_json_get(message, "content")->kind));
        return;
    }
    as_str refusal = as_json_str(message, "refusal", AS_STR(""));
    if (refusal.len) {
        as_buf_str(&take->text, refusal);
        take->finish = AS_WIRE_FILTER;
    }
    const as_json *reasoning = as_json_get(message, "reasoning_content");
    if (!reasoning || reasoning->kind == AS_JSON_NULL)
        reasoning = as_json_get(message, "reasoning");
    if (reasoning && reasoning->kind == AS_JSON_STRING)
        as_buf_str(&take->reasoning, reasoning->text);
    add_tool_calls(take, as_json_get(message, "tool_calls"));
    if (take->text.len > before || take->reasoning.len > thought) take->piece = true;
}

static const as_json *first_choice(const as_json *object) {
    const as_json *choices = as_json_get(object, "choices");
    if (!choices || choices->kind != AS_JSON_ARRAY) return NULL;
    return choices->child;
}

void as_openai_body(as_wire_take *take, bool text, as_str body) {
    const as_json *object = as_wire_json(take, body);
    if (!object) return;
    const as_json *choice = first_choice(object);
    if (!choice) {
        as_wire_bad(take, "the response has no choices[0]");
        return;
    }
    take_finish(take, choice);
    take_usage(take, object);
    if (text) {
        const as_json *words = as_json_get(choice, "text");
        if (!words || words->kind != AS_JSON_STRING)
            as_wire_bad(take, "the response has no choices[0].text");
        else
            as_buf_str(&take->text, words->text);
    } else {
        const as_json *message = as_json_get(choice, "message");
        if (!message || message->kind != AS_JSON_OBJECT)
            as_wire_bad(take, "the response has no choices[0].message");
        else
            add_message(take, message, "choices[0].message");
    }
    if (take->finish == AS_WIRE_OPEN) take->finish = AS_WIRE_STOP;
    take->ended = true;
}

void as_openai_event(as_wire_take *take, bool text, as_str event, as_str data) {
    (void)event;
    data = as_str_trim(data);
    if (as_str_is(data, "[DONE]")) {
        take->ended = true;
        return;
    }
    const as_json *object = as_wire_json(take, data);
    if (!object) return;
    take_usage(take, object);
    const as_json *choice = first_choice(object);
    if (!choice) return; // usage alone, or a filter's notes on the prompt
    if (text) {
        as_str words = as_json_str(choice, "text", AS_STR(""));
        as_buf_str(&take->text, words);
        if (words.len) take->piece = true;
    } else {
        add_message(take, as_json_get(choice, "delta"), "choices[0].delta");
    }
    take_finish(take, choice);
}

double as_openai_echo(as_wire_take *take, as_str body, as_str prompt, as_str full) {
    const as_json *object = as_wire_json(take, body);
    if (!object) return NAN;
    const as_json *logprobs = as_json_get(first_choice(object), "logprobs");
    const as_json *values = as_json_get(logprobs, "token_logprobs");
    const as_json *offsets = as_json_get(logprobs, "text_offset");
    if (!values || values->kind != AS_JSON_ARRAY || !offsets || offsets->kind != AS_JSON_ARRAY ||
        values->count != offsets->count) {
        as_wire_bad(take, "the server gives no log-probabilities of the prompt (echo, logprobs)");
        return NAN;
    }
    double from = (double)as_utf8_count(prompt), to = (double)as_utf8_count(full), sum = 0;
    size_t used = 0;
    const as_json *value = values->child, *offset = offsets->child;
    for (; value; value = value->next, offset = offset->next) {
        double end = offset->next ? offset->next->number : to + 1;
        if (offset->number >= to || end <= from) continue;
        if (value->kind != AS_JSON_NUMBER) {
            as_wire_bad(take, "a token of the choice has no log-probability");
            return NAN;
        }
        sum += value->number;
        used++;
    }
    if (!used) as_wire_bad(take, "no token of the choice was found by its text_offset");
    take_usage(take, object);
    take->finish = AS_WIRE_STOP;
    take->ended = true;
    return used ? sum : NAN;
}
