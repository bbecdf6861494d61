// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry of grammar.h: the first byte says which notation, then the source, then after a
// NUL a text. Whatever compiles can be walked, twice the same way, and from where the text leads
// something comes next or it may end.
#include <stdlib.h>
#include <string.h>

#include "harness/base/grammar/recognizer.h"

static void walk(const as_grammar *grammar, as_str text) {
    enum { LITTLE = 4 << 20 };
    as_recognizer *r = as_recognizer_new(grammar, LITTLE);
    as_place place = as_recognizer_start(r);
    if (place == AS_PLACE_DEAD) abort();
    for (size_t i = 0; i < text.len && place != AS_PLACE_FULL && place != AS_PLACE_DEAD; i++) {
        as_place next = as_recognizer_step(r, place, (unsigned char)text.ptr[i]);
        if (next != AS_PLACE_FULL &&
            as_recognizer_step(r, place, (unsigned char)text.ptr[i]) != next)
            abort();
        if (next != AS_PLACE_FULL && next != AS_PLACE_DEAD && !as_recognizer_may_end(r, next) &&
            !as_recognizer_may_go_on(r, next))
            abort();
        place = next;
    }
    as_recognizer_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (!size) return 0;
    as_arena arena = {0};
    as_err err = {0};
    as_grammar *grammar;
    as_str rest = {(const char *)bytes + 1, size - 1};
    as_str source = as_str_cut(&rest, '\0');
    if (!rest.ptr) rest = AS_STR("");
    as_constraint_spec spec = {.kind = (as_constraint_kind)(1 + bytes[0] % AS_CONSTRAINT_GRAMMAR),
                               .text = source,
                               .choices = &source,
                               .choice_count = 1};
    bool schema = spec.kind == AS_CONSTRAINT_SCHEMA;
    if (!schema || !as_json_parse(&arena, source, &spec.schema, &err)) {
        if (!as_grammar_of(&spec, &grammar, &err)) {
            walk(grammar, rest);
            as_grammar_free(grammar);
        } else if (err.rc != AS_INVALID || !err.text[0]) {
            abort();
        }
    }
    as_arena_free(&arena);
    return 0;
}
