// SPDX-License-Identifier: Apache-2.0
#include "harness/target/chat/chat_turn.h"

// `key` as it is, whatever bytes it has.
static void put(as_json *object, as_str key, as_json *value) {
    value->key = key;
    as_json_append(object, value);
}

// The arguments of a call, an object or the text of one, as the form wants them.
static as_json *arguments_of(as_arena *arena, const as_json *arguments, as_chat_form form) {
    const as_json *parsed = arguments;
    as_err ignored;
    bool text = arguments->kind == AS_JSON_STRING;
    if ((form == AS_CHAT_OPENAI) == text) return as_json_copy(arena, arguments);
    if (text) { // which was checked when the case was read
        if (as_json_parse(arena, arguments->text, &parsed, &ignored)) parsed = arguments;
        return as_json_copy(arena, parsed);
    }
    as_buf written = {0};
    as_json_write(&written, arguments);
    as_json *made = as_json_new_str(arena, as_str_copy(arena, as_buf_view(&written)));
    as_buf_free(&written);
    return made;
}

static as_json *call_of(as_arena *arena, const as_json *call, as_chat_form form) {
    as_json *made = as_json_new(arena, AS_JSON_OBJECT);
    const as_json *function = as_json_get(call, "function");
    if (form == AS_CHAT_OPENAI && !as_json_get(call, "type"))
        as_json_set(arena, made, "type", as_json_new_str(arena, AS_STR("function")));
    for (const as_json *m = call->child; m; m = m->next) {
        as_json *value;
        if (m == function) {
            value = as_json_new(arena, AS_JSON_OBJECT);
            for (const as_json *f = function->child; f; f = f->next)
                put(value, f->key,
                    as_str_is(f->key, "arguments") ? arguments_of(arena, f, form)
                                                   : as_json_copy(arena, f));
        } else {
            value = as_json_copy(arena, m);
        }
        put(made, m->key, value);
    }
    return made;
}

static as_json *calls_of(as_arena *arena, const as_json *calls, as_chat_form form) {
    if (calls->kind != AS_JSON_ARRAY) return as_json_copy(arena, calls);
    as_json *made = as_json_new(arena, AS_JSON_ARRAY);
    for (const as_json *call = calls->child; call; call = call->next)
        as_json_append(made, call_of(arena, call, form));
    return made;
}

as_json *as_chat_turn(as_arena *arena, const as_message *message, as_chat_form form) {
    as_json *made = as_json_new(arena, AS_JSON_OBJECT);
    if (!message->whole) {
        as_json_set(arena, made, "role", as_json_new_str(arena, message->role));
        as_json_set(arena, made, "content", as_json_new_str(arena, message->content));
        return made;
    }
    bool ollama = form == AS_CHAT_OLLAMA;
    for (const as_json *m = message->whole->child; m; m = m->next) {
        if (as_str_is(m->key, "content") && (m->kind == AS_JSON_STRING || ollama))
            put(made, m->key, as_json_new_str(arena, message->content));
        else if (as_str_is(m->key, "tool_calls"))
            put(made, m->key, calls_of(arena, m, form));
        else
            put(made, m->key, as_json_copy(arena, m));
    }
    const as_json *name = as_json_get(message->whole, "name");
    if (ollama && name && as_str_is(message->role, "tool") && !as_json_get(made, "tool_name"))
        as_json_set(arena, made, "tool_name", as_json_copy(arena, name));
    return made;
}

bool as_chat_turn_rich(const as_request *request) {
    for (size_t i = 0; i < request->message_count; i++)
        if (request->messages[i].whole) return true;
    return false;
}
