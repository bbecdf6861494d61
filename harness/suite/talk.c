// SPDX-License-Identifier: Apache-2.0
#include "harness/suite/talk.h"

enum { TURNS_MAX = 10000, CALLS_MAX = 1000 };

typedef struct reader {
    as_arena *arena;
    as_str field;
    size_t turn, call; // of which is read; call SIZE_MAX: of none
    as_err *err;
} reader;

// Always false: "'talk'[2].tool_calls[0].function.name: what".
static bool wrong(const reader *r, const char *member, const char *what, const as_json *found) {
    as_buf place = {0};
    as_buff(&place, "'%.*s'[%zu]", AS_STR_ARG(r->field), r->turn);
    if (r->call != SIZE_MAX) as_buff(&place, ".tool_calls[%zu]", r->call);
    as_fail(r->err, AS_INVALID, "%s%s%s %s, not %s", place.ptr, *member ? "." : "", member, what,
            found ? as_json_kind_name(found->kind) : "missing");
    as_buf_free(&place);
    return false;
}

static bool is_text(const as_json *value) {
    return value && value->kind == AS_JSON_STRING;
}

// An object, or the text of one.
static bool read_arguments(const reader *r, const as_json *arguments) {
    const as_json *parsed = arguments;
    as_err why = {0};
    static const char what[] = "must be an object or its JSON as a text";
    if (is_text(arguments) && as_json_parse(r->arena, arguments->text, &parsed, &why)) {
        as_fail(r->err, AS_INVALID,
                "'%.*s'[%zu].tool_calls[%zu].function.arguments is a text that is no JSON: %s",
                AS_STR_ARG(r->field), r->turn, r->call, why.text);
        return false;
    }
    if (parsed && parsed->kind == AS_JSON_OBJECT) return true;
    return wrong(r, "function.arguments", what, parsed);
}

static bool read_calls(reader *r, const as_json *calls) {
    if (calls->kind != AS_JSON_ARRAY || !calls->count || calls->count > CALLS_MAX)
        return wrong(r, "tool_calls", "must be a list of one call or more", calls);
    r->call = 0;
    for (const as_json *call = calls->child; call; call = call->next, r->call++) {
        const as_json *function = as_json_get(call, "function"), *id = as_json_get(call, "id");
        if (!function || function->kind != AS_JSON_OBJECT)
            return wrong(r, "function", "must be an object with name and arguments", function);
        const as_json *name = as_json_get(function, "name");
        if (!is_text(name) || !name->text.len)
            return wrong(r, "function.name", "must be a text", name);
        if (id && !is_text(id)) return wrong(r, "id", "must be a text", id);
        if (!read_arguments(r, as_json_get(function, "arguments"))) return false;
    }
    r->call = SIZE_MAX;
    return true;
}

static bool read_role(const reader *r, const as_json *role) {
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool", NULL};
    if (!is_text(role)) return wrong(r, "role", "must be a text", role);
    for (size_t i = 0; roles[i]; i++)
        if (as_str_is(role->text, roles[i])) return true;
    const char *near = as_str_nearest(role->text, roles);
    as_fail(r->err, AS_INVALID,
            "'%.*s'[%zu].role is '%.*s'; there are system, developer, user, assistant and "
            "tool%s%s%s",
            AS_STR_ARG(r->field), r->turn, AS_STR_ARG(as_str_sub(role->text, 0, 60)),
            near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
    return false;
}

static bool read_turn(reader *r, const as_json *message, as_prompt_turn *out) {
    if (message->kind != AS_JSON_OBJECT)
        return wrong(r, "", "must be a message with role and content", message);
    const as_json *role = as_json_get(message, "role"), *content = as_json_get(message, "content");
    const as_json *calls = as_json_get(message, "tool_calls");
    const as_json *answers = as_json_get(message, "tool_call_id");
    if (!read_role(r, role)) return false;
    bool called = calls && calls->kind != AS_JSON_NULL;
    bool empty = !content || content->kind == AS_JSON_NULL;
    if (called && !as_str_is(role->text, "assistant"))
        return wrong(r, "tool_calls", "must be of an assistant's message", calls);
    if (answers && !is_text(answers)) return wrong(r, "tool_call_id", "must be a text", answers);
    if (called && !read_calls(r, calls)) return false;
    if (!is_text(content) && !(empty && called))
        return wrong(r, "content", "must be a text", content);
    bool plain = message->count == 2 && is_text(content);
    *out = (as_prompt_turn){role->text, empty ? AS_STR("") : content->text, plain ? NULL : message};
    return true;
}

as_rc as_talk_read(as_arena *arena, as_str field, const as_json *list, as_prompt_turn **turns,
                   size_t *count, as_err *err) {
    reader r = {.arena = arena, .field = field, .call = SIZE_MAX, .err = err};
    if (!list || list->kind != AS_JSON_ARRAY || !list->count || list->count > TURNS_MAX)
        return as_fail(err, AS_INVALID, "'%.*s' must be a list of 1 to %d messages, not %s",
                       AS_STR_ARG(field), TURNS_MAX,
                       list ? as_json_kind_name(list->kind) : "missing");
    as_prompt_turn *out = AS_NEW_ARRAY(arena, as_prompt_turn, list->count);
    for (const as_json *m = list->child; m; m = m->next, r.turn++)
        if (!read_turn(&r, m, &out[r.turn])) return AS_INVALID;
    *turns = out;
    *count = list->count;
    return AS_OK;
}
