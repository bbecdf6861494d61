// SPDX-License-Identifier: Apache-2.0
#include "harness/target/chat/chat_templates.h"

#include "harness/base/sha256.h"

void as_chat_templates_read(as_arena *arena, const as_model_info *model, as_chat_templates *out) {
    as_chat_template *all = AS_NEW_ARRAY(arena, as_chat_template, model->template_count + 1);
    for (size_t i = 0; i < model->template_count; i++) {
        as_err err = {0};
        all[i].name = model->templates[i].name;
        all[i].text = model->templates[i].text;
        all[i].sha256 = as_sha256_of(arena, all[i].text);
        if (as_jinja_parse(arena, all[i].text, &all[i].jinja, &err))
            all[i].trouble = as_str_copy(arena, as_str_of(err.text));
    }
    *out = (as_chat_templates){all, model->template_count};
}

static const as_chat_template *find(const as_chat_templates *templates, as_str name) {
    for (size_t i = 0; i < templates->count; i++)
        if (as_str_eq(templates->all[i].name, name)) return &templates->all[i];
    return NULL;
}

const as_chat_template *as_chat_templates_pick(const as_chat_templates *templates,
                                               const as_request *request) {
    if (request->chat_template.len) return find(templates, request->chat_template);
    const as_chat_template *with_tools =
        request->tools ? find(templates, AS_STR("tool_use")) : NULL;
    return with_tools ? with_tools : find(templates, AS_STR("default"));
}

// No template is taken: the name is another's, or the file says no default.
static as_rc refuse(const as_chat_templates *templates, const as_request *request, as_str uri,
                    as_err *err) {
    as_arena arena = {0};
    as_buf names = {0};
    const char **words = AS_NEW_ARRAY(&arena, const char *, templates->count + 1);
    for (size_t i = 0; i < templates->count; i++) {
        as_str name = templates->all[i].name;
        as_buff(&names, "%s%.*s", i ? ", " : "", AS_STR_ARG(name));
        words[i] = as_str_copy(&arena, name).ptr;
    }
    as_str wanted = request->chat_template;
    const char *near = wanted.len ? as_str_nearest(wanted, words) : NULL;
    if (!templates->count)
        as_fail(err, AS_INVALID,
                "prompt.chat_template is '%.*s', but the file of target '%.*s' has no chat "
                "template",
                AS_STR_ARG(wanted), AS_STR_ARG(uri));
    else if (wanted.len)
        as_fail(err, AS_INVALID,
                "prompt.chat_template is '%.*s'; the file of target '%.*s' has %s%s%s%s",
                AS_STR_ARG(wanted), AS_STR_ARG(uri), names.ptr, near ? " (did you mean '" : "",
                near ? near : "", near ? "'?)" : "");
    else
        as_fail(err, AS_INVALID,
                "the file of target '%.*s' has no default chat template; say with "
                "prompt.chat_template which one of its own to use: %s",
                AS_STR_ARG(uri), names.ptr);
    as_buf_free(&names);
    as_arena_free(&arena);
    return AS_INVALID;
}

as_rc as_chat_templates_check(const as_chat_templates *templates, const as_request *request,
                              as_str uri, as_err *err) {
    if (request->raw) {
        if (!request->chat_template.len && !request->tools) return AS_OK;
        return as_fail(err, AS_INVALID,
                       "prompt.%s: a prompt without the chat template (prompt.chat: raw) has no "
                       "place for it",
                       request->tools ? "tools" : "chat_template");
    }
    const as_chat_template *picked = as_chat_templates_pick(templates, request);
    if (!picked && (templates->count || request->chat_template.len))
        return refuse(templates, request, uri, err);
    if (picked && !picked->jinja)
        return as_fail(err, AS_INVALID, "chat template '%.*s' of target '%.*s': %.*s",
                       AS_STR_ARG(picked->name), AS_STR_ARG(uri), AS_STR_ARG(picked->trouble));
    if (request->tools && (!picked || as_str_find(picked->text, AS_STR("tools"), 0) == SIZE_MAX))
        return as_fail(err, AS_INVALID,
                       "prompt.tools: the chat template of target '%.*s' has no place for them",
                       AS_STR_ARG(uri));
    return AS_OK;
}
