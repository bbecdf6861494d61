// SPDX-License-Identifier: Apache-2.0
// The keys of `prompt` for what a chat template is given besides the turns.
#include "harness/base/file.h"
#include "harness/base/jinja.h"
#include "harness/suite/suite_read.h"

enum { TOOLS_TEXT_MAX = 1024 * 1024, TOOLS_MAX = 1024 };

static bool is_tool(const as_json *tool) {
    as_str none = {NULL, 0};
    const as_json *function = as_json_get(tool, "function");
    return tool->kind == AS_JSON_OBJECT &&
           as_json_str(function && function->kind == AS_JSON_OBJECT ? function : tool, "name", none)
               .len;
}

void as_suite_read_tools(as_suite_loader *l, const as_yaml *v) {
    as_err err = {0};
    as_str text;
    const as_json *tools = NULL;
    if (v->kind == AS_YAML_LIST) {
        text = as_yaml_json(l->arena, v);
    } else {
        as_str path = as_path_join(l->arena, l->suite->dir, v->text);
        if (as_file_read(l->arena, path.ptr, TOOLS_TEXT_MAX, &text, &err)) {
            as_suite_read_problem(l, v, "prompt.tools: %s", err.text);
            return;
        }
    }
    if (as_json_parse(l->arena, text, &tools, &err)) {
        as_suite_read_problem(l, v, "prompt.tools: %s", err.text);
        return;
    }
    size_t count = 0;
    bool list = tools->kind == AS_JSON_ARRAY && tools->child;
    for (const as_json *tool = list ? tools->child : NULL; tool; tool = tool->next, count++)
        if (!is_tool(tool)) {
            as_suite_read_problem(
                l, v,
                "prompt.tools[%zu] is no tool: a tool is {type: function, function: {name: "
                "..., description: ..., parameters: ...}}",
                count);
            return;
        }
    if (!list || count > TOOLS_MAX)
        as_suite_read_problem(l, v, "prompt.tools must be a list of 1 to %d tools", TOOLS_MAX);
    l->suite->tools = tools;
}

void as_suite_read_messages(as_suite_loader *l, const as_yaml *v) {
    as_suite_read_str(l, v, "prompt.messages", &l->suite->messages);
}

void as_suite_read_turns(as_suite_loader *l, const as_yaml *prompt) {
    const as_yaml *messages = as_yaml_get(prompt, "messages");
    if (!messages && !as_yaml_get(prompt, "user"))
        as_suite_read_problem(l, prompt, "'prompt.user' is missing");
    if (messages && as_yaml_get(prompt, "few_shot"))
        as_suite_read_problem(l, messages,
                              "prompt.messages and prompt.few_shot do not go together: the turns "
                              "of a case are its own");
}

void as_suite_read_chat_template(as_suite_loader *l, const as_yaml *v) {
    as_suite_read_str(l, v, "prompt.chat_template", &l->suite->chat_template);
}

void as_suite_read_date(as_suite_loader *l, const as_yaml *v) {
    as_str text;
    if (!as_suite_read_str(l, v, "prompt.date", &text)) return;
    if (!as_jinja_is_date(text))
        as_suite_read_problem(l, v, "prompt.date is '%.*s', no day like 2026-01-31",
                              AS_STR_ARG(text));
    l->suite->date = text;
}

void as_suite_read_special_tokens(as_suite_loader *l, const as_yaml *v) {
    static const char *const words[] = {"text", "control", NULL};
    l->suite->special_tokens = as_suite_read_word(l, v, "prompt.special_tokens", words) == 1;
}
