// SPDX-License-Identifier: Apache-2.0
#include "harness/target/chat/harmony.h"

#include "harness/base/json.h"

static bool find(const as_model *model, as_arena *arena, const char *name, uint32_t *out) {
    as_tokens tokens;
    as_err err;
    if (as_model_tokenize(model, arena, as_str_of(name), true, false, &tokens, &err) ||
        tokens.count != 1)
        return false;
    *out = *tokens.ids;
    return !as_model_token_text(model, *out, false).len; // a control token
}

bool as_harmony_find(const as_model *model, as_harmony *out) {
    as_arena arena = {0};
    bool found = find(model, &arena, "<|start|>", &out->start) &&
                 find(model, &arena, "<|channel|>", &out->channel) &&
                 find(model, &arena, "<|constrain|>", &out->constrain) &&
                 find(model, &arena, "<|message|>", &out->message) &&
                 find(model, &arena, "<|end|>", &out->end);
    as_arena_free(&arena);
    return found;
}

// What the header says of the message that begins.
static void begin_message(as_harmony_reader *r, bool of_prompt) {
    as_str header = as_buf_view(&r->header), to = AS_STR("to="), functions = AS_STR("functions.");
    size_t at = as_str_find(header, to, 0);
    r->in_header = false;
    r->calls = at != SIZE_MAX;
    r->thinks = !r->calls && header.len && as_str_find(header, AS_STR("final"), 0) == SIZE_MAX;
    if (r->thinks && r->thoughts.len && !of_prompt) as_buf_char(&r->thoughts, '\n');
    if (!r->calls) return;
    as_str tool = as_str_sub(header, at + to.len, header.len);
    if (as_str_starts(tool, functions)) tool = as_str_sub(tool, functions.len, tool.len);
    as_buf_clear(&r->tool);
    as_buf_clear(&r->arguments);
    as_buf_str(&r->tool, as_str_cut(&tool, ' '));
}

bool as_harmony_take(as_harmony_reader *r, uint32_t token, as_str text, bool of_prompt) {
    const as_harmony *names = r->names;
    if (token == names->message) {
        begin_message(r, of_prompt);
    } else if (token == names->start || token == names->end) {
        as_buf_clear(&r->header);
        r->in_header = true;
    } else if (token == names->channel || token == names->constrain) {
        as_buf_char(&r->header, ' ');
        r->in_header = true;
    } else if (r->in_header) {
        as_buf_str(&r->header, text);
    } else if (!of_prompt) {
        as_buf_str(r->calls ? &r->arguments : r->thinks ? &r->thoughts : &r->answer, text);
        return !r->calls && !r->thinks;
    }
    return false;
}

as_str as_harmony_answer(const as_harmony_reader *r, as_arena *arena) {
    as_buf out = {0};
    if (r->answer.len || !r->tool.len) {
        as_buf_str(&out, as_buf_view(&r->answer));
    } else {
        as_buf_text(&out, "[{\"name\":");
        as_json_write_str(&out, as_buf_view(&r->tool));
        as_buf_text(&out, ",\"arguments\":");
        as_json_write_str(&out, as_buf_view(&r->arguments));
        as_buf_text(&out, "}]");
    }
    as_str answer = as_str_copy(arena, as_buf_view(&out));
    as_buf_free(&out);
    return answer;
}

void as_harmony_free(as_harmony_reader *r) {
    as_buf_free(&r->header);
    as_buf_free(&r->answer);
    as_buf_free(&r->thoughts);
    as_buf_free(&r->tool);
    as_buf_free(&r->arguments);
}
