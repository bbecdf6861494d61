// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry of jinja.h: any template ends, within its limits, with text or with a message.
#include <stdlib.h>

#include "harness/base/jinja.h"

static const char variables[] =
    "{\"name\": \"Ada\", \"n\": 7, \"half\": 2.5, \"yes\": true, \"nil\": null, \"xs\": [3, 1, 2],"
    " \"d\": {\"b\": 1, \"a\": [1, \"x\", null]}, \"uni\": \"Gr\\u00fc\\u00dfe\","
    " \"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}";

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    as_arena arena = {0};
    as_err err = {0};
    as_buf out = {0};
    const as_json *object;
    const as_jinja *template_;
    const as_str *names;
    size_t count;
    if (as_json_parse(&arena, as_str_of(variables), &object, &err)) abort();
    as_rc rc = as_jinja_parse(&arena, (as_str){(const char *)bytes, size}, &template_, &err);
    if (!rc) {
        as_jinja_names(template_, &arena, &names, &count);
        rc = as_jinja_render(template_, &arena, object, &out, &err);
        if (out.len > AS_JINJA_OUTPUT_MAX) abort();
    }
    if (!rc) { // what is undefined may only make more of it
        as_buf chat = {0};
        rc = as_jinja_render_chat(template_, &arena, object, &chat, &err);
        if (chat.len > AS_JINJA_OUTPUT_MAX) abort();
        as_buf_free(&chat);
    }
    if (rc && (rc != AS_INVALID || !as_str_starts(as_str_of(err.text), AS_STR("line ")))) abort();
    as_buf_free(&out);
    as_arena_free(&arena);
    return 0;
}
