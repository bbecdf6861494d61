// SPDX-License-Identifier: Apache-2.0
// chat_templates.h - the chat templates of a model's file: one, or several with a name each, of
// which a request takes one. Immutable once read: any thread may pick.
#ifndef AS_CHAT_TEMPLATES_H
#define AS_CHAT_TEMPLATES_H

#include "harness/base/jinja.h"
#include "harness/engine/engine.h"
#include "harness/target/target.h"

typedef struct as_chat_template {
    as_str name, text, sha256; // the model's own and the arena's
    const as_jinja *jinja;     // NULL: it is not understood,
    as_str trouble;            // and why
} as_chat_template;

typedef struct as_chat_templates {
    const as_chat_template *all; // [count], in the order of the file, "default" first
    size_t count;
} as_chat_templates;

void as_chat_templates_read(as_arena *arena, const as_model_info *model, as_chat_templates *out);

// The one that the request names; without a name "tool_use" if it brings tools and there is one,
// else "default", as Hugging Face's tokenizers choose. NULL: there is none such.
const as_chat_template *as_chat_templates_pick(const as_chat_templates *templates,
                                               const as_request *request);

// Whether the request can be had with the template that it takes: AS_INVALID says which there are.
as_rc as_chat_templates_check(const as_chat_templates *templates, const as_request *request,
                              as_str uri, as_err *err) AS_MUST_USE;

#endif
