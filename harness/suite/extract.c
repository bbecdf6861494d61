// SPDX-License-Identifier: Apache-2.0
#include "harness/suite/extract.h"

#include "harness/base/json.h"
#include "harness/base/letter.h"
#include "harness/base/normal.h"
#include "harness/base/utf8.h"

// How many places of an answer are tried as the beginning of a JSON object.
enum { JSON_TRIES_MAX = 64 };

as_rc as_extract_new(const as_suite_extract *step, as_extractor *out, as_err *err) {
    *out = (as_extractor){.kind = step->kind};
    if (step->kind == AS_EXTRACT_JSON) out->path = step->argument.text;
    if (step->kind == AS_EXTRACT_REGEX)
        return as_regex_new(step->argument.text, 0, &out->regex, err);
    return AS_OK;
}

void as_extract_free(as_extractor *extractor) {
    as_regex_free(extractor->regex);
    extractor->regex = NULL;
}

static bool run_regex(const as_regex *regex, as_str text, as_str *out) {
    as_str groups[AS_REGEX_GROUPS_MAX];
    int count = as_regex_match(regex, text, 0, groups);
    if (count <= 0) return false;
    // Group 1 of the alternative that matched: `a=(\d)|b=(\d)` has it in either place.
    *out = groups[0];
    for (int i = 1; i < count; i++) {
        if (!groups[i].ptr) continue;
        *out = groups[i];
        break;
    }
    return true;
}

static bool run_first_line(as_str text, as_str *out) {
    as_str rest = text;
    while (rest.ptr) {
        as_str line = as_str_trim(as_str_cut(&rest, '\n'));
        if (!line.len) continue;
        *out = line;
        return true;
    }
    return false;
}

// End of the object that opens at `from`, its bracket included; SIZE_MAX when it stays open.
static size_t object_end(as_str text, size_t from) {
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = from; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string) {
            if (c == '\\') i++;
            if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{') {
            depth++;
        } else if (c == '}' && --depth == 0) {
            return i + 1;
        }
    }
    return SIZE_MAX;
}

static bool run_json(as_str path, as_arena *arena, as_str text, as_str *out) {
    size_t at = 0;
    for (int i = 0; i < JSON_TRIES_MAX; i++, at++) {
        at = as_str_find(text, AS_STR("{"), at);
        if (at == SIZE_MAX) return false;
        size_t end = object_end(text, at);
        const as_json *object;
        if (end == SIZE_MAX || as_json_parse(arena, as_str_sub(text, at, end), &object, NULL))
            continue;
        const as_json *value = as_json_at(object, path);
        if (!value || value->kind == AS_JSON_NULL) return false;
        *out = as_json_plain(arena, value);
        return true;
    }
    return false;
}

bool as_extract_run(const as_extractor *extractor, as_arena *arena, as_str text, as_str *out) {
    switch (extractor->kind) {
    case AS_EXTRACT_STRIP:
        *out = as_str_trim(text);
        return true;
    case AS_EXTRACT_LOWER:
        *out = as_letter_lower_str(arena, text);
        return true;
    case AS_EXTRACT_NFC:
        *out = as_normal_str(arena, AS_NORMAL_NFC, text);
        return true;
    case AS_EXTRACT_NFKC:
        *out = as_normal_str(arena, AS_NORMAL_NFKC, text);
        return true;
    case AS_EXTRACT_REGEX:
        return run_regex(extractor->regex, text, out);
    case AS_EXTRACT_FIRST_LINE:
        return run_first_line(text, out);
    case AS_EXTRACT_JSON:
        return run_json(extractor->path, arena, text, out);
    }
    return false;
}
