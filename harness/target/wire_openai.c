// SPDX-License-Identifier: Apache-2.0
#include "harness/target/wire_openai.h"

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
    as_wire_add_tools(take, as_json_get(message, "tool_calls"));
    if (take->text.len > before || take->reasoning.len > thought) take->piece = true;
}

// As the server says them, where they were asked for; those of a stream one after the other.
static void keep_tokens(as_wire_take *take, const as_json *content) {
    if (!take->request->logprobs) return;
    if (!take->token_logprobs) take->token_logprobs = as_json_new(take->arena, AS_JSON_ARRAY);
    for (const as_json *token = content->child; token; token = token->next)
        as_json_append(take->token_logprobs, as_json_copy(take->arena, token));
}

// Of the answer: chat has logprobs.content, the text endpoint token_logprobs.
static void take_logprobs(as_wire_take *take, const as_json *choice) {
    const as_json *logprobs = as_json_get(choice, "logprobs");
    const as_json *content = as_json_get(logprobs, "content");
    const as_json *values = content ? content : as_json_get(logprobs, "token_logprobs");
    if (!values || values->kind != AS_JSON_ARRAY) return;
    for (const as_json *v = values->child; v; v = v->next) {
        const as_json *value = content ? as_json_get(v, "logprob") : v;
        if (!value || value->kind != AS_JSON_NUMBER) continue;
        take->has_logprob = true;
        take->logprob += value->number;
        take->logprob_tokens++;
    }
    if (content) keep_tokens(take, content);
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
    take_logprobs(take, choice);
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
    if (take->ended) return; // what a server says after its last word is no part of the answer
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
    take_logprobs(take, choice);
    take_finish(take, choice);
}

// The sum over one token, which stands in [begin, end), counted in code points.
typedef struct fold {
    as_wire_take *take;
    double from, to;
    bool first_free, missing;
    as_openai_scored sum;
} fold;

static void add_token(fold *f, double begin, double end, const as_json *logprob, bool first,
                      bool likeliest) {
    if (begin >= f->to || end <= f->from) return;
    if (!logprob || logprob->kind != AS_JSON_NUMBER) {
        f->missing = f->missing || !(first && f->first_free);
        return;
    }
    f->sum.logprob += logprob->number;
    f->sum.greedy = f->sum.greedy && likeliest;
    f->sum.tokens++;
}

// {" the": -1.5, ..}: whether none is likelier than the token's own.
static bool is_likeliest(const as_json *top, double own) {
    if (!top || top->kind != AS_JSON_OBJECT) return false;
    for (const as_json *t = top->child; t; t = t->next)
        if (t->kind == AS_JSON_NUMBER && t->number > own) return false;
    return true;
}

static bool fold_echo(fold *f, const as_json *logprobs) {
    const as_json *values = as_json_get(logprobs, "token_logprobs");
    const as_json *offsets = as_json_get(logprobs, "text_offset");
    const as_json *tops = as_json_get(logprobs, "top_logprobs");
    if (!values || values->kind != AS_JSON_ARRAY || !offsets || offsets->kind != AS_JSON_ARRAY ||
        values->count != offsets->count)
        return false;
    const as_json *value = values->child, *offset = offsets->child;
    const as_json *top = tops && tops->kind == AS_JSON_ARRAY ? tops->child : NULL;
    for (; value; value = value->next, offset = offset->next) {
        double end = offset->next ? offset->next->number : f->to + 1;
        f->sum.listed += offset->number < f->to ? 1 : 0;
        add_token(f, offset->number, end, value, value == values->child,
                  is_likeliest(top, value->number));
        if (top) top = top->next;
    }
    return true;
}

// [null, {"262": {"logprob": -1.5, "rank": 1, "decoded_token": " the"}, ..}, ..]: the token's own
// is the first of each. A token that holds part of a character is decoded as U+FFFD.
static bool fold_prompt(fold *f, const as_json *list, as_str full) {
    if (!list || list->kind != AS_JSON_ARRAY || !list->count) return false;
    double total = 0, at = 0;
    for (const as_json *t = list->child; t; t = t->next)
        total += (double)as_utf8_count(as_json_str(t->child, "decoded_token", AS_STR("")));
    // What the first token holds is not said: the beginning token, or what the others leave.
    at = (double)as_utf8_count(full) - total;
    if (at < 0) at = 0;
    bool first = true;
    for (const as_json *t = list->child; t; t = t->next, first = false) {
        if (first && t->kind != AS_JSON_OBJECT) {
            add_token(f, 0, at, NULL, true, true);
            continue;
        }
        double end = at + (double)as_utf8_count(as_json_str(t->child, "decoded_token", AS_STR("")));
        add_token(f, at, end, as_json_get(t->child, "logprob"), first,
                  as_json_f64(t->child, "rank", 0) <= 1);
        at = end;
    }
    return true;
}

bool as_openai_echo(as_wire_take *take, as_str body, size_t from, as_str full, bool first_free,
                    as_openai_scored *out) {
    const as_json *object = as_wire_json(take, body);
    if (!object) return false;
    const as_json *choice = first_choice(object);
    fold f = {.take = take,
              .from = (double)from,
              .to = (double)as_utf8_count(full),
              .first_free = first_free,
              .sum = {.greedy = true}};
    if (!fold_prompt(&f, as_json_get(choice, "prompt_logprobs"), full) &&
        !fold_echo(&f, as_json_get(choice, "logprobs")))
        as_wire_bad(take, "the server gives no log-probabilities of the prompt (echo, logprobs)");
    else if (f.missing)
        as_wire_bad(take, "a token of the text has no log-probability");
    else if (!f.sum.tokens && !first_free)
        as_wire_bad(take, "no token of the text was found by its text_offset");
    if (take->outcome != AS_OUT_OK) return false;
    take_usage(take, object);
    take->finish = AS_WIRE_STOP;
    take->ended = true;
    *out = f.sum;
    return true;
}
