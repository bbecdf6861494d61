// SPDX-License-Identifier: Apache-2.0
#include "harness/base/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdlib.h>

enum { MATCH_LIMIT = 1000000 }; // steps of one match: about 10 ms

struct as_regex {
    pcre2_code *code;
    pcre2_match_context *context;
};

as_rc as_regex_new(as_str pattern, unsigned flags, as_regex **out, as_err *err) {
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
    if (flags & AS_REGEX_CASELESS) options |= PCRE2_CASELESS;
    if (flags & AS_REGEX_DOTALL) options |= PCRE2_DOTALL;
    if (flags & AS_REGEX_MULTILINE) options |= PCRE2_MULTILINE;
    int code_number;
    PCRE2_SIZE offset;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, options, &code_number, &offset, NULL);
    if (!code) {
        char why[160];
        pcre2_get_error_message(code_number, (PCRE2_UCHAR *)why, sizeof why);
        return as_fail(err, AS_INVALID, "regular expression '%.*s' is wrong at offset %zu: %s",
                       AS_STR_ARG(pattern), (size_t)offset, why);
    }
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); // may be unavailable: matching then interprets
    as_regex *regex = as_mem_new(sizeof *regex);
    regex->code = code;
    regex->context = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(regex->context, MATCH_LIMIT);
    *out = regex;
    return AS_OK;
}

void as_regex_free(as_regex *regex) {
    if (!regex) return;
    pcre2_match_context_free(regex->context);
    pcre2_code_free(regex->code);
    free(regex);
}

int as_regex_match(const as_regex *regex, as_str text, size_t from,
                   as_str groups[AS_REGEX_GROUPS_MAX]) {
    pcre2_match_data *data = pcre2_match_data_create(AS_REGEX_GROUPS_MAX, NULL);
    int count = pcre2_match(regex->code, (PCRE2_SPTR)(text.ptr ? text.ptr : ""), text.len, from,
                            PCRE2_NO_UTF_CHECK, data, regex->context);
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(data);
    if (count == 0) count = AS_REGEX_GROUPS_MAX; // more groups than we keep
    for (int i = 0; i < AS_REGEX_GROUPS_MAX; i++) {
        bool set = i < count && ends[2 * i] != PCRE2_UNSET;
        groups[i] = set ? as_str_sub(text, ends[2 * i], ends[2 * i + 1]) : (as_str){NULL, 0};
    }
    pcre2_match_data_free(data);
    return count > 0 ? count : count == PCRE2_ERROR_NOMATCH ? 0 : -1;
}
